//! Views of cells. Most cells are shorter than a view: they go through a register, since a
//! copy of a few bytes whose number is not known takes longer than all the rest.

use crate::tag;

/// The longest value that lies inside its view.
pub(crate) const INLINE: usize = 12;

/// What a cell of a number that is not beyond 64 bits says, if it is one: read from its view alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An `int`.
    Int(i64),
    /// A `float`.
    Float(f64),
}

/// The length and the tag of a view, and what ends an `int`.
const INT_MASK: u128 = u40(!0, !0) | 0xFF << 104;
const INT: u128 = u40(10, tag::INT) | (tag::WHOLE as u128) << 104;
const FLOAT_MASK: u128 = u40(!0, !0);
const FLOAT: u128 = u40(9, tag::FLOAT);

/// The first 40 bits of a view.
const fn u40(length: u32, tag: u8) -> u128 {
    length as u128 | (tag as u128) << 32
}

impl Number {
    /// The number of a cell with this view.
    #[inline]
    pub fn of(view: u128) -> Option<Number> {
        let payload = ((view >> 40) as u64).swap_bytes();
        if view & INT_MASK == INT {
            return Some(Number::Int((payload ^ (1 << 63)) as i64));
        }
        (view & FLOAT_MASK == FLOAT).then(|| Number::Float(f64::from_bits(payload)))
    }

    /// The view of its cell.
    #[inline]
    pub(crate) fn view(self) -> u128 {
        let (head, payload) = match self {
            Number::Int(value) => (INT, value as u64 ^ (1 << 63)),
            Number::Float(value) => (FLOAT, value.to_bits()),
        };
        head | u128::from(payload.swap_bytes()) << 40
    }
}

/// The view of a cell of a tag and a payload, if that is short enough.
#[inline]
pub(crate) fn tagged(tag: u8, payload: &[u8]) -> Option<u128> {
    if payload.len() >= INLINE {
        return None;
    }
    Some(u40(payload.len() as u32 + 1, tag) | short(payload) << 40)
}

/// The view of a value that lies in the numbered buffer, from `start`.
#[inline]
pub(crate) fn view(value: &[u8], buffer: u32, start: u32) -> u128 {
    let length = value.len() as u32;
    match value.first_chunk::<4>() {
        Some(prefix) if value.len() > INLINE => {
            let prefix = u32::from_le_bytes(*prefix);
            let halves =
                [u64::from(length) | u64::from(prefix) << 32, u64::from(buffer) | u64::from(start) << 32];
            u128::from(halves[0]) | u128::from(halves[1]) << 64
        }
        _ => u128::from(length) | short(value) << 32,
    }
}

/// The bytes of a short value, the first one lowest.
#[inline]
pub(crate) fn short(value: &[u8]) -> u128 {
    // Two words that may overlap: where they do, they are equal.
    if let (Some(first), Some(last)) = (value.first_chunk::<8>(), value.last_chunk::<8>()) {
        let shift = 8 * (value.len() - 8);
        return u128::from(u64::from_le_bytes(*first)) | u128::from(u64::from_le_bytes(*last)) << shift;
    }
    if let (Some(first), Some(last)) = (value.first_chunk::<4>(), value.last_chunk::<4>()) {
        let shift = 8 * (value.len() - 4);
        return u128::from(u32::from_le_bytes(*first)) | u128::from(u32::from_le_bytes(*last)) << shift;
    }
    value.iter().rev().fold(0, |bytes, &byte| bytes << 8 | u128::from(byte))
}

/// The view of the value between two places of a buffer that is the first one.
#[inline]
pub(crate) fn view_within(values: &[u8], start: usize, end: usize) -> u128 {
    let length = end - start;
    // A whole view's bytes, of which those behind the value are cut off.
    if length <= INLINE
        && let Some(bytes) = values.get(start..).and_then(<[u8]>::first_chunk::<16>)
    {
        let kept = u128::from_le_bytes(*bytes) & ((1 << (8 * length)) - 1);
        return length as u128 | kept << 32;
    }
    view(&values[start..end], 0, start as u32)
}

#[cfg(test)]
mod tests {
    use arrow_array::builder::make_view;
    use proptest::prelude::*;

    use super::*;
    use crate::put;

    proptest! {
        #[test]
        fn numbers_have_the_views_of_their_cells(int: i64, bits: u64) {
            let mut cell = Vec::new();
            put::put_i64(&mut cell, int);
            prop_assert_eq!(Number::Int(int).view(), view(&cell, 0, 0));
            prop_assert_eq!(Number::of(view(&cell, 0, 0)), Some(Number::Int(int)));
            cell.clear();
            put::put_f64(&mut cell, f64::from_bits(bits));
            prop_assert_eq!(Number::Float(f64::from_bits(bits)).view(), view(&cell, 0, 0));
            let Some(Number::Float(found)) = Number::of(view(&cell, 0, 0)) else { panic!("no float") };
            prop_assert_eq!(found.to_bits(), bits);
        }

        #[test]
        fn other_cells_are_no_numbers(tag: u8, payload in prop::collection::vec(any::<u8>(), 0..20)) {
            let cell = [&[tag], payload.as_slice()].concat();
            let number = matches!(
                (tag, payload.as_slice()),
                (tag::INT, [_, _, _, _, _, _, _, _, tag::WHOLE]) | (tag::FLOAT, [_, _, _, _, _, _, _, _])
            );
            prop_assert_eq!(Number::of(view(&cell, 0, 0)).is_some(), number);
        }

        #[test]
        fn a_tag_and_a_payload_are_a_value(tag: u8, payload in prop::collection::vec(any::<u8>(), 0..20)) {
            let cell = [&[tag], payload.as_slice()].concat();
            prop_assert_eq!(tagged(tag, &payload), (cell.len() <= INLINE).then(|| view(&cell, 0, 0)));
        }

        #[test]
        fn a_value_within_a_buffer_is_that_value(buffer in prop::collection::vec(any::<u8>(), 0..60), a: prop::sample::Index, b: prop::sample::Index) {
            let (a, b) = (a.index(buffer.len() + 1), b.index(buffer.len() + 1));
            let (start, end) = (a.min(b), a.max(b));
            prop_assert_eq!(view_within(&buffer, start, end), view(&buffer[start..end], 0, start as u32));
        }

        #[test]
        fn views_are_those_of_arrow(value in prop::collection::vec(any::<u8>(), 0..40), buffer: u32, start: u32) {
            prop_assert_eq!(view(&value, buffer, start), make_view(&value, buffer, start));
        }

    }
}
