//! A batch of Arrow, as Spark writes it, as records: a `dict` for each row.
//!
//! A list for an array, a dict for a map or a struct, a `Decimal` with all its digits. A timestamp is an aware
//! `datetime` at UTC, one without a zone a naive one, an interval of days and time a `timedelta`.

use std::collections::HashMap;

use arrow::array::cast::AsArray;
use arrow::array::types::{
    Date32Type, Decimal128Type, DurationMicrosecondType, Float64Type, Int64Type, TimestampMicrosecondType,
};
use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, DurationMicrosecondArray, Float64Array,
    Int64Array, LargeBinaryArray, ListArray, MapArray, StructArray, TimestampMicrosecondArray,
};
use arrow::buffer::Buffer;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use arrow::ipc::reader::read_record_batch;
use arrow::ipc::root_as_message;
use nestflow_batch::cell::{
    DAY_MICROS, close, open, put_bool, put_bytes, put_date, put_datetime, put_datetime_aware, put_decimal,
    put_f64, put_i64, put_none, put_str, put_timedelta,
};
use nestflow_batch::columns::CellBuilder;
use nestflow_batch::tag;

use super::decimal::text_of;
use super::kind::Kind;
use crate::error::{Error, Result};

/// In front of a message's length.
const CONTINUED: [u8; 4] = [0xFF; 4];

/// Appends the records of a message.
pub fn records(rows: &Kind, large: bool, message: &[u8], out: &mut CellBuilder) -> Result<()> {
    let bad =
        |error: &dyn std::fmt::Display| Error::Data(format!("a batch of Spark's cannot be read: {error}"));
    let cut_off = || bad(&"it is cut off");
    let rest = message.strip_prefix(&CONTINUED).unwrap_or(message);
    let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut_off)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|error| bad(&error))?;
    let (head, body) = rest.split_at_checked(length).ok_or_else(cut_off)?;
    // Copies, which are aligned wherever the message lay.
    let (head, body) = (Buffer::from(head), Buffer::from(body));
    let head = root_as_message(&head).map_err(|error| bad(&error))?;
    let batch = head.header_as_record_batch().ok_or_else(|| bad(&"it holds no rows"))?;
    let batch = read_record_batch(&body, batch, rows.schema(large), &HashMap::new(), None, &head.version())
        .map_err(|error| bad(&error))?;
    let rows = Values::of(rows, &(std::sync::Arc::new(StructArray::from(batch)) as ArrayRef))?;
    for row in 0..rows.len() {
        rows.put(row, false, out.buffer())?;
        out.commit();
    }
    Ok(())
}

/// A column, of one type for each way to write its values.
enum Values {
    Null(usize),
    Bool(BooleanArray),
    Int(Int64Array),
    Float(Float64Array),
    Text(LargeBinaryArray),
    Bytes(LargeBinaryArray),
    Decimal(Decimal128Array),
    Date(Date32Array),
    Instant(TimestampMicrosecondArray),
    Datetime(TimestampMicrosecondArray),
    Duration(DurationMicrosecondArray),
    List(ListArray, Box<Values>),
    Map(MapArray, Box<Values>, Box<Values>),
    /// With the cell of each name.
    Struct(StructArray, Vec<(Vec<u8>, Values)>),
}

