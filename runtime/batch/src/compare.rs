//! Questions about two keys that memcmp cannot answer: may Python compare them at all, and which of
//! two equal originals is shown. Never used to order different keys: that is memcmp.

use std::cmp::Ordering;

use crate::cell::{Cell, Items};
use crate::repr::repr;
use crate::tag;

/// Two keys that Python has no order for; reads like Python's own `TypeError`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'<' not supported between instances of '{left_kind}' and '{right_kind}': the keys {left} and {right}"
)]
pub struct Incomparable {
    /// Type name of the part of the left key that stands in the way.
    pub left_kind: &'static str,
    /// Type name of the part of the right key that stands in the way.
    pub right_kind: &'static str,
    /// The whole left key, as people read it.
    pub left: String,
    /// The whole right key, as people read it.
    pub right: String,
}

/// Whether Python could tell which of two key cells is less, where `None` is less than all.
///
/// Numbers compare with numbers; text, bytes, dates, times, UUIDs with their like; tuples and lists
/// by the first item that differs. Sets, dicts and other objects have no order here: `<` of sets
/// asks for a subset, which sorts nothing.
#[inline]
pub fn check_comparable(a: &[u8], b: &[u8]) -> Result<(), Incomparable> {
    check(a, b, true)
}

/// [`check_comparable`] without the licence for `None`: what `max` and `min` allow.
#[inline]
pub fn check_comparable_strictly(a: &[u8], b: &[u8]) -> Result<(), Incomparable> {
    check(a, b, false)
}

#[inline]
fn check(a: &[u8], b: &[u8], none_is_least: bool) -> Result<(), Incomparable> {
    match (a, b) {
        ([x, ..], [y, ..]) if x == y && family(*x).is_some_and(|kind| kind != tag::NONE) => Ok(()),
        _ => check_slowly(a, b, none_is_least),
    }
}

fn check_slowly(a: &[u8], b: &[u8], none_is_least: bool) -> Result<(), Incomparable> {
    let (x, y) = first_difference(a, b);
    let comparable = match (x.first().map(|tag| family(*tag)), y.first().map(|tag| family(*tag))) {
        // One tuple ends where the other goes on, or they are equal.
        (None, _) | (_, None) => true,
        (Some(Some(tag::NONE)), Some(_)) | (Some(_), Some(Some(tag::NONE))) => none_is_least,
        (Some(Some(x)), Some(Some(y))) => x == y,
        _ => false,
    };
    if comparable {
        return Ok(());
    }
    let kind = |cell: &[u8]| cell.first().map_or("unknown", |tag| tag::name(*tag));
    Err(Incomparable { left_kind: kind(x), right_kind: kind(y), left: repr(a), right: repr(b) })
}

/// The first parts that differ inside of tuples and lists; both empty when there is none.
fn first_difference<'a>(a: &'a [u8], b: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let (mut x, mut y) = (a, b);
    loop {
        let (mut left, mut right) = match (Cell::read(x), Cell::read(y)) {
            (Ok(Cell::Tuple(left)), Ok(Cell::Tuple(right))) => (left, right),
            (Ok(Cell::List(left)), Ok(Cell::List(right))) => (left, right),
            _ => return (x, y),
        };
        match differing_items(&mut left, &mut right) {
            Some((l, r)) => (x, y) = (l, r),
            None => return (&[], &[]),
        }
    }
}

fn differing_items<'a>(left: &mut Items<'a>, right: &mut Items<'a>) -> Option<(&'a [u8], &'a [u8])> {
    loop {
        match (left.next()?, right.next()?) {
            (Ok(l), Ok(r)) if l.raw == r.raw => {}
            (Ok(l), Ok(r)) => return Some((l.raw, r.raw)),
            _ => return None,
        }
    }
}

/// The kinds that Python compares with one another, named by one tag of theirs; `None` for kinds
/// without an order, and for containers, which are looked into.
#[inline]
fn family(tag: u8) -> Option<u8> {
    match tag {
        tag::NEG_INF | tag::NEG_BIG | tag::INT | tag::POS_BIG | tag::POS_INF | tag::NAN => Some(tag::INT),
        tag::NONE
        | tag::STR
        | tag::BYTES
        | tag::DATE
        | tag::DATETIME
        | tag::DATETIME_AWARE
        | tag::TIME
        | tag::TIMEDELTA
        | tag::UUID => Some(tag),
        _ => None,
    }
}

/// Which of two originals of one key is shown: the lesser. `None` is an original that reading the
/// key cell gives back, and comes first.
///
/// An int comes before a float before a bool before a `Decimal` before any other object, a
/// frozenset before a set; in tuples the first position that differs decides. What is left open is
/// settled by the bytes, so that every engine shows the same.
pub fn rank_cmp(a: Option<&[u8]>, b: Option<&[u8]>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => rank_of_cells(a, b).then_with(|| a.cmp(b)),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

fn rank_of_cells(a: &[u8], b: &[u8]) -> Ordering {
    let (Some(x), Some(y)) = (a.first(), b.first()) else { return a.len().cmp(&b.len()) };
    // Tags of one rank only differ where the keys do; comparing them makes this an order of all cells.
    let by_kind = (rank(*x), x).cmp(&(rank(*y), y));
    if by_kind.is_ne() {
        return by_kind;
    }
    match (Cell::read(a), Cell::read(b)) {
        (Ok(Cell::Tuple(left)), Ok(Cell::Tuple(right))) | (Ok(Cell::List(left)), Ok(Cell::List(right))) => {
            rank_of_items(left, right)
        }
        _ => Ordering::Equal,
    }
}

fn rank_of_items(mut left: Items<'_>, mut right: Items<'_>) -> Ordering {
    loop {
        let order = match (left.next(), right.next()) {
            (Some(Ok(l)), Some(Ok(r))) => rank_of_cells(l.raw, r.raw),
            (l, r) => return l.is_some().cmp(&r.is_some()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn rank(tag: u8) -> u8 {
    match tag {
        tag::FLOAT | tag::SET | tag::DATETIME_FOLD | tag::TIME_FOLD | tag::DATETIME_OFFSET => 1,
        tag::FALSE | tag::TRUE => 2,
        tag::DECIMAL => 3,
        tag::OBJECT => 4,
        _ => 0,
    }
}
