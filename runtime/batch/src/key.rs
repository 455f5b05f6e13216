//! From value cells to key cells: Python's equality as equal bytes, Python's order as memcmp order.
//!
//! Numbers become canonical (`True` is 1, `2.0` is 2, one NaN), sets and dicts are sorted, aware
//! datetimes keep their instant only. What only Python can canonicalise (a `Decimal`, any pickled
//! object, wherever it stands) is left to the host, which builds the key with the same functions.

use crate::cell::{self, Cell, CellError, Item, Items};
use crate::put::{self, close, open, put_i64};
use crate::tag;

pub use crate::compare::{Incomparable, check_comparable, check_comparable_strictly, rank_cmp};
pub use crate::order::{check_order_comparable, complement, put_order_component};

/// How the key form of a value relates to the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyForm {
    /// The value cell is the key cell.
    Same,
    /// Other bytes, but reading the key cell gives the value again (`0.5`): nothing is lost.
    Rewritten,
    /// Other bytes that stand for an equal value (`True` became 1): who wants to show the original
    /// has to carry it.
    Changed,
    /// Python has to say what the key is; nothing was written.
    NeedsHost,
}

/// Appends the key cell of a value cell, unless they are the same or the host is needed.
#[inline]
pub fn key_of(value: &[u8], out: &mut Vec<u8>) -> Result<KeyForm, CellError> {
    match value.first() {
        Some(&tag) if tag::is_same_in_both_forms(tag) => Ok(KeyForm::Same),
        _ => key_of_other(value, out),
    }
}

fn key_of_other(value: &[u8], out: &mut Vec<u8>) -> Result<KeyForm, CellError> {
    let cell = Cell::read(value)?;
    if is_plain(value)? {
        return Ok(KeyForm::Same);
    }
    let start = out.len();
    let form = put_key(&Item { cell, raw: value }, out);
    if matches!(form, Err(_) | Ok(KeyForm::Same | KeyForm::NeedsHost)) {
        out.truncate(start);
    }
    form
}

/// Whether a container holds only tuples, lists and scalars that are the same in both forms: seen
/// without writing anything, because most tuples are like that.
fn is_plain(value: &[u8]) -> Result<bool, CellError> {
    let (mut at, mut open) = (0, 0);
    while let Some(&tag) = value.get(at) {
        at += 1;
        match tag {
            tag::TUPLE | tag::LIST if open == cell::MAX_DEPTH => return Err(CellError::Depth),
            tag::TUPLE | tag::LIST => open += 1,
            tag::END if open > 1 => open -= 1,
            tag::END if at < value.len() => return Err(CellError::Trailing(value.len() - at)),
            tag::END => return Ok(true),
            _ if !tag::is_same_in_both_forms(tag) => return Ok(false),
            _ => at += cell::nested_scalar(tag, &value[at..])?.whole,
        }
    }
    Err(CellError::Truncated)
}

/// Appends the key form of an item in nested form.
fn put_key(item: &Item<'_>, out: &mut Vec<u8>) -> Result<KeyForm, CellError> {
    match &item.cell {
        Cell::Bool(value) => put_i64(out, i64::from(*value)),
        Cell::Float(value) if item.raw[0] == tag::FLOAT => {
            put_f64_key(out, *value);
            return Ok(float_form(*value));
        }
        Cell::Datetime { micros, fold: true } => put::put_datetime(out, *micros, false),
        Cell::Time { micros, fold: true } => put::put_time(out, *micros, false),
        Cell::DatetimeAware { utc_micros, .. } if item.raw[0] == tag::DATETIME_OFFSET => {
            put::put_datetime_aware(out, *utc_micros, 0, false);
        }
        Cell::Tuple(items) | Cell::List(items) => {
            open(out, item.raw[0]);
            let form = put_keys(items, out)?;
            close(out);
            return Ok(form);
        }
        Cell::Frozenset(items) => return put_sorted(items, tag::FROZENSET, KeyForm::Rewritten, out),
        // A set is shown after the equal frozenset, so it is the set that has to be carried.
        Cell::Set(items) => {
            return Ok(put_sorted(items, tag::FROZENSET, KeyForm::Changed, out)?.max(KeyForm::Changed));
        }
        Cell::Dict(items) => return put_sorted(items, tag::DICT, KeyForm::Changed, out),
        Cell::Decimal(_) | Cell::Object(_) => return Ok(KeyForm::NeedsHost),
        _ => {
            out.extend_from_slice(item.raw);
            return Ok(KeyForm::Same);
        }
    }
    Ok(KeyForm::Changed)
}

/// What happens to a float on its way to its key: only a non-integral one, an infinity and the
/// usual NaN come back from the key as they were.
fn float_form(value: f64) -> KeyForm {
    let comes_back = match value {
        _ if value.is_nan() => value.to_bits() == f64::NAN.to_bits(),
        _ => value.is_infinite() || value.fract() != 0.0,
    };
    if comes_back { KeyForm::Rewritten } else { KeyForm::Changed }
}

