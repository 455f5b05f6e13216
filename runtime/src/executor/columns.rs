//! Columns of batches by the plan's names.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryViewArray, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};

use crate::error::Result;
use crate::internal;
use crate::plan::flat::Col;

/// The schema of a dataset with these columns.
pub fn schema(cols: &[Col]) -> SchemaRef {
    let field = |col: &Col| match col {
        Col::Pos | Col::Rank => Field::new(col.to_string(), DataType::UInt64, false),
        _ => Field::new(col.to_string(), DataType::BinaryView, true),
    };
    Arc::new(Schema::new(cols.iter().map(field).collect::<Vec<_>>()))
}

/// A batch from columns, also where there are rows and no columns.
pub fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// The column of a name.
pub fn column(batch: &RecordBatch, col: Col) -> Result<&ArrayRef> {
    batch.column_by_name(&col.to_string()).ok_or_else(|| internal!("a batch without column {col}"))
}

/// The cells of a column.
pub fn cells(batch: &RecordBatch, col: Col) -> Result<&BinaryViewArray> {
    column(batch, col)?.as_binary_view_opt().ok_or_else(|| internal!("column {col} does not hold cells"))
}

/// The positions of a batch.
pub fn positions(array: &ArrayRef) -> Result<&UInt64Array> {
    array.as_primitive_opt::<UInt64Type>().ok_or_else(|| internal!("positions are not UInt64"))
}

/// The batch with these columns, in this order.
pub fn select(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column = batch.column_by_name(field.name());
        columns.push(column.ok_or_else(|| internal!("a batch without column {}", field.name()))?.clone());
    }
    self::batch(schema, columns, batch.num_rows())
}
