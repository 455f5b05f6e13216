//! The types of Spark's columns, as far as Python has values for them, and how Arrow has them.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use serde_json::Value;

use crate::error::{Error, Result};

/// The type of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Null,
    Bool,
    /// An integer of 8, 16, 32 or 64 bits.
    Int(u8),
    /// A float of 32 bits.
    Float,
    Double,
    Text,
    Bytes,
    /// Digits, and how many of them stand behind the point.
    Decimal(u8, i8),
    Date,
    /// A point in time.
    Instant,
    /// What a calendar and a clock show.
    Datetime,
    Duration,
    List(Box<Kind>),
    Map(Box<(Kind, Kind)>),
    Struct(Vec<Column>),
}

/// A named part of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    /// Whether it may be `None`.
    pub nullable: bool,
}

impl Kind {
    /// The type of rows, from the JSON of their schema.
    pub fn of_rows(schema: &str) -> Result<Kind> {
        let schema: Value = serde_json::from_str(schema)?;
        match of(&schema) {
            Ok(rows @ Kind::Struct(_)) => Ok(rows),
            Ok(other) => Err(Error::Plan(format!("rows of Spark are structs, not {other:?}"))),
            Err(Unknown { path, kind }) => {
                let column: Vec<_> = path.into_iter().rev().collect();
                let column = column.join(".");
                Err(Error::Plan(format!(
                    "column {column} is of Spark's type {kind}, which has no values in Python; leave it out or cast it"
                )))
            }
        }
    }

    /// How Arrow has it; `large`: texts with offsets of 64 bits.
    pub fn arrow(&self, large: bool) -> DataType {
        match self {
            Kind::Null => DataType::Null,
            Kind::Bool => DataType::Boolean,
            Kind::Int(8) => DataType::Int8,
            Kind::Int(16) => DataType::Int16,
            Kind::Int(32) => DataType::Int32,
            Kind::Int(_) => DataType::Int64,
            Kind::Float => DataType::Float32,
            Kind::Double => DataType::Float64,
            Kind::Text if large => DataType::LargeUtf8,
            Kind::Text => DataType::Utf8,
            Kind::Bytes if large => DataType::LargeBinary,
            Kind::Bytes => DataType::Binary,
            Kind::Decimal(digits, scale) => DataType::Decimal128(*digits, *scale),
            Kind::Date => DataType::Date32,
            Kind::Instant => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Datetime => DataType::Timestamp(TimeUnit::Microsecond, None),
            Kind::Duration => DataType::Duration(TimeUnit::Microsecond),
            Kind::List(item) => DataType::List(field("element", item, true, large)),
            Kind::Map(pair) => {
                let pair = [field("key", &pair.0, false, large), field("value", &pair.1, true, large)];
                let entries = Field::new("entries", DataType::Struct(Fields::from_iter(pair)), false);
                DataType::Map(Arc::new(entries), false)
            }
            Kind::Struct(columns) => DataType::Struct(fields(columns, large)),
        }
    }

    /// Rows as Arrow has them.
    pub fn schema(&self, large: bool) -> SchemaRef {
        match self {
            Kind::Struct(columns) => Arc::new(Schema::new(fields(columns, large))),
            _ => Arc::new(Schema::empty()),
        }
    }
}

fn fields(columns: &[Column], large: bool) -> Fields {
    columns.iter().map(|column| field(&column.name, &column.kind, column.nullable, large)).collect()
}

fn field(name: &str, kind: &Kind, nullable: bool, large: bool) -> FieldRef {
    Arc::new(Field::new(name, kind.arrow(large), nullable || *kind == Kind::Null))
}

/// A type without values in Python, and the way to it from the inside out.
struct Unknown {
    path: Vec<String>,
    kind: String,
}

fn of(json: &Value) -> Result<Kind, Unknown> {
    if let Some(name) = json.as_str() {
        return named(name).ok_or_else(|| Unknown { path: Vec::new(), kind: name.to_owned() });
    }
    match json["type"].as_str() {
        Some("struct") => {
            let fields = json["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
            fields.iter().map(column).collect::<Result<_, _>>().map(Kind::Struct)
        }
        Some("array") => Ok(Kind::List(Box::new(of(&json["elementType"])?))),
        Some("map") => Ok(Kind::Map(Box::new((of(&json["keyType"])?, of(&json["valueType"])?)))),
        // A type of the user's is stored as another.
        Some("udt") => of(&json["sqlType"]),
        _ => Err(Unknown { path: Vec::new(), kind: json.to_string() }),
    }
}

fn column(json: &Value) -> Result<Column, Unknown> {
    let name = json["name"].as_str().unwrap_or_default().to_owned();
    match of(&json["type"]) {
        Ok(kind) => Ok(Column { kind, nullable: json["nullable"] != Value::Bool(false), name }),
        Err(mut unknown) => {
            unknown.path.push(name);
            Err(unknown)
        }
    }
}

fn named(name: &str) -> Option<Kind> {
    Some(match name {
        "void" | "null" => Kind::Null,
        "boolean" => Kind::Bool,
        "byte" => Kind::Int(8),
        "short" => Kind::Int(16),
        "integer" => Kind::Int(32),
        "long" => Kind::Int(64),
        "float" => Kind::Float,
        "double" => Kind::Double,
        "string" => Kind::Text,
        "binary" => Kind::Bytes,
        "date" => Kind::Date,
        "timestamp" => Kind::Instant,
        "timestamp_ntz" => Kind::Datetime,
        "decimal" => Kind::Decimal(10, 0),
        _ if name.starts_with("char(") || name.starts_with("varchar(") => Kind::Text,
        _ if name.starts_with("interval ") && !name.contains("year") && !name.contains("month") => {
            Kind::Duration
        }
        _ => {
            let (digits, scale) = name.strip_prefix("decimal(")?.strip_suffix(')')?.split_once(',')?;
            Kind::Decimal(digits.trim().parse().ok()?, scale.trim().parse().ok()?)
        }
    })
}
