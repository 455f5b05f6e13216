//! The tag bytes that open every cell. Their order is the order of kinds in sorted key cells.
//!
//! All tags are below 0x80, so that the complemented tag of a descending order component is told
//! apart from a plain one. Changing a value here changes stored bytes: see `docs/cells.md`.

/// Ends a nested variable-length payload or a container; never a tag.
pub const END: u8 = 0x00;
/// Follows a 0x00 that is part of a nested payload.
pub const ESCAPE: u8 = 0xFF;

/// `None`.
pub const NONE: u8 = 0x01;

/// Key form of `float("-inf")`.
pub const NEG_INF: u8 = 0x10;
/// A number below -2^63 (its integer part is).
pub const NEG_BIG: u8 = 0x11;
/// A number whose integer part fits 64 bits.
pub const INT: u8 = 0x12;
/// A number from 2^63 up.
pub const POS_BIG: u8 = 0x13;
/// Key form of `float("inf")`.
pub const POS_INF: u8 = 0x14;
/// Key form of every NaN.
pub const NAN: u8 = 0x15;

/// `str`, as UTF-8 in which lone surrogates take three bytes.
pub const STR: u8 = 0x20;
/// `bytes`.
pub const BYTES: u8 = 0x21;

/// `tuple`.
pub const TUPLE: u8 = 0x30;
/// `list`.
pub const LIST: u8 = 0x31;
/// `set`; value form only, its key form is a `frozenset`.
pub const SET: u8 = 0x32;
/// `frozenset`; in key form its items are sorted.
pub const FROZENSET: u8 = 0x33;
/// `dict`; in key form its entries are sorted by key.
pub const DICT: u8 = 0x34;

/// `datetime.date`.
pub const DATE: u8 = 0x40;
/// A `datetime` without zone and with `fold=0`.
pub const DATETIME: u8 = 0x41;
/// A `datetime` at UTC; the key form of every aware one.
pub const DATETIME_AWARE: u8 = 0x42;
/// A `time` without zone and with `fold=0`.
pub const TIME: u8 = 0x43;
/// `datetime.timedelta`.
pub const TIMEDELTA: u8 = 0x44;
/// `uuid.UUID`.
pub const UUID: u8 = 0x45;

/// `float`; value form only.
pub const FLOAT: u8 = 0x50;
/// `False`; value form only.
pub const FALSE: u8 = 0x51;
/// `True`; value form only.
pub const TRUE: u8 = 0x52;
/// `decimal.Decimal`; value form only.
pub const DECIMAL: u8 = 0x53;
/// A `datetime` without zone and with `fold=1`; value form only.
pub const DATETIME_FOLD: u8 = 0x54;
/// A `time` without zone and with `fold=1`; value form only.
pub const TIME_FOLD: u8 = 0x55;
/// An aware `datetime` with its fixed offset; value form only.
pub const DATETIME_OFFSET: u8 = 0x56;

/// Any other object, pickled; value form only.
pub const OBJECT: u8 = 0x60;
/// Any other object as its class and state in the host's canonical bytes; key form only.
pub const OBJECT_KEY: u8 = 0x61;

/// After the integer part of a number: there is nothing more.
pub const WHOLE: u8 = 0x80;
/// After the integer part of a number: a fraction away from zero upwards.
pub const FRACTION_UP: u8 = 0xC0;
/// After the integer part of a number: a fraction away from zero downwards.
pub const FRACTION_DOWN: u8 = 0x40;
/// After the fraction's bits: the number is a little more than any `float` says.
pub const BEYOND_UP: u8 = 0xC1;
/// After the fraction's bits: the number is a little less than any `float` says.
pub const BEYOND_DOWN: u8 = 0x3F;

/// Whether the tag opens a container.
#[inline]
pub const fn is_container(tag: u8) -> bool {
    matches!(tag, TUPLE | LIST | SET | FROZENSET | DICT)
}

/// Whether a cell with this tag is always the same bytes in value and key form; containers are not,
/// since it depends on their items.
#[inline]
pub const fn is_same_in_both_forms(tag: u8) -> bool {
    matches!(
        tag,
        NONE | INT
            | STR
            | BYTES
            | NEG_INF
            | NEG_BIG
            | POS_BIG
            | POS_INF
            | NAN
            | DATE
            | DATETIME
            | DATETIME_AWARE
            | TIME
            | TIMEDELTA
            | UUID
            | OBJECT_KEY
    )
}

/// What people call the kind: Python's type name.
pub const fn name(tag: u8) -> &'static str {
    match tag {
        NONE => "NoneType",
        INT | NEG_BIG | POS_BIG => "int",
        FLOAT | NEG_INF | POS_INF | NAN => "float",
        FALSE | TRUE => "bool",
        DECIMAL => "Decimal",
        STR => "str",
        BYTES => "bytes",
        TUPLE => "tuple",
        LIST => "list",
        SET => "set",
        FROZENSET => "frozenset",
        DICT => "dict",
        DATE => "date",
        DATETIME | DATETIME_FOLD | DATETIME_AWARE | DATETIME_OFFSET => "datetime",
        TIME | TIME_FOLD => "time",
        TIMEDELTA => "timedelta",
        UUID => "UUID",
        OBJECT | OBJECT_KEY => "object",
        _ => "unknown",
    }
}
