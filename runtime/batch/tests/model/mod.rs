//! A slow, obvious twin of cells: Python values as an enum, with Python's equality and order spelled
//! out. Tests compare the encoded forms with it.

// Each test binary uses its own part of this module.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::cmp::Ordering;

use nestflow_batch::cell::*;
use nestflow_batch::key::{KeyForm, key_of};
use nestflow_batch::tag;
use proptest::prelude::*;

/// A Python value. Text is code points, so that surrogates may stand alone.
#[derive(Clone, Debug)]
pub enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Vec<u32>),
    Bytes(Vec<u8>),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Set(Vec<Value>),
    Frozenset(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Date(i32),
    Datetime(i64, bool),
    Aware(i64, i32, bool),
    Time(u64, bool),
    Timedelta(i32, u64),
    Uuid([u8; 16]),
    Decimal(String),
    Object(Vec<u8>),
}

use Value::*;

/// UTF-8 with `surrogatepass`.
pub fn wtf8(text: &[u32]) -> std::vec::Vec<u8> {
    let mut out = vec![];
    for &point in text {
        match char::from_u32(point) {
            Some(char) => out.extend(char.to_string().bytes()),
            Option::None => {
                out.extend([
                    0xE0 | (point >> 12) as u8,
                    0x80 | (point >> 6 & 0x3F) as u8,
                    0x80 | (point & 0x3F) as u8,
                ]);
            }
        }
    }
    out
}

/// Writes the value cell.
pub fn put(out: &mut std::vec::Vec<u8>, value: &Value, nested: bool) {
    let items = |out: &mut std::vec::Vec<u8>, tag, items: &[Value]| {
        open(out, tag);
        items.iter().for_each(|item| put(out, item, true));
        close(out);
    };
    match value {
        None => put_none(out),
        Bool(value) => put_bool(out, *value),
        Int(value) => match i64::try_from(*value) {
            Ok(value) => put_i64(out, value),
            Err(_) => put_big_int(out, *value < 0, &value.unsigned_abs().to_be_bytes()),
        },
        Float(value) => put_f64(out, *value),
        Str(text) => put_str(out, &wtf8(text), nested),
        Bytes(bytes) => put_bytes(out, bytes, nested),
        Tuple(value) => items(out, tag::TUPLE, value),
        List(value) => items(out, tag::LIST, value),
        Set(value) => items(out, tag::SET, value),
        Frozenset(value) => items(out, tag::FROZENSET, value),
        Dict(entries) => {
            open(out, tag::DICT);
            for (key, value) in entries {
                put(out, key, true);
                put(out, value, true);
            }
            close(out);
        }
        Date(days) => put_date(out, *days),
        Datetime(micros, fold) => put_datetime(out, *micros, *fold),
        Aware(micros, offset, fold) => put_datetime_aware(out, *micros, *offset, *fold),
        Time(micros, fold) => put_time(out, *micros, *fold),
        Timedelta(days, micros) => put_timedelta(out, *days, *micros),
        Uuid(bytes) => put_uuid(out, bytes),
        Decimal(text) => put_decimal(out, text, nested),
        Object(pickle) => put_object(out, pickle, nested),
    }
}

/// The value cell.
pub fn cell(value: &Value) -> std::vec::Vec<u8> {
    let mut out = vec![];
    put(&mut out, value, false);
    out
}

/// The key cell, of a value that needs no host.
pub fn key(value: &Value) -> std::vec::Vec<u8> {
    let (cell, mut out) = (cell(value), vec![]);
    match key_of(&cell, &mut out).unwrap() {
        KeyForm::Same => cell,
        KeyForm::NeedsHost => panic!("{value:?} needs the host"),
        _ => out,
    }
}

/// Reads a value out of a cell and its items.
pub fn value(cell: &Cell<'_>) -> Value {
    let items = |items: &Items<'_>| items.clone().map(|item| value(&item.unwrap().cell)).collect();
    match cell {
        Cell::None => None,
        Cell::Bool(value) => Bool(*value),
        Cell::Int(value) => Int(i128::from(*value)),
        // Too large for this model's integers: only floats have such keys here.
        Cell::BigInt { negative, magnitude } if magnitude.len() > 15 => {
            let absolute = magnitude.iter().fold(0.0, |sum, &byte| sum * 256.0 + f64::from(byte));
            Float(if *negative { -absolute } else { absolute })
        }
        Cell::BigInt { negative, magnitude } => {
            let absolute = magnitude.iter().fold(0_i128, |sum, &byte| (sum << 8) | i128::from(byte));
            Int(if *negative { -absolute } else { absolute })
        }
        Cell::Float(value) => Float(*value),
        Cell::Beyond(_) | Cell::ObjectKey(_) => panic!("{cell:?} is in no value cell"),
        Cell::Str(text) => Str(code_points(text)),
        Cell::Bytes(bytes) => Bytes(bytes.to_vec()),
        Cell::Tuple(value) => Tuple(items(value)),
        Cell::List(value) => List(items(value)),
        Cell::Set(value) => Set(items(value)),
        Cell::Frozenset(value) => Frozenset(items(value)),
        Cell::Dict(value) => pairs(items(value)),
        Cell::Date(days) => Date(*days),
        Cell::Datetime { micros, fold } => Datetime(*micros, *fold),
        Cell::DatetimeAware { utc_micros, offset_seconds, fold } => {
            Aware(*utc_micros, *offset_seconds, *fold)
        }
        Cell::Time { micros, fold } => Time(*micros, *fold),
        Cell::Timedelta { days, micros } => Timedelta(*days, *micros),
        Cell::Uuid(bytes) => Uuid(*bytes),
        Cell::Decimal(text) => Decimal(String::from_utf8(text.to_vec()).unwrap()),
        Cell::Object(pickle) => Object(pickle.to_vec()),
    }
}

