//! Short texts that come again and again, keys of dicts above all, as the objects that they were made
//! into before: the object is there already, and knows its hash.
//!
//! Where few texts come again, looking for them is given up. Must not keep what is long.

use pyo3::prelude::*;

/// Texts that are kept; a new one takes the place of an old one.
const SLOTS: usize = 256;
/// Fewer cells than these are not worth the table.
const WORTH: usize = 64;
/// After so many texts, a quarter of them has to have been found.
const TRIAL: u32 = 64;

/// A text of at most sixteen bytes: its length and its two halves, which may overlap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    length: usize,
    first: u64,
    last: u64,
}

impl Short {
    #[inline]
    fn of(text: &[u8]) -> Option<Short> {
        let length = text.len();
        let (first, last) = match length {
            0 | 17.. => return None,
            1..4 => {
                let byte = |index: usize| u64::from(text[index]) << (8 * index);
                ((0..length).map(byte).sum(), 0)
            }
            4..8 => (
                u64::from(u32::from_le_bytes(*text.first_chunk()?)),
                u64::from(u32::from_le_bytes(*text.last_chunk()?)),
            ),
            _ => (u64::from_le_bytes(*text.first_chunk()?), u64::from_le_bytes(*text.last_chunk()?)),
        };
        Some(Short { length, first, last })
    }

    #[inline]
    fn slot(self) -> usize {
        let mixed = (self.first ^ self.last.rotate_left(29)).wrapping_add(self.length as u64);
        (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize % SLOTS
    }
}

/// The texts of one decoder.
pub(crate) struct Texts<'py> {
    /// Empty where nothing is kept.
    slots: Vec<Option<(Short, Bound<'py, PyAny>)>>,
    looked_for: u32,
    found: u32,
}

impl<'py> Texts<'py> {
    /// For so many cells.
    #[inline]
    pub(crate) fn new(cells: usize) -> Self {
        let slots =
            if cells < WORTH { Vec::new() } else { std::iter::repeat_with(|| None).take(SLOTS).collect() };
        Texts { slots, looked_for: 0, found: 0 }
    }

    /// The text as it is looked for, if it is.
    #[inline]
    pub(crate) fn short(&self, text: &[u8]) -> Option<Short> {
        if self.slots.is_empty() { None } else { Short::of(text) }
    }

    /// The object of a text that came before.
    #[inline]
    pub(crate) fn find(&mut self, short: Short) -> Option<&Bound<'py, PyAny>> {
        self.looked_for += 1;
        let (kept, object) = self.slots[short.slot()].as_ref()?;
        if *kept != short {
            return None;
        }
        self.found += 1;
        Some(object)
    }

    /// Keeps the object of a text that was not found.
    pub(crate) fn keep(&mut self, short: Short, object: Bound<'py, PyAny>) {
        if self.looked_for.is_multiple_of(TRIAL) && self.found < self.looked_for / 4 {
            self.slots = Vec::new();
            return;
        }
        self.slots[short.slot()] = Some((short, object));
    }
}
