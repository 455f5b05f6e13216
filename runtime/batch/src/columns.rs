//! Cells in Arrow arrays: building, reading and hashing nullable `BinaryView` columns, one cell per
//! value. Knows nothing of what is inside a cell.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryViewArray};
use arrow_buffer::NullBufferBuilder;
use arrow_schema::{ArrowError, DataType, Field};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::view_column::Views;
pub use crate::views::Number;
use crate::views::tagged;

/// A field of cells.
pub fn cell_field(name: impl Into<String>) -> Field {
    Field::new(name, DataType::BinaryView, true)
}

/// A cell column of nulls.
pub fn null_column(len: usize) -> ArrayRef {
    Arc::new(BinaryViewArray::new_null(len))
}

/// Builds a cell column. A cell is written straight into [`CellBuilder::buffer`], with any of the
/// functions of [`crate::put`], and ended by [`CellBuilder::commit`]: nothing is copied after that.
#[derive(Debug, Default)]
pub struct CellBuilder {
    views: Views,
    nulls: NullsSoFar,
    oversize: Option<usize>,
}

/// A column's null bits, which cost nothing until there is a null.
#[derive(Debug)]
struct NullsSoFar(NullBufferBuilder);

impl Default for NullsSoFar {
    fn default() -> Self {
        NullsSoFar(NullBufferBuilder::new(0))
    }
}

impl CellBuilder {
    /// An empty column with room for so many rows.
    pub fn with_capacity(rows: usize) -> CellBuilder {
        CellBuilder { views: Views::with_capacity(rows), ..CellBuilder::default() }
    }

    /// Where the next cell is to be appended. What is already there must stay as it is.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.views.buffer
    }

    /// Makes a row of what was appended to the buffer since the last row.
    #[inline]
    pub fn commit(&mut self) {
        let length = self.views.commit();
        self.nulls.0.append_non_null();
        if u32::try_from(length).is_err() {
            self.oversize = Some(length);
        }
    }

    /// A row with a number; whatever was not committed is forgotten.
    #[inline]
    pub fn append_number(&mut self, number: Number) {
        self.push_short(number.view());
    }

    /// A row with a cell of this tag and payload, as long as it is no container; whatever was not committed is
    /// forgotten.
    #[inline]
    pub fn append_tagged(&mut self, tag: u8, payload: &[u8]) {
        match tagged(tag, payload) {
            Some(view) => self.push_short(view),
            None => {
                self.abandon();
                self.buffer().push(tag);
                self.buffer().extend_from_slice(payload);
                self.commit();
            }
        }
    }

    /// A row whose cell lies inside of its view.
    #[inline]
    fn push_short(&mut self, view: u128) {
        self.views.push_short(view);
        self.nulls.0.append_non_null();
    }

    /// Forgets what was appended to the buffer since the last row.
    #[inline]
    pub fn abandon(&mut self) {
        self.views.abandon();
    }

    /// A row with this cell.
    #[inline]
    pub fn append(&mut self, cell: &[u8]) {
        self.buffer().extend_from_slice(cell);
        self.commit();
    }

    /// A null row; whatever was not committed is forgotten.
    #[inline]
    pub fn append_null(&mut self) {
        self.views.push_short(0);
        self.nulls.0.append_null();
    }

    /// A row with this cell, or a null row.
    #[inline]
    pub fn append_option(&mut self, cell: Option<&[u8]>) {
        match cell {
            Some(cell) => self.append(cell),
            None => self.append_null(),
        }
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.views.len()
    }

    /// Whether there is no row yet.
    pub fn is_empty(&self) -> bool {
        self.views.len() == 0
    }

    /// Bytes that the rows so far take.
    pub fn bytes(&self) -> usize {
        self.views.bytes()
    }

    /// The column; the builder is empty after that. A cell of 4 GiB or more is an error.
    pub fn finish(&mut self) -> Result<BinaryViewArray, ArrowError> {
        let mut done = std::mem::take(self);
        if let Some(length) = done.oversize {
            let message = format!("a value of {length} bytes is too large for a batch (limit 4 GiB)");
            return Err(ArrowError::InvalidArgumentError(message));
        }
        Ok(done.views.finish(done.nulls.0.finish()))
    }
}

/// The cell in a row, `None` for a null.
#[inline]
pub fn cell_at(column: &BinaryViewArray, row: usize) -> Option<&[u8]> {
    column.is_valid(row).then(|| column.value(row))
}

/// A hash of each row over several columns, the same in every process and on every machine. The
/// columns must have `out.len()` rows. A null hashes like no cell, since no cell is empty.
pub fn hash_columns(columns: &[&BinaryViewArray], out: &mut [u64]) {
    out.fill(0);
    for column in columns {
        if column.null_count() == 0 {
            for (hash, cell) in out.iter_mut().zip(column.bytes_iter()) {
                *hash = xxh3_64_with_seed(cell, *hash);
            }
        } else {
            for (hash, cell) in out.iter_mut().zip(column.iter()) {
                *hash = xxh3_64_with_seed(cell.unwrap_or_default(), *hash);
            }
        }
    }
}