fn pairs(items: std::vec::Vec<Value>) -> Value {
    Dict(items.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

/// Reads a value out of a walk over the cell's tokens.
pub fn walked(reader: &mut Reader<'_>) -> Option<Value> {
    let tag = match reader.token().unwrap().unwrap() {
        Token::Value(cell) => return Some(value(&cell)),
        Token::Close => return Option::None,
        Token::Open(tag) => tag,
    };
    let items: std::vec::Vec<Value> = std::iter::from_fn(|| walked(reader)).collect();
    Some(match tag {
        tag::TUPLE => Tuple(items),
        tag::LIST => List(items),
        tag::SET => Set(items),
        tag::FROZENSET => Frozenset(items),
        _ => pairs(items),
    })
}

fn code_points(text: &[u8]) -> std::vec::Vec<u32> {
    let (mut out, mut rest) = (vec![], text);
    while let Some(&first) = rest.first() {
        let length = match first {
            0..0x80 => 1,
            0xC0..0xE0 => 2,
            0xE0..0xF0 => 3,
            _ => 4,
        };
        let start = if length == 1 { u32::from(first) } else { u32::from(first) & (0x7F >> length) };
        out.push(rest[1..length].iter().fold(start, |point, &byte| (point << 6) | u32::from(byte & 0x3F)));
        rest = &rest[length..];
    }
    out
}

/// Lossless equality: type and bits.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Float(a), Float(b)) => a.to_bits() == b.to_bits(),
            _ => format!("{self:?}") == format!("{other:?}"),
        }
    }
}

/// A number as Python compares it: an exact integer, or a float.
fn number(value: &Value) -> Option<Value> {
    match value {
        Bool(value) => Some(Int(i128::from(*value))),
        Int(_) | Float(_) => Some(value.clone()),
        _ => Option::None,
    }
}

fn cmp_numbers(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Int(a), Int(b)) => a.cmp(b),
        // NaN is one key, and the last number.
        (Float(a), Float(b)) => a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())),
        (Float(_), Int(_)) => cmp_numbers(b, a).reverse(),
        (Int(_), Float(b)) if b.is_nan() || *b >= 2.0_f64.powi(126) => Ordering::Less,
        (Int(_), Float(b)) if *b <= -2.0_f64.powi(126) => Ordering::Greater,
        (Int(a), Float(b)) => a.cmp(&(b.trunc() as i128)).then_with(|| 0.0.partial_cmp(&b.fract()).unwrap()),
        _ => panic!("{a:?} and {b:?} are no numbers"),
    }
}

/// Python's `==`, as dicts use it, with one NaN.
pub fn equal(a: &Value, b: &Value) -> bool {
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return cmp_numbers(&a, &b).is_eq();
    }
    match (a, b) {
        (Tuple(a), Tuple(b)) | (List(a), List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Set(a) | Frozenset(a), Set(b) | Frozenset(b)) => {
            a.len() == b.len() && a.iter().all(|a| b.iter().any(|b| equal(a, b)))
        }
        (Dict(a), Dict(b)) => {
            let has = |key: &Value, value: &Value| b.iter().any(|(k, v)| equal(k, key) && equal(v, value));
            a.len() == b.len() && a.iter().all(|(key, value)| has(key, value))
        }
        (Datetime(a, _), Datetime(b, _)) | (Aware(a, ..), Aware(b, ..)) => a == b,
        (Time(a, _), Time(b, _)) => a == b,
        _ => a == b,
    }
}

/// Python's order; `None` where there is none.
pub fn order(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (number(a), number(b)) {
        return Some(cmp_numbers(&a, &b));
    }
    match (a, b) {
        (None, _) | (_, None) => Some((!matches!(a, None)).cmp(&!matches!(b, None))),
        (Str(a), Str(b)) => Some(a.cmp(b)),
        (Bytes(a), Bytes(b)) => Some(a.cmp(b)),
        (Tuple(a), Tuple(b)) | (List(a), List(b)) => match a.iter().zip(b).find(|(a, b)| !equal(a, b)) {
            Some((a, b)) => order(a, b),
            Option::None => Some(a.len().cmp(&b.len())),
        },
        (Date(a), Date(b)) => Some(a.cmp(b)),
        (Datetime(a, _), Datetime(b, _)) | (Aware(a, ..), Aware(b, ..)) => Some(a.cmp(b)),
        (Time(a, _), Time(b, _)) => Some(a.cmp(b)),
        (Timedelta(days, micros), Timedelta(d, m)) => Some((days, micros).cmp(&(d, m))),
        (Uuid(a), Uuid(b)) => Some(a.cmp(b)),
        _ => Option::None,
    }
}

