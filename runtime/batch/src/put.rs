//! Writes cells: every function appends one cell (or the opening or end of a container) to a `Vec`.
//!
//! `nested` says whether the cell stands inside a container, where payloads of any length are
//! escaped and ended. A tuple is `open(out, tag::TUPLE)`, its items with `nested: true`, then
//! [`close`]. Nothing here looks at what is already written or fails: it must stay the fast path.

use crate::cell::find_zero;
use crate::tag;
use crate::views::short;

/// `None`.
#[inline]
pub fn put_none(out: &mut Vec<u8>) {
    out.push(tag::NONE);
}

/// `True` or `False` (value form; the key form is [`put_i64`] of 1 or 0).
#[inline]
pub fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(if value { tag::TRUE } else { tag::FALSE });
}

/// An `int` of 64 bits: ten bytes, so that it lies inside an Arrow view.
#[inline]
pub fn put_i64(out: &mut Vec<u8>, value: i64) {
    let mut cell = [0; 10];
    cell[0] = tag::INT;
    cell[1..9].copy_from_slice(&flip64(value));
    cell[9] = tag::WHOLE;
    out.extend_from_slice(&cell);
}

/// An `int` of any size from its sign and big-endian magnitude; leading zeros do not matter.
pub fn put_big_int(out: &mut Vec<u8>, negative: bool, magnitude_be: &[u8]) {
    put_integer_part(out, negative, magnitude_be);
    out.push(tag::WHOLE);
}

/// The integer part of a number: everything but the suffix that says what follows it.
pub(crate) fn put_integer_part(out: &mut Vec<u8>, negative: bool, magnitude_be: &[u8]) {
    let zeros = magnitude_be.iter().take_while(|&&byte| byte == 0).count();
    let magnitude = &magnitude_be[zeros..];
    if let Some(small) = as_i64(negative, magnitude) {
        out.push(tag::INT);
        out.extend_from_slice(&flip64(small));
        return;
    }
    let length = u32::try_from(magnitude.len()).unwrap_or(u32::MAX).to_be_bytes();
    if negative {
        out.push(tag::NEG_BIG);
        out.extend(length.iter().chain(magnitude).map(|byte| !byte));
    } else {
        out.push(tag::POS_BIG);
        out.extend_from_slice(&length);
        out.extend_from_slice(magnitude);
    }
}

/// The number if 64 bits hold it. `magnitude` is big-endian without leading zeros.
pub(crate) fn as_i64(negative: bool, magnitude: &[u8]) -> Option<i64> {
    if magnitude.len() > 8 {
        return None;
    }
    let absolute = magnitude.iter().fold(0_i128, |sum, &byte| (sum << 8) | i128::from(byte));
    i64::try_from(if negative { -absolute } else { absolute }).ok()
}

/// A `float`, all its bits (value form; the key form is [`crate::key::put_f64_key`]).
#[inline]
pub fn put_f64(out: &mut Vec<u8>, value: f64) {
    out.push(tag::FLOAT);
    out.extend_from_slice(&value.to_bits().to_be_bytes());
}

/// A `str` from its UTF-8, lone surrogates as three bytes each (`surrogatepass`).
#[inline]
pub fn put_str(out: &mut Vec<u8>, utf8: &[u8], nested: bool) {
    put_payload(out, tag::STR, utf8, nested);
}

/// `bytes`.
#[inline]
pub fn put_bytes(out: &mut Vec<u8>, value: &[u8], nested: bool) {
    put_payload(out, tag::BYTES, value, nested);
}

/// Any object as its pickle.
#[inline]
pub fn put_object(out: &mut Vec<u8>, pickle: &[u8], nested: bool) {
    put_payload(out, tag::OBJECT, pickle, nested);
}

/// Any object in key position, as canonical bytes of its class and state.
#[inline]
pub fn put_object_key(out: &mut Vec<u8>, canonical: &[u8], nested: bool) {
    put_payload(out, tag::OBJECT_KEY, canonical, nested);
}

/// A `Decimal` from its `str()` (value form; for the key form see [`crate::key`]).
#[inline]
pub fn put_decimal(out: &mut Vec<u8>, text: &str, nested: bool) {
    put_payload(out, tag::DECIMAL, text.as_bytes(), nested);
}

/// A `date` as days since 1970-01-01.
#[inline]
pub fn put_date(out: &mut Vec<u8>, days: i32) {
    out.push(tag::DATE);
    out.extend_from_slice(&flip32(days));
}

