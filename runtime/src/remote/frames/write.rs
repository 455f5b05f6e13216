//! Records as a batch of Arrow that Spark reads. What a column cannot hold without a loss is an error that
//! names the column and the value: nothing is rounded, cut or left out.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, LargeBinaryArray,
    ListArray, MapArray, NullArray, RecordBatch, RecordBatchOptions, StructArray, make_array,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields};
use arrow::ipc::writer::StreamWriter;
use nestflow_batch::cell::{Cell, DAY_MICROS, Items};
use nestflow_batch::repr::repr;

use super::decimal::unscaled;
use super::kind::{Column, Kind};
use crate::error::{Error, Result};

/// A stream with one batch of the records.
pub fn stream<'a>(rows: &Kind, large: bool, records: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>> {
    let mut count = 0;
    let Kind::Struct(columns) = rows else { return Err(Error::Plan("rows of Spark are structs".into())) };
    let mut building = Building::of(rows);
    for record in records {
        count += 1;
        let cell = Cell::read(record).map_err(|error| crate::internal!("{error}"))?;
        let put = match cell {
            Cell::Dict(_) | Cell::Tuple(_) => building.put(cell),
            _ => Err(Misfit::told("is no row, which is a dict or a tuple")),
        };
        put.map_err(|misfit| misfit.into_error(record))?;
    }
    let fields = building.finish(rows, large)?;
    let schema = rows.schema(large);
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    let arrays = match columns.is_empty() {
        true => Vec::new(),
        false => StructArray::from(fields.to_data()).columns().to_vec(),
    };
    let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?;
    let mut bytes = Vec::new();
    let mut stream = StreamWriter::try_new(&mut bytes, &schema)?;
    stream.write(&batch)?;
    stream.finish()?;
    drop(stream);
    Ok(bytes)
}

/// What a column cannot hold.
struct Misfit {
    text: String,
    /// The way to it, from the inside out.
    path: Vec<String>,
}

impl Misfit {
    fn told(text: impl Into<String>) -> Misfit {
        Misfit { text: text.into(), path: Vec::new() }
    }

    fn inside(mut self, name: &str) -> Misfit {
        self.path.push(name.to_owned());
        self
    }

    fn into_error(self, record: &[u8]) -> Error {
        let path: Vec<_> = self.path.into_iter().rev().collect();
        let column = if path.is_empty() { String::new() } else { format!("column {}: ", path.join(".")) };
        let mut record = repr(record);
        if let Some((end, _)) = record.char_indices().nth(200) {
            record.truncate(end);
            record.push('…');
        }
        Error::Data(format!(
            "a record does not fit the DataFrame: {column}{}; the record is {record}",
            self.text
        ))
    }
}

/// The values of a column so far.
struct Building {
    /// Whether each is there.
    there: Vec<bool>,
    values: Values,
}

enum Values {
    Null,
    Bool(Vec<bool>),
    /// Of so many bits.
    Int(u8, Vec<i64>),
    Float(Vec<f64>),
    Text(Vec<u8>, Vec<usize>),
    Bytes(Vec<u8>, Vec<usize>),
    Decimal(u8, i8, Vec<i128>),
    Date(Vec<i32>),
    /// Of one of the kinds that count microseconds.
    Micros(Kind, Vec<i64>),
    List(Box<Building>, Vec<usize>),
    Map(Box<(Building, Building)>, Vec<usize>),
    Struct(Vec<Column>, Vec<Building>),
}

impl Building {
    fn of(kind: &Kind) -> Building {
        let values = match kind {
            Kind::Null => Values::Null,
            Kind::Bool => Values::Bool(Vec::new()),
            Kind::Int(bits) => Values::Int(*bits, Vec::new()),
            Kind::Float | Kind::Double => Values::Float(Vec::new()),
            Kind::Text => Values::Text(Vec::new(), vec![0]),
            Kind::Bytes => Values::Bytes(Vec::new(), vec![0]),
            Kind::Decimal(digits, scale) => Values::Decimal(*digits, *scale, Vec::new()),
            Kind::Date => Values::Date(Vec::new()),
            Kind::Instant | Kind::Datetime | Kind::Duration => Values::Micros(kind.clone(), Vec::new()),
            Kind::List(item) => Values::List(Box::new(Building::of(item)), vec![0]),
            Kind::Map(pair) => Values::Map(Box::new((Building::of(&pair.0), Building::of(&pair.1))), vec![0]),
            Kind::Struct(columns) => {
                let buildings = columns.iter().map(|column| Building::of(&column.kind)).collect();
                Values::Struct(columns.clone(), buildings)
            }
        };
        Building { there: Vec::new(), values }
    }