const DAY: u64 = DAY_MICROS;

fn int() -> impl Strategy<Value = i128> {
    prop_oneof![
        -3_i128..4,
        any::<i64>().prop_map(i128::from),
        (any::<bool>(), 40_u32..110, -2_i128..3).prop_map(|(minus, bit, near)| if minus {
            near - (1 << bit)
        } else {
            (1 << bit) + near
        }),
        (any::<i128>()).prop_map(|value| value >> 20),
    ]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-12_i32..13).prop_map(|n| f64::from(n) / 4.0),
        int().prop_map(|n| n as f64),
        (int(), 0.0..1.0).prop_map(|(n, fraction)| (n >> 60) as f64 + fraction),
        prop_oneof![Just(-0.0), Just(f64::NAN), Just(f64::INFINITY), Just(5e-324), Just(f64::MAX)],
    ]
}

fn text() -> impl Strategy<Value = std::vec::Vec<u32>> {
    let point = prop_oneof![
        Just(0),
        Just(1),
        Just(u32::from('a')),
        Just(0xFF),
        0xD7FE_u32..0xE002,
        Just(0xFFFF),
        Just(0x10000),
        Just(0x10FFFF)
    ];
    // A pair of surrogates would be one character.
    prop::collection::vec(point, 0..5).prop_filter("pair", |text| {
        !text.windows(2).any(|w| w[0] & 0xFC00 == 0xD800 && w[1] & 0xFC00 == 0xDC00)
    })
}

fn bytes() -> impl Strategy<Value = std::vec::Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0), Just(1), Just(0x80), Just(0xFF), any::<u8>()], 0..20)
}

/// Values that have a key without the host, and are hashable.
fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        1 => Just(None),
        2 => any::<bool>().prop_map(Bool),
        6 => int().prop_map(Int),
        6 => float().prop_map(Float),
        6 => text().prop_map(Str),
        3 => bytes().prop_map(Bytes),
        1 => any::<i32>().prop_map(Date),
        1 => (-2_i64..3, any::<bool>()).prop_map(|(m, fold)| Datetime(m, fold)),
        1 => (any::<i64>(), any::<bool>()).prop_map(|(m, fold)| Datetime(m, fold)),
        1 => (-2_i64..3, -1_i32..2, any::<bool>()).prop_map(|(m, offset, fold)| Aware(m, offset, fold)),
        1 => (0..DAY, any::<bool>()).prop_map(|(m, fold)| Time(m, fold)),
        1 => (any::<i32>(), 0..DAY).prop_map(|(days, m)| Timedelta(days, m)),
        1 => any::<[u8; 16]>().prop_map(Uuid),
    ]
    .boxed()
}

fn nested(leaf: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    leaf.prop_recursive(4, 24, 4, |inner| {
        let items = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            6 => items().prop_map(Tuple),
            2 => items().prop_map(List),
            1 => items().prop_map(|items| Set(distinct(items))),
            1 => items().prop_map(|items| Frozenset(distinct(items))),
            1 => (items(), items()).prop_map(|(keys, values)| Dict(distinct(keys).into_iter().zip(values).collect())),
        ]
    })
    .boxed()
}

fn distinct(items: std::vec::Vec<Value>) -> std::vec::Vec<Value> {
    let mut out: std::vec::Vec<Value> = vec![];
    for item in items {
        if !out.iter().any(|other| equal(other, &item)) {
            out.push(item);
        }
    }
    out
}

/// Any value whose key needs no host.
pub fn keyable() -> BoxedStrategy<Value> {
    nested(scalar())
}

/// Any value.
pub fn any_value() -> BoxedStrategy<Value> {
    let more = prop_oneof![
        8 => scalar(),
        1 => "[0-9.]{1,12}".prop_map(Decimal),
        1 => bytes().prop_map(Object),
    ];
    nested(more.boxed())
}

/// Values that Python orders among themselves more often than not.
pub fn sortable() -> BoxedStrategy<Value> {
    let numbers = || prop_oneof![any::<bool>().prop_map(Bool), int().prop_map(Int), float().prop_map(Float)];
    let small = || (-2_i128..3).prop_map(Int);
    prop_oneof![
        3 => numbers(),
        2 => text().prop_map(Str),
        1 => bytes().prop_map(Bytes),
        2 => (text(), small()).prop_map(|(text, number)| Tuple(vec![Str(text), number])),
        2 => prop::collection::vec(prop_oneof![numbers().boxed(), small().boxed(), Just(None).boxed()], 0..4).prop_map(Tuple),
        1 => (small(), text()).prop_map(|(number, text)| List(vec![number, Tuple(vec![Str(text)])])),
        1 => scalar(),
    ]
    .boxed()
}
