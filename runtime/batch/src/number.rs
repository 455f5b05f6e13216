//! Reads the numbers of key cells: an integer part (`INT`, `NEG_BIG`, `POS_BIG`) and what follows
//! it. A suffix of [`tag::WHOLE`] ends an integer; a fraction is away from zero, its sign that of
//! the number, so that memcmp order is the order of the numbers. Value cells only hold integers.

use std::borrow::Cow;

use crate::cell::{self, Cell, CellError};
use crate::tag;

/// The length of a number's payload, which begins after the tag.
#[inline]
pub(crate) fn payload_len(tag: u8, rest: &[u8]) -> Result<usize, CellError> {
    let whole = integer_len(tag, rest)?;
    match rest.get(whole) {
        Some(&tag::WHOLE) => Ok(whole + 1),
        Some(&(tag::FRACTION_UP | tag::FRACTION_DOWN)) => match rest.get(whole + 9) {
            Some(&tag::WHOLE) => Ok(whole + 10),
            Some(&(tag::BEYOND_UP | tag::BEYOND_DOWN)) => {
                let text = whole + 18;
                let rest = rest.get(text..).ok_or(CellError::Truncated)?;
                Ok(text + cell::terminated(rest)?.whole)
            }
            Some(_) => Err(CellError::Payload(tag)),
            None => Err(CellError::Truncated),
        },
        Some(_) => Err(CellError::Payload(tag)),
        None => Err(CellError::Truncated),
    }
}

/// The length of the integer part without its tag.
#[inline]
fn integer_len(tag: u8, rest: &[u8]) -> Result<usize, CellError> {
    if tag == tag::INT {
        return if rest.len() < 8 { Err(CellError::Truncated) } else { Ok(8) };
    }
    let Some(length) = rest.get(..4) else { return Err(CellError::Truncated) };
    let length = cell::big_endian(length) as u32;
    let length = if tag == tag::NEG_BIG { !length } else { length } as usize;
    if rest.len() - 4 < length {
        return Err(CellError::Truncated);
    }
    Ok(4 + length)
}

/// A number from its exact payload.
#[inline]
pub(crate) fn read(tag: u8, payload: &[u8]) -> Result<Cell<'_>, CellError> {
    let length = payload_len(tag, payload)?;
    if length < payload.len() {
        return Err(CellError::Trailing(payload.len() - length));
    }
    let (integer, suffix) = payload.split_at(integer_len(tag, payload)?);
    if suffix.len() > 10 {
        let text = &suffix[18..suffix.len() - 1];
        return Ok(Cell::Beyond(cell::plain(text, memchr::memchr(tag::END, text).is_some())));
    }
    match tag {
        tag::INT if suffix.len() == 1 => Ok(Cell::Int(cell::unflip64(integer))),
        tag::INT => fraction(cell::unflip64(integer), suffix).ok_or(CellError::Payload(tag)),
        _ if suffix.len() == 1 => big(tag, &integer[4..]).ok_or(CellError::Payload(tag)),
        _ => Err(CellError::Payload(tag)),
    }
}

/// The float of an integer part and a fraction; `None` unless it is just that number.
fn fraction(integer: i64, suffix: &[u8]) -> Option<Cell<'static>> {
    let up = suffix[0] == tag::FRACTION_UP;
    let bits = cell::big_endian(&suffix[1..9]);
    let part = f64::from_bits(if up { bits } else { !bits });
    let agrees = if up { integer >= 0 } else { integer <= 0 };
    let value = integer as f64 + if up { part } else { -part };
    let exact = part > 0.0 && part < 1.0 && value.trunc() as i64 == integer && value.fract().abs() == part;
    (agrees && exact).then_some(Cell::Float(value))
}

/// An integer outside of 64 bits; `None` if it is written in a way that the encoder does not.
fn big(tag: u8, magnitude: &[u8]) -> Option<Cell<'_>> {
    let negative = tag == tag::NEG_BIG;
    let magnitude: Cow<'_, [u8]> =
        if negative { Cow::Owned(magnitude.iter().map(|byte| !byte).collect()) } else { magnitude.into() };
    let canonical = magnitude.first().is_some_and(|&byte| byte != 0)
        && crate::put::as_i64(negative, &magnitude).is_none();
    canonical.then_some(Cell::BigInt { negative, magnitude })
}