fn put_keys(items: &Items<'_>, out: &mut Vec<u8>) -> Result<KeyForm, CellError> {
    let mut form = KeyForm::Same;
    for item in items.clone() {
        form = form.max(put_key(&item?, out)?);
        if form == KeyForm::NeedsHost {
            break;
        }
    }
    Ok(form)
}

/// A set or dict; `moved` is what a change of order amounts to.
fn put_sorted(items: &Items<'_>, tag: u8, moved: KeyForm, out: &mut Vec<u8>) -> Result<KeyForm, CellError> {
    open(out, tag);
    let start = out.len();
    let form = put_keys(items, out)?;
    if form == KeyForm::NeedsHost {
        return Ok(form);
    }
    let was_sorted = sort_items(out, start, tag == tag::DICT)?;
    close(out);
    Ok(if was_sorted { form } else { form.max(moved) })
}

/// Sorts the items in key form that were written from `start` on: the last step before closing a
/// `frozenset`, or, with `pairs`, a `dict`, in key form. Says whether they were sorted already.
pub fn sort_items(out: &mut Vec<u8>, start: usize, pairs: bool) -> Result<bool, CellError> {
    let written = out.split_off(start);
    let mut entries = Vec::new();
    let mut at = 0;
    while at < written.len() {
        let from = at;
        at += nested_len(&written[at..])?;
        if pairs {
            at += nested_len(written.get(at..).unwrap_or(&[]))?;
        }
        entries.push(&written[from..at]);
    }
    // Nested cells never begin one another, so that keys decide before values are looked at.
    let sorted = entries.is_sorted();
    entries.sort_unstable();
    entries.iter().for_each(|entry| out.extend_from_slice(entry));
    Ok(sorted)
}

/// The length of the nested cell at the start of `bytes`.
pub(crate) fn nested_len(bytes: &[u8]) -> Result<usize, CellError> {
    match bytes.split_first() {
        None => Err(CellError::Truncated),
        Some((&tag, _)) if tag::is_container(tag) => cell::container_len(bytes, 0),
        Some((&tag, rest)) => Ok(1 + cell::nested_scalar(tag, rest)?.whole),
    }
}

/// A `float` in key form: a number like any other.
pub fn put_f64_key(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        return out.push(tag::NAN);
    }
    if value.is_infinite() {
        return out.push(if value > 0.0 { tag::POS_INF } else { tag::NEG_INF });
    }
    let negative = value < 0.0;
    let whole = value.trunc().abs();
    if whole < 9.0e18 {
        put::put_integer_part(out, negative, &(whole as u64).to_be_bytes());
    } else {
        // 53 bits of mantissa, moved to their place in a number of at most 1,024 bits.
        let bits = whole.to_bits();
        let mantissa = u128::from((bits & ((1 << 52) - 1)) | (1 << 52));
        let shift = (bits >> 52) as usize - 1075;
        let mut magnitude = vec![0; 16 + shift / 8];
        magnitude[..16].copy_from_slice(&(mantissa << (shift % 8)).to_be_bytes());
        put::put_integer_part(out, negative, &magnitude);
    }
    match value.fract() {
        0.0 => out.push(tag::WHOLE),
        fraction => {
            put_fraction(out, negative, fraction.abs());
            out.push(tag::WHOLE);
        }
    }
}

/// A finite number in key form that is no `float` exactly (a `Decimal`, a `Fraction`) and no `int`.
///
/// `magnitude_be` is the integer part of its absolute value, `fraction` the greatest `float` not
/// above the rest (0.0 up to below 1.0), and `extra` the first 64 bits of what that leaves out: the
/// remainder divided by the distance to the next `float`, times 2^64, rounded down. `text` must be
/// the same for equal numbers and different for others; [`Cell::Beyond`] gives it back. Numbers
/// that agree in all but `text` are told apart, but their order is that of the text.
pub fn put_beyond_key(
    out: &mut Vec<u8>,
    negative: bool,
    magnitude_be: &[u8],
    fraction: f64,
    extra: u64,
    text: &str,
) {
    put::put_integer_part(out, negative, magnitude_be);
    put_fraction(out, negative, fraction);
    out.push(if negative { tag::BEYOND_DOWN } else { tag::BEYOND_UP });
    out.extend_from_slice(&(if negative { !extra } else { extra }).to_be_bytes());
    put::put_escaped(out, text.as_bytes());
}

fn put_fraction(out: &mut Vec<u8>, negative: bool, fraction: f64) {
    let bits = fraction.to_bits();
    out.push(if negative { tag::FRACTION_DOWN } else { tag::FRACTION_UP });
    out.extend_from_slice(&(if negative { !bits } else { bits }).to_be_bytes());
}