/// A `datetime` without zone: microseconds since 1970-01-01 as if the zone were UTC.
#[inline]
pub fn put_datetime(out: &mut Vec<u8>, micros: i64, fold: bool) {
    out.push(if fold { tag::DATETIME_FOLD } else { tag::DATETIME });
    out.extend_from_slice(&flip64(micros));
}

/// An aware `datetime` with a plain fixed offset: microseconds since the epoch at UTC, and the
/// offset from UTC. The key form is the same with offset 0 and without fold.
#[inline]
pub fn put_datetime_aware(out: &mut Vec<u8>, utc_micros: i64, offset_seconds: i32, fold: bool) {
    if offset_seconds == 0 && !fold {
        out.push(tag::DATETIME_AWARE);
        out.extend_from_slice(&flip64(utc_micros));
        return;
    }
    out.push(tag::DATETIME_OFFSET);
    out.extend_from_slice(&flip64(utc_micros));
    out.extend_from_slice(&flip32(offset_seconds));
    out.push(u8::from(fold));
}

/// A `time` without zone: microseconds since midnight, less than a day.
#[inline]
pub fn put_time(out: &mut Vec<u8>, micros: u64, fold: bool) {
    out.push(if fold { tag::TIME_FOLD } else { tag::TIME });
    out.extend_from_slice(&micros.to_be_bytes()[3..]);
}

/// A `timedelta` as Python normalises it: days, and microseconds (less than a day) to add.
#[inline]
pub fn put_timedelta(out: &mut Vec<u8>, days: i32, micros: u64) {
    out.push(tag::TIMEDELTA);
    out.extend_from_slice(&flip32(days));
    out.extend_from_slice(&micros.to_be_bytes()[3..]);
}

/// A `UUID` from its sixteen bytes.
#[inline]
pub fn put_uuid(out: &mut Vec<u8>, bytes: &[u8; 16]) {
    out.push(tag::UUID);
    out.extend_from_slice(bytes);
}

/// Opens a container: `tag::TUPLE`, `LIST`, `SET`, `FROZENSET`, or `DICT` (key, value, key, …).
#[inline]
pub fn open(out: &mut Vec<u8>, tag: u8) {
    out.push(tag);
}

/// Ends the container opened last.
#[inline]
pub fn close(out: &mut Vec<u8>) {
    out.push(tag::END);
}

/// Appends a whole top-level cell as an item of the container that is open.
#[inline]
pub fn put_item(out: &mut Vec<u8>, cell: &[u8]) {
    match cell.split_first() {
        Some((&tag @ (tag::STR | tag::BYTES | tag::OBJECT | tag::OBJECT_KEY | tag::DECIMAL), payload)) => {
            put_payload(out, tag, payload, true)
        }
        _ => out.extend_from_slice(cell),
    }
}

#[inline]
fn put_payload(out: &mut Vec<u8>, tag: u8, payload: &[u8], nested: bool) {
    if nested && let Some(bytes) = without_zeros(payload) {
        // All of a register, of which what is behind the end is cut off again.
        let end = out.len() + payload.len() + 2;
        out.extend_from_slice(&(bytes << 8 | u128::from(tag)).to_le_bytes());
        out.truncate(end);
        return;
    }
    out.reserve(payload.len() + 2);
    out.push(tag);
    if nested {
        put_escaped(out, payload);
    } else {
        out.extend_from_slice(payload);
    }
}

/// A payload that needs no escapes and that a register holds between a tag and an end.
#[inline]
fn without_zeros(payload: &[u8]) -> Option<u128> {
    const ONES: u128 = u128::from_le_bytes([1; 16]);
    if payload.len() > 14 {
        return None;
    }
    let bytes = short(payload);
    // What is behind the payload does not count: the lowest bit that is found is that of the first zero.
    let zeros = bytes.wrapping_sub(ONES) & !bytes & (ONES << 7);
    (zeros.trailing_zeros() as usize / 8 >= payload.len()).then_some(bytes)
}

/// The payload with 0x00 as 00 FF, and its end.
#[inline]
pub(crate) fn put_escaped(out: &mut Vec<u8>, payload: &[u8]) {
    let mut rest = payload;
    while let Some(zero) = find_zero(rest) {
        out.extend_from_slice(&rest[..=zero]);
        out.push(tag::ESCAPE);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
    out.push(tag::END);
}

/// Big-endian with the sign bit flipped: memcmp order is number order.
#[inline]
fn flip64(value: i64) -> [u8; 8] {
    (value as u64 ^ (1 << 63)).to_be_bytes()
}

/// [`flip64`] for 32 bits.
#[inline]
fn flip32(value: i32) -> [u8; 4] {
    (value as u32 ^ (1 << 31)).to_be_bytes()
}
