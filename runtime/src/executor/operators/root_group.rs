//! The global group exists even where no row does: a row of nulls in front of the states.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion_physical_plan::ExecutionPlan;
use futures::{StreamExt, stream};

use crate::executor::columns;
use crate::executor::stream::StreamExec;

/// The plan node that adds the row.
pub fn plan(input: Arc<dyn ExecutionPlan>) -> Arc<dyn ExecutionPlan> {
    let fields = input
        .schema()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect::<Vec<Field>>();
    let schema = Arc::new(Schema::new(fields));
    StreamExec::plan("RootGroup", schema.clone(), move |context| {
        let arrays = schema.fields().iter().map(|field| match field.data_type() {
            // A position is never read where there is no value.
            DataType::UInt64 => Arc::new(arrow::array::UInt64Array::from(vec![0])) as ArrayRef,
            other => new_null_array(other, 1),
        });
        let row = columns::batch(&schema, arrays.collect(), 1)?;
        let rows = input.execute(0, context)?;
        let widen = move |batch: datafusion_common::Result<RecordBatch>| {
            let batch = batch?;
            Ok(columns::batch(&schema, batch.columns().to_vec(), batch.num_rows())?)
        };
        Ok(stream::iter([Ok(row)]).chain(rows.map(widen)).boxed())
    })
}
