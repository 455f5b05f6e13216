//! Reads cells: a whole top-level cell as a [`Cell`], a container's items one by one as [`Items`],
//! or everything in one pass as the [`Token`]s of a [`Reader`] (the fastest way to build objects).
//!
//! Nothing is copied unless a nested payload holds a zero byte. No byte sequence makes a reader
//! panic, and none makes it allocate more than the cell is long. Text is not checked to be UTF-8
//! (it may hold lone surrogates); who turns it into a string does.

use std::borrow::Cow;

pub use crate::put::{
    close, open, put_big_int, put_bool, put_bytes, put_date, put_datetime, put_datetime_aware, put_decimal,
    put_f64, put_i64, put_item, put_none, put_object, put_object_key, put_str, put_time, put_timedelta,
    put_uuid,
};
pub use crate::reader::{Common, Reader, Token};
use crate::{number, tag};

/// How deep containers may be nested.
pub const MAX_DEPTH: usize = 200;

/// Microseconds in a day.
pub const DAY_MICROS: u64 = 86_400_000_000;

/// One value, read from a value cell or a key cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// `None`.
    None,
    /// `bool`.
    Bool(bool),
    /// An `int` of 64 bits.
    Int(i64),
    /// An `int` outside of 64 bits: sign and big-endian magnitude.
    BigInt {
        /// Whether it is below zero.
        negative: bool,
        /// Absolute value, big-endian, without leading zeros.
        magnitude: Cow<'a, [u8]>,
    },
    /// `float`.
    Float(f64),
    /// A number in key form that is no `float` exactly: the text that the host gave for it.
    Beyond(Cow<'a, [u8]>),
    /// `str` as UTF-8 with lone surrogates as three bytes each.
    Str(Cow<'a, [u8]>),
    /// `bytes`.
    Bytes(Cow<'a, [u8]>),
    /// `tuple`.
    Tuple(Items<'a>),
    /// `list`.
    List(Items<'a>),
    /// `set`.
    Set(Items<'a>),
    /// `frozenset`.
    Frozenset(Items<'a>),
    /// `dict`: key, value, key, value, …
    Dict(Items<'a>),
    /// `date`: days since 1970-01-01.
    Date(i32),
    /// `datetime` without zone.
    Datetime {
        /// Microseconds since 1970-01-01 as if the zone were UTC.
        micros: i64,
        /// Its `fold`.
        fold: bool,
    },
    /// Aware `datetime`.
    DatetimeAware {
        /// Microseconds since the epoch, at UTC.
        utc_micros: i64,
        /// Seconds that local time is ahead of UTC.
        offset_seconds: i32,
        /// Its `fold`.
        fold: bool,
    },
    /// `time` without zone.
    Time {
        /// Microseconds since midnight, less than a day.
        micros: u64,
        /// Its `fold`.
        fold: bool,
    },
    /// `timedelta`.
    Timedelta {
        /// Days, of any sign.
        days: i32,
        /// Microseconds to add, less than a day.
        micros: u64,
    },
    /// `UUID`.
    Uuid([u8; 16]),
    /// `Decimal` as its `str()`.
    Decimal(Cow<'a, [u8]>),
    /// Any object's pickle.
    Object(Cow<'a, [u8]>),
    /// The canonical bytes of an object in key position.
    ObjectKey(Cow<'a, [u8]>),
}

/// Why bytes are not a cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    /// It stops in the middle, or a container has no end.
    #[error("cell is cut short")]
    Truncated,
    /// There is more than one cell.
    #[error("{0} bytes after the end of a cell")]
    Trailing(usize),
    /// No kind has this tag, or the tag may not stand here.
    #[error("cell has the unknown tag {0:#04x}")]
    Tag(u8),
    /// The payload cannot be of this kind.
    #[error("cell of tag {0:#04x} has an impossible payload")]
    Payload(u8),
    /// Containers are nested deeper than [`MAX_DEPTH`].
    #[error("cell is nested more than {MAX_DEPTH} levels deep")]
    Depth,
}

impl<'a> Cell<'a> {
    /// Reads a top-level cell. The items of a container are checked when they are taken.
    #[inline]
    pub fn read(bytes: &'a [u8]) -> Result<Cell<'a>, CellError> {
        let Some((&tag, payload)) = bytes.split_first() else { return Err(CellError::Truncated) };
        match tag {
            tag::STR => Ok(Cell::Str(Cow::Borrowed(payload))),
            tag::INT if payload.len() == 9 && payload[8] == tag::WHOLE => {
                Ok(Cell::Int(unflip64(&payload[..8])))
            }
            _ if tag::is_container(tag) => container(tag, payload, 1),
            _ => scalar(tag, payload, false),
        }
    }
}

/// The items of a container. Ends after the first error.
#[derive(Clone, Debug, PartialEq)]
pub struct Items<'a> {
    rest: &'a [u8],
    depth: usize,
}

/// One item of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct Item<'a> {
    /// What it is.
    pub cell: Cell<'a>,
    /// Its bytes in nested form: fit to be appended inside another container as they are.
    pub raw: &'a [u8],
}

impl Item<'_> {
    /// Appends the item as a top-level cell.
    pub fn put_top(&self, out: &mut Vec<u8>) {
        match &self.cell {
            Cell::Str(payload)
            | Cell::Bytes(payload)
            | Cell::Decimal(payload)
            | Cell::Object(payload)
            | Cell::ObjectKey(payload) => {
                out.push(self.raw[0]);
                out.extend_from_slice(payload);
            }
            _ => out.extend_from_slice(self.raw),
        }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, CellError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let item = self.split();
        if item.is_err() {
            self.rest = &[];
        }
        Some(item)
    }
}

impl<'a> Items<'a> {
    /// The bytes of the items that are left, in nested form.
    pub fn raw(&self) -> &'a [u8] {
        self.rest
    }

    fn split(&mut self) -> Result<Item<'a>, CellError> {
        let tag = self.rest[0];
        if tag::is_container(tag) {
            let length = container_len(self.rest, self.depth)?;
            let (raw, rest) = self.rest.split_at(length);
            self.rest = rest;
            return Ok(Item { cell: container(tag, &raw[1..], self.depth + 1)?, raw });
        }
        let span = nested_scalar(tag, &self.rest[1..])?;
        let (raw, rest) = self.rest.split_at(1 + span.whole);
        self.rest = rest;
        Ok(Item { cell: scalar(tag, &raw[1..1 + span.payload], span.escaped)?, raw })
    }
}

/// Where a nested payload ends.
pub(crate) struct Span {
    /// Bytes of the payload as it stands, without its end.
    pub(crate) payload: usize,
    /// Bytes up to the next item.
    pub(crate) whole: usize,
    /// Whether the payload holds escaped zeros.
    pub(crate) escaped: bool,
}

/// Finds the end of a nested cell that is no container; `rest` begins after the tag.
#[inline]
pub(crate) fn nested_scalar(tag: u8, rest: &[u8]) -> Result<Span, CellError> {
    let length = match tag {
        tag::STR | tag::BYTES | tag::DECIMAL | tag::OBJECT | tag::OBJECT_KEY => return terminated(rest),
        tag::INT | tag::NEG_BIG | tag::POS_BIG => number::payload_len(tag, rest)?,
        tag::NONE | tag::FALSE | tag::TRUE | tag::NEG_INF | tag::POS_INF | tag::NAN => 0,
        tag::DATE => 4,
        tag::TIME | tag::TIME_FOLD => 5,
        tag::FLOAT | tag::DATETIME | tag::DATETIME_FOLD | tag::DATETIME_AWARE => 8,
        tag::TIMEDELTA => 9,
        tag::DATETIME_OFFSET => 13,
        tag::UUID => 16,
        _ => return Err(CellError::Tag(tag)),
    };
    if rest.len() < length {
        return Err(CellError::Truncated);
    }
    Ok(Span { payload: length, whole: length, escaped: false })
}

/// Finds the zero that ends a payload: the first that no escape follows.
#[inline]
pub(crate) fn terminated(rest: &[u8]) -> Result<Span, CellError> {
    let mut from = 0;
    loop {
        let Some(zero) = find_zero(&rest[from..]) else { return Err(CellError::Truncated) };
        let at = from + zero;
        if rest.get(at + 1) != Some(&tag::ESCAPE) {
            return Ok(Span { payload: at, whole: at + 1, escaped: from > 0 });
        }
        from = at + 2;
    }
}

/// Where the first zero byte is. Most texts are short: their first bytes are looked at in registers.
#[inline]
pub(crate) fn find_zero(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk()
        && bytes.len() - rest.len() < 2 * size_of::<u64>()
    {
        let word = u64::from_le_bytes(*word);
        // The high bit of each byte that is zero, up to the first of them.
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros != 0 {
            return Some(bytes.len() - rest.len() + zeros.trailing_zeros() as usize / 8);
        }
        rest = after;
    }
    let found = if rest.len() < size_of::<u64>() {
        rest.iter().position(|&byte| byte == 0)
    } else {
        memchr::memchr(0, rest)
    };
    found.map(|at| bytes.len() - rest.len() + at)
}

/// The length of a nested container, its tag and end included, that stands inside `depth` others.
pub(crate) fn container_len(bytes: &[u8], depth: usize) -> Result<usize, CellError> {
    let (mut at, mut open) = (0, 0);
    loop {
        let Some(&tag) = bytes.get(at) else { return Err(CellError::Truncated) };
        at += 1;
        if tag == tag::END {
            open -= 1;
            if open == 0 {
                return Ok(at);
            }
        } else if tag::is_container(tag) {
            open += 1;
            if depth + open > MAX_DEPTH {
                return Err(CellError::Depth);
            }
        } else {
            at += nested_scalar(tag, &bytes[at..])?.whole;
        }
    }
}

/// A container from what follows its tag, to the end; `depth` counts it and those around it.
fn container(tag: u8, payload: &[u8], depth: usize) -> Result<Cell<'_>, CellError> {
    let Some((&tag::END, rest)) = payload.split_last() else { return Err(CellError::Truncated) };
    let items = Items { rest, depth };
    match tag {
        tag::TUPLE => Ok(Cell::Tuple(items)),
        tag::LIST => Ok(Cell::List(items)),
        tag::SET => Ok(Cell::Set(items)),
        tag::FROZENSET => Ok(Cell::Frozenset(items)),
        tag::DICT => Ok(Cell::Dict(items)),
        _ => Err(CellError::Tag(tag)),
    }
}

/// A cell that is no container from its exact payload.
#[inline]
pub(crate) fn scalar(tag: u8, payload: &[u8], escaped: bool) -> Result<Cell<'_>, CellError> {
    match tag {
        tag::STR => Ok(Cell::Str(plain(payload, escaped))),
        tag::BYTES => Ok(Cell::Bytes(plain(payload, escaped))),
        tag::DECIMAL => Ok(Cell::Decimal(plain(payload, escaped))),
        tag::OBJECT => Ok(Cell::Object(plain(payload, escaped))),
        tag::OBJECT_KEY => Ok(Cell::ObjectKey(plain(payload, escaped))),
        tag::INT | tag::NEG_BIG | tag::POS_BIG => number::read(tag, payload),
        _ => fixed(tag, payload).ok_or_else(|| match nested_scalar(tag, payload) {
            Err(error) => error,
            Ok(span) if span.whole < payload.len() => CellError::Trailing(payload.len() - span.whole),
            Ok(_) => CellError::Payload(tag),
        }),
    }
}

/// A cell of a kind with a payload of fixed length; `None` if the payload is not of that kind.
fn fixed(tag: u8, payload: &[u8]) -> Option<Cell<'static>> {
    Some(match (tag, payload.len()) {
        (tag::NONE, 0) => Cell::None,
        (tag::FALSE, 0) => Cell::Bool(false),
        (tag::TRUE, 0) => Cell::Bool(true),
        (tag::NEG_INF, 0) => Cell::Float(f64::NEG_INFINITY),
        (tag::POS_INF, 0) => Cell::Float(f64::INFINITY),
        (tag::NAN, 0) => Cell::Float(f64::NAN),
        (tag::FLOAT, 8) => Cell::Float(f64::from_bits(u64::from_be_bytes(payload.try_into().ok()?))),
        (tag::DATE, 4) => Cell::Date(unflip32(payload)),
        (tag::DATETIME | tag::DATETIME_FOLD, 8) => {
            Cell::Datetime { micros: unflip64(payload), fold: tag == tag::DATETIME_FOLD }
        }
        (tag::DATETIME_AWARE, 8) => {
            Cell::DatetimeAware { utc_micros: unflip64(payload), offset_seconds: 0, fold: false }
        }
        (tag::DATETIME_OFFSET, 13) if payload[12] <= 1 => Cell::DatetimeAware {
            utc_micros: unflip64(&payload[..8]),
            offset_seconds: unflip32(&payload[8..12]),
            fold: payload[12] == 1,
        },
        (tag::TIME | tag::TIME_FOLD, 5) => {
            Cell::Time { micros: day_micros(payload)?, fold: tag == tag::TIME_FOLD }
        }
        (tag::TIMEDELTA, 9) => {
            Cell::Timedelta { days: unflip32(&payload[..4]), micros: day_micros(&payload[4..])? }
        }
        (tag::UUID, 16) => Cell::Uuid(payload.try_into().ok()?),
        _ => return None,
    })
}

/// The payload without its escapes.
#[inline]
pub(crate) fn plain(payload: &[u8], escaped: bool) -> Cow<'_, [u8]> {
    if !escaped {
        return Cow::Borrowed(payload);
    }
    let mut out = Vec::with_capacity(payload.len());
    let mut rest = payload;
    while let Some(zero) = memchr::memchr(tag::END, rest) {
        out.extend_from_slice(&rest[..=zero]);
        rest = rest.get(zero + 2..).unwrap_or(&[]);
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// An unsigned number of up to eight bytes.
#[inline]
pub(crate) fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
}

/// The 64-bit number whose sign bit was flipped.
#[inline]
pub(crate) fn unflip64(bytes: &[u8]) -> i64 {
    let bits = bytes.first_chunk().map_or_else(|| big_endian(bytes), |bytes| u64::from_be_bytes(*bytes));
    (bits ^ (1 << 63)) as i64
}

fn unflip32(bytes: &[u8]) -> i32 {
    (big_endian(bytes) as u32 ^ (1 << 31)) as i32
}

fn day_micros(bytes: &[u8]) -> Option<u64> {
    let micros = big_endian(bytes);
    (micros < DAY_MICROS).then_some(micros)
}