    fn put_none(&mut self) {
        self.there.push(false);
        match &mut self.values {
            Values::Null => {}
            Values::Bool(values) => values.push(false),
            Values::Int(_, values) | Values::Micros(_, values) => values.push(0),
            Values::Float(values) => values.push(0.0),
            Values::Text(bytes, ends) | Values::Bytes(bytes, ends) => ends.push(bytes.len()),
            Values::Decimal(_, _, values) => values.push(0),
            Values::Date(values) => values.push(0),
            Values::List(items, ends) => ends.push(items.there.len()),
            Values::Map(pair, ends) => ends.push(pair.0.there.len()),
            Values::Struct(_, columns) => columns.iter_mut().for_each(Building::put_none),
        }
    }

    fn put(&mut self, cell: Cell<'_>) -> Result<(), Misfit> {
        if cell == Cell::None {
            self.put_none();
            return Ok(());
        }
        match (&mut self.values, cell) {
            (Values::Bool(values), Cell::Bool(value)) => values.push(value),
            (Values::Int(bits, values), Cell::Int(value)) => {
                if value >> (*bits - 1) != value >> 63 {
                    return Err(Misfit::told(format!("{value} does not fit {bits} bits")));
                }
                values.push(value);
            }
            (Values::Float(values), Cell::Float(value)) => values.push(value),
            (Values::Float(values), Cell::Int(value)) => {
                if value as f64 as i128 != i128::from(value) {
                    return Err(Misfit::told(format!("{value} is no float")));
                }
                values.push(value as f64);
            }
            (Values::Text(bytes, ends), Cell::Str(text)) => {
                if std::str::from_utf8(&text).is_err() {
                    return Err(Misfit::told("a str with surrogates is no text to Spark"));
                }
                bytes.extend_from_slice(&text);
                ends.push(bytes.len());
            }
            (Values::Bytes(bytes, ends), Cell::Bytes(value)) => {
                bytes.extend_from_slice(&value);
                ends.push(bytes.len());
            }
            (Values::Decimal(digits, scale, values), Cell::Decimal(text)) => {
                let text = String::from_utf8_lossy(&text);
                let value = unscaled(&text, *digits, *scale);
                let lost = || Misfit::told(format!("{text} does not fit decimal({digits},{scale})"));
                values.push(value.ok_or_else(lost)?);
            }
            (Values::Decimal(digits, scale, values), Cell::Int(value)) => {
                let fits = unscaled(&value.to_string(), *digits, *scale);
                let lost = || Misfit::told(format!("{value} does not fit decimal({digits},{scale})"));
                values.push(fits.ok_or_else(lost)?);
            }
            (Values::Date(values), Cell::Date(days)) => values.push(days),
            (Values::Micros(Kind::Instant, values), Cell::DatetimeAware { utc_micros, .. }) => {
                values.push(utc_micros);
            }
            (Values::Micros(Kind::Datetime, values), Cell::Datetime { micros, .. }) => values.push(micros),
            (Values::Micros(Kind::Duration, values), Cell::Timedelta { days, micros }) => {
                let whole = i64::from(days).checked_mul(DAY_MICROS as i64);
                let whole = whole.and_then(|whole| whole.checked_add(micros as i64));
                values.push(whole.ok_or_else(|| Misfit::told("a timedelta is too long for Spark"))?);
            }
            (Values::List(items, ends), Cell::List(list) | Cell::Tuple(list)) => {
                for item in list {
                    items.put(item?.cell).map_err(|misfit| misfit.inside("element"))?;
                }
                ends.push(items.there.len());
            }
            (Values::Map(pair, ends), Cell::Dict(entries)) => {
                for (key, value) in pairs(entries)? {
                    if key == Cell::None {
                        return Err(Misfit::told("a map of Spark's has no key None"));
                    }
                    pair.0.put(key).map_err(|misfit| misfit.inside("key"))?;
                    pair.1.put(value).map_err(|misfit| misfit.inside("value"))?;
                }
                ends.push(pair.0.there.len());
            }
            (Values::Struct(columns, values), Cell::Dict(entries)) => put_named(columns, values, entries)?,
            (Values::Struct(columns, values), Cell::Tuple(items)) => put_placed(columns, values, items)?,
            (values, cell) => return Err(Misfit::told(values.refusal(&cell))),
        }
        self.there.push(true);
        Ok(())
    }

