//! Datasets that are Spark's own: parts whose elements are bytes in a form that Spark reads and writes.
//!
//! In reading order: `kind` (the types of Spark's columns) → `read` (batches of Arrow become cells) and
//! `write` (cells become batches of Arrow), with
//! `decimal` for both. To everybody else such a dataset is a kept one: its bytes become
//! blocks where they come in, and blocks become bytes where they go out. Must not know how they travel.

mod decimal;
mod kind;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use arrow::array::cast::AsArray;
use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use nestflow_batch::block::{BlockHeader, encode};
use nestflow_batch::cell::{Cell, put_bytes};
use nestflow_batch::columns::{CellBuilder, cell_at};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::executor::kept_batch;
use crate::internal;

use kind::Kind;

/// The bytes in front of what comes in: the part that it belongs to, and its place there.
const FRONT: usize = 8;

/// What the bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// Anything: each is one record.
    Bytes,
    /// Batches of Arrow, of columns that Spark's JSON describes. Coming in, each is one message; going out,
    /// a stream of its own. `large`: texts have offsets of 64 bits.
    Frame {
        /// The columns.
        schema: String,
        /// How texts are laid out.
        large: bool,
    },
}

/// What comes in as a block.
pub fn block(form: &Form, bytes: &[u8]) -> Result<Vec<u8>> {
    let cut_off = || Error::Data("rows of Spark are cut off".into());
    let (front, bytes) = bytes.split_at_checked(FRONT).ok_or_else(cut_off)?;
    let (channel, sequence) = front.split_first_chunk::<4>().ok_or_else(cut_off)?;
    let (sequence, _) = sequence.split_first_chunk::<4>().ok_or_else(cut_off)?;
    let header = BlockHeader {
        channel: u32::from_be_bytes(*channel),
        sequence: u32::from_be_bytes(*sequence),
        ..BlockHeader::default()
    };
    let mut cells = CellBuilder::default();
    match form {
        Form::Bytes => {
            put_bytes(cells.buffer(), bytes, false);
            cells.commit();
        }
        Form::Frame { schema, large } => read::records(&Kind::of_rows(schema)?, *large, bytes, &mut cells)?,
    }
    let column: ArrayRef = Arc::new(cells.finish()?);
    let batch = RecordBatch::try_new(crate::executor::kept_schema(0), vec![column])?;
    let mut block = Vec::new();
    encode(&header, &batch, false, &mut block).map_err(|error| Error::Data(error.to_string()))?;
    Ok(block)
}

/// What goes out for a block.
pub fn bytes(form: &Form, block: Vec<u8>) -> Result<Vec<Vec<u8>>> {
    let batch = kept_batch(&Buffer::from_vec(block), 0, "a dataset for Spark")?;
    let column = batch.columns().last().and_then(|column| column.as_binary_view_opt());
    let column = column.ok_or_else(|| internal!("a dataset for Spark has no records"))?;
    let records = (0..column.len()).filter_map(|row| cell_at(column, row));
    match form {
        Form::Bytes => records
            .map(|record| match Cell::read(record) {
                Ok(Cell::Bytes(bytes)) => Ok(bytes.into_owned()),
                other => Err(internal!("a record for Spark is {other:?} instead of bytes")),
            })
            .collect(),
        Form::Frame { schema, large } => Ok(vec![write::stream(&Kind::of_rows(schema)?, *large, records)?]),
    }
}