impl Values {
    fn of(kind: &Kind, array: &ArrayRef) -> Result<Values> {
        let longer = |to| cast(array, &to);
        Ok(match kind {
            Kind::Null => Values::Null(array.len()),
            Kind::Bool => Values::Bool(array.as_boolean().clone()),
            Kind::Int(_) => Values::Int(longer(DataType::Int64)?.as_primitive::<Int64Type>().clone()),
            Kind::Float | Kind::Double => {
                Values::Float(longer(DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            Kind::Text => Values::Text(longer(DataType::LargeBinary)?.as_binary::<i64>().clone()),
            Kind::Bytes => Values::Bytes(longer(DataType::LargeBinary)?.as_binary::<i64>().clone()),
            Kind::Decimal(..) => Values::Decimal(array.as_primitive::<Decimal128Type>().clone()),
            Kind::Date => Values::Date(array.as_primitive::<Date32Type>().clone()),
            Kind::Instant => Values::Instant(array.as_primitive::<TimestampMicrosecondType>().clone()),
            Kind::Datetime => Values::Datetime(array.as_primitive::<TimestampMicrosecondType>().clone()),
            Kind::Duration => Values::Duration(array.as_primitive::<DurationMicrosecondType>().clone()),
            Kind::List(item) => {
                let list = array.as_list::<i32>();
                Values::List(list.clone(), Box::new(Values::of(item, list.values())?))
            }
            Kind::Map(pair) => {
                let map = array.as_map();
                let (keys, values) = (Values::of(&pair.0, map.keys())?, Values::of(&pair.1, map.values())?);
                Values::Map(map.clone(), Box::new(keys), Box::new(values))
            }
            Kind::Struct(columns) => {
                let rows = array.as_struct();
                let columns = columns.iter().zip(rows.columns()).map(|(column, array)| {
                    let mut name = Vec::new();
                    put_str(&mut name, column.name.as_bytes(), true);
                    Ok((name, Values::of(&column.kind, array)?))
                });
                Values::Struct(rows.clone(), columns.collect::<Result<_>>()?)
            }
        })
    }

    fn array(&self) -> Option<&dyn Array> {
        Some(match self {
            Values::Null(_) => return None,
            Values::Bool(array) => array,
            Values::Int(array) => array,
            Values::Float(array) => array,
            Values::Text(array) | Values::Bytes(array) => array,
            Values::Decimal(array) => array,
            Values::Date(array) => array,
            Values::Instant(array) | Values::Datetime(array) => array,
            Values::Duration(array) => array,
            Values::List(array, _) => array,
            Values::Map(array, ..) => array,
            Values::Struct(array, _) => array,
        })
    }

    fn len(&self) -> usize {
        match self {
            Values::Null(len) => *len,
            _ => self.array().map_or(0, Array::len),
        }
    }

    /// Appends the cell of a row.
    fn put(&self, row: usize, nested: bool, out: &mut Vec<u8>) -> Result<()> {
        if self.array().is_none_or(|array| array.is_null(row)) {
            put_none(out);
            return Ok(());
        }
        match self {
            Values::Null(_) => put_none(out),
            Values::Bool(values) => put_bool(out, values.value(row)),
            Values::Int(values) => put_i64(out, values.value(row)),
            Values::Float(values) => put_f64(out, values.value(row)),
            Values::Text(values) => put_str(out, values.value(row), nested),
            Values::Bytes(values) => put_bytes(out, values.value(row), nested),
            Values::Decimal(values) => put_decimal(out, &text_of(values.value(row), values.scale()), nested),
            Values::Date(values) => put_date(out, values.value(row)),
            Values::Instant(values) => put_datetime_aware(out, values.value(row), 0, false),
            Values::Datetime(values) => put_datetime(out, values.value(row), false),
            Values::Duration(values) => {
                let (micros, day) = (values.value(row), DAY_MICROS as i64);
                let days =
                    i32::try_from(micros.div_euclid(day)).map_err(|error| Error::Data(error.to_string()))?;
                put_timedelta(out, days, micros.rem_euclid(day) as u64);
            }
            Values::List(lists, items) => {
                open(out, tag::LIST);
                for item in span(lists.value_offsets(), row) {
                    items.put(item, true, out)?;
                }
                close(out);
            }
            Values::Map(maps, keys, values) => {
                open(out, tag::DICT);
                for entry in span(maps.value_offsets(), row) {
                    keys.put(entry, true, out)?;
                    values.put(entry, true, out)?;
                }
                close(out);
            }
            Values::Struct(_, columns) => {
                open(out, tag::DICT);
                for (name, values) in columns {
                    out.extend_from_slice(name);
                    values.put(row, true, out)?;
                }
                close(out);
            }
        }
        Ok(())
    }
}

fn span(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}