    fn finish(self, kind: &Kind, large: bool) -> Result<ArrayRef> {
        let nulls = self.there.contains(&false).then(|| NullBuffer::from(self.there.clone()));
        let array: ArrayRef = match self.values {
            Values::Null => Arc::new(NullArray::new(self.there.len())),
            Values::Bool(values) => Arc::new(BooleanArray::new(values.into(), nulls)),
            Values::Int(_, values) | Values::Micros(_, values) => {
                Arc::new(Int64Array::new(values.into(), nulls))
            }
            Values::Float(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Values::Text(bytes, ends) | Values::Bytes(bytes, ends) => {
                let ends =
                    OffsetBuffer::new(ends.into_iter().map(|end| end as i64).collect::<Vec<_>>().into());
                Arc::new(LargeBinaryArray::try_new(ends, bytes.into(), nulls)?)
            }
            Values::Decimal(digits, scale, values) => {
                let values = Decimal128Array::new(values.into(), nulls);
                Arc::new(values.with_precision_and_scale(digits, scale)?)
            }
            Values::Date(values) => Arc::new(Date32Array::new(values.into(), nulls)),
            Values::List(items, ends) => {
                let (Kind::List(item), DataType::List(field)) = (kind, kind.arrow(large)) else {
                    return Err(crate::internal!("a list of {kind:?}"));
                };
                Arc::new(ListArray::try_new(field, offsets(ends)?, items.finish(item, large)?, nulls)?)
            }
            Values::Map(pair, ends) => {
                let (Kind::Map(of), DataType::Map(field, _)) = (kind, kind.arrow(large)) else {
                    return Err(crate::internal!("a map of {kind:?}"));
                };
                let entries = vec![pair.0.finish(&of.0, large)?, pair.1.finish(&of.1, large)?];
                let entries = StructArray::try_new(entry_fields(&field), entries, None)?;
                Arc::new(MapArray::try_new(field, offsets(ends)?, entries, nulls, false)?)
            }
            Values::Struct(columns, buildings) => {
                let DataType::Struct(fields) = kind.arrow(large) else {
                    return Err(crate::internal!("a struct of {kind:?}"));
                };
                let arrays =
                    columns.iter().zip(buildings).map(|(column, values)| values.finish(&column.kind, large));
                let arrays = arrays.collect::<Result<Vec<_>>>()?;
                if arrays.is_empty() {
                    Arc::new(StructArray::new_empty_fields(self.there.len(), nulls))
                } else {
                    Arc::new(StructArray::try_new(fields, arrays, nulls)?)
                }
            }
        };
        let array = cast(&array, &kind.arrow(large))?;
        Ok(make_array(array.to_data()))
    }
}

impl Values {
    /// What is wrong with a value of another type.
    fn refusal(&self, cell: &Cell<'_>) -> String {
        let wanted = match self {
            Values::Null => "None",
            Values::Bool(_) => "a bool",
            Values::Int(..) => "an int of 64 bits",
            Values::Float(_) => "a float",
            Values::Text(..) => "a str",
            Values::Bytes(..) => "bytes",
            Values::Decimal(..) => "a Decimal",
            Values::Date(_) => "a date",
            Values::Micros(Kind::Instant, _) => "a datetime with a time zone",
            Values::Micros(Kind::Datetime, _) => "a datetime without a time zone",
            Values::Micros(..) => "a timedelta",
            Values::List(..) => "a list",
            Values::Map(..) => "a dict",
            Values::Struct(..) => "a dict or a tuple",
        };
        format!("it takes {wanted}, not {}", name_of(cell))
    }
}

fn name_of(cell: &Cell<'_>) -> &'static str {
    match cell {
        Cell::None => "None",
        Cell::Bool(_) => "a bool",
        Cell::Int(_) => "an int",
        Cell::BigInt { .. } => "an int beyond 64 bits",
        Cell::Float(_) | Cell::Beyond(_) => "a float",
        Cell::Str(_) => "a str",
        Cell::Bytes(_) => "bytes",
        Cell::Tuple(_) => "a tuple",
        Cell::List(_) => "a list",
        Cell::Set(_) | Cell::Frozenset(_) => "a set",
        Cell::Dict(_) => "a dict",
        Cell::Date(_) => "a date",
        Cell::Datetime { .. } => "a datetime without a time zone",
        Cell::DatetimeAware { .. } => "a datetime with a time zone",
        Cell::Time { .. } => "a time",
        Cell::Timedelta { .. } => "a timedelta",
        Cell::Uuid(_) => "a UUID",
        Cell::Decimal(_) => "a Decimal",
        Cell::Object(_) | Cell::ObjectKey(_) => "an object of a class of its own",
    }
}

fn put_named(columns: &[Column], values: &mut [Building], entries: Items<'_>) -> Result<(), Misfit> {
    let before: Vec<_> = values.iter().map(|column| column.there.len()).collect();
    // Records mostly name their columns in the order of the schema.
    let mut expected = 0;
    for (key, value) in pairs(entries)? {
        let Cell::Str(name) = &key else {
            return Err(Misfit::told(format!("a column is named by {}", name_of(&key))));
        };
        let is_it = |column: &Column| column.name.as_bytes() == name.as_ref();
        let at = if columns.get(expected).is_some_and(is_it) {
            Some(expected)
        } else {
            columns.iter().position(is_it)
        };
        let unknown = || Misfit::told(format!("there is no column {:?}", String::from_utf8_lossy(name)));
        let at = at.ok_or_else(unknown)?;
        put_column(&columns[at], &mut values[at], value)?;
        expected = at + 1;
    }
    for ((column, values), before) in columns.iter().zip(values).zip(before) {
        if values.there.len() == before {
            put_column(column, values, Cell::None)?;
        }
    }
    Ok(())
}

fn put_placed(columns: &[Column], values: &mut [Building], items: Items<'_>) -> Result<(), Misfit> {
    let items: Vec<_> = items.collect::<Result<_, _>>()?;
    if items.len() != columns.len() {
        let text = format!("a tuple of {} for {} columns", items.len(), columns.len());
        return Err(Misfit::told(text));
    }
    for ((column, values), item) in columns.iter().zip(values).zip(items) {
        put_column(column, values, item.cell)?;
    }
    Ok(())
}

fn put_column(column: &Column, values: &mut Building, cell: Cell<'_>) -> Result<(), Misfit> {
    if cell == Cell::None && !column.nullable {
        return Err(Misfit::told("it may not be None").inside(&column.name));
    }
    values.put(cell).map_err(|misfit| misfit.inside(&column.name))
}

fn pairs(entries: Items<'_>) -> Result<Vec<(Cell<'_>, Cell<'_>)>, Misfit> {
    let mut entries = entries;
    let mut pairs = Vec::new();
    while let Some(key) = entries.next() {
        let value = entries.next().ok_or_else(|| Misfit::told("a dict is cut off"))?;
        pairs.push((key?.cell, value?.cell));
    }
    Ok(pairs)
}

fn offsets(ends: Vec<usize>) -> Result<OffsetBuffer<i32>> {
    let ends = ends.into_iter().map(i32::try_from).collect::<Result<Vec<_>, _>>();
    let ends = ends.map_err(|_| Error::Data("a batch for Spark has more than 2^31 elements".into()))?;
    Ok(OffsetBuffer::new(ends.into()))
}

fn entry_fields(entries: &Field) -> Fields {
    match entries.data_type() {
        DataType::Struct(fields) => fields.clone(),
        _ => Fields::empty(),
    }
}

impl From<nestflow_batch::cell::CellError> for Misfit {
    fn from(error: nestflow_batch::cell::CellError) -> Misfit {
        Misfit::told(error.to_string())
    }
}
