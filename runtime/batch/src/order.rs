//! Order cells: one or more key cells after one another, each ascending or descending, whose memcmp
//! order is the order asked for. A descending component is complemented, which its tag shows: plain
//! tags are below 0x80.

use std::borrow::Cow;

use crate::cell::{Cell, CellError};
use crate::compare::{Incomparable, check_comparable};
use crate::key::nested_len;
use crate::put::put_item;
use crate::tag;

/// Appends one component to an order cell.
pub fn put_order_component(out: &mut Vec<u8>, key_cell: &[u8], descending: bool) {
    let start = out.len();
    put_item(out, key_cell);
    if descending {
        // A complemented text ends in 0xFF, and its longer neighbour goes on after one more: only
        // another 0xFF, from this end, keeps the shorter one behind when nothing follows it.
        out.push(tag::END);
        complement(&mut out[start..]);
    }
}

/// Turns the memcmp order of self-ending bytes around.
#[inline]
pub fn complement(out: &mut [u8]) {
    out.iter_mut().for_each(|byte| *byte = !*byte);
}

/// [`check_comparable`] for order cells: at the first component that differs. Bytes that are no
/// order cell are not complained about.
#[inline]
pub fn check_order_comparable(a: &[u8], b: &[u8]) -> Result<(), Incomparable> {
    // Nearly always the first components are of one kind without parts, and differ.
    match (a, b) {
        ([tag::INT, x @ ..], [tag::INT, y @ ..]) if x.get(..8) != y.get(..8) => Ok(()),
        ([tag::STR, x @ ..], [tag::STR, y @ ..]) if differ_in_first(x, y) => Ok(()),
        _ => check_slowly(a, b),
    }
}

/// Whether two texts differ before either ends or has an escape.
fn differ_in_first(a: &[u8], b: &[u8]) -> bool {
    let first = a.iter().zip(b).find(|(x, y)| x != y || **x == tag::END);
    first.is_some_and(|(x, y)| x != y)
}

fn check_slowly(a: &[u8], b: &[u8]) -> Result<(), Incomparable> {
    let (mut a, mut b) = (a, b);
    while let (Ok(Some((x, rest_of_a))), Ok(Some((y, rest_of_b)))) = (split(a), split(b)) {
        if x != y {
            // Compared as they are; shown as keys of their own.
            return check_comparable(&x, &y).or_else(|_| check_comparable(&top_level(&x), &top_level(&y)));
        }
        (a, b) = (rest_of_a, rest_of_b);
    }
    Ok(())
}

/// A nested key cell as a cell of its own; what is none stays as it is.
fn top_level(nested: &[u8]) -> Vec<u8> {
    let mut tuple = vec![tag::TUPLE];
    tuple.extend_from_slice(nested);
    tuple.push(tag::END);
    let mut out = Vec::new();
    if let Ok(Cell::Tuple(mut items)) = Cell::read(&tuple)
        && let Some(Ok(item)) = items.next()
    {
        item.put_top(&mut out);
        return out;
    }
    nested.to_vec()
}

/// The first component as a nested key cell, and what follows it.
#[expect(clippy::type_complexity, reason = "a pair, inside a result, for one caller")]
fn split(cell: &[u8]) -> Result<Option<(Cow<'_, [u8]>, &[u8])>, CellError> {
    match cell.first() {
        None => Ok(None),
        Some(&tag) if tag < 0x80 => {
            let (component, rest) = cell.split_at(nested_len(cell)?);
            Ok(Some((Cow::Borrowed(component), rest)))
        }
        Some(_) => {
            let mut plain = cell.to_vec();
            complement(&mut plain);
            let length = nested_len(&plain)?;
            plain.truncate(length);
            let rest = cell.get(length + 1..).ok_or(CellError::Truncated)?;
            Ok(Some((Cow::Owned(plain), rest)))
        }
    }
}
