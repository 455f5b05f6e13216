//! Gives rows their position: the task's ordinal in the high bits, so that positions of a stage are
//! in the order of its dataset.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion_physical_expr::expressions::Column;
use datafusion_physical_expr::{EquivalenceProperties, PhysicalSortExpr};
use datafusion_physical_plan::ExecutionPlan;
use futures::StreamExt;

use crate::error::Result;
use crate::executor::columns::{self, schema};
use crate::executor::stream::{StreamExec, Tactic};
use crate::internal;
use crate::plan::flat::FlatNode;

/// Bits for the rows of one task.
const ROW_BITS: u32 = 40;

struct Number {
    next: u64,
    out: SchemaRef,
}

/// The plan node that numbers rows.
pub fn plan(input: Arc<dyn ExecutionPlan>, node: &FlatNode, task: u32) -> Arc<dyn ExecutionPlan> {
    let out = schema(&node.cols);
    let tactic = Number { next: u64::from(task) << ROW_BITS, out: out.clone() };
    StreamExec::tactic("Number", out, input, Box::new(tactic))
}

/// Adds a column with the number of each row, and says that rows are in its order: a join keeps the
/// order of its probe side only where that side declares one.
pub fn in_declared_order(input: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let mut fields: Vec<_> = input.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new("row", DataType::UInt64, false)));
    let out = Arc::new(Schema::new(fields));
    let by = Arc::new(Column::new("row", out.fields().len() - 1));
    let ordering = [PhysicalSortExpr::new_default(by)];
    let known = EquivalenceProperties::new_with_orderings(out.clone(), [ordering]);
    Ok(StreamExec::with_properties("InOrder", known, move |context| {
        let mut next = 0;
        let rows = input.execute(0, context)?.map(move |batch| {
            let batch = batch?;
            let end = next + batch.num_rows() as u64;
            let mut arrays = batch.columns().to_vec();
            arrays.push(Arc::new(UInt64Array::from_iter_values(next..end)));
            next = end;
            Ok(columns::batch(&out, arrays, batch.num_rows())?)
        });
        Ok(rows.boxed())
    }))
}

impl Tactic for Number {
    fn process(&mut self, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = batch.num_rows() as u64;
        let positions: ArrayRef = Arc::new(UInt64Array::from_iter_values(self.next..self.next + rows));
        self.next += rows;
        let mut arrays = Vec::with_capacity(self.out.fields().len());
        for field in self.out.fields() {
            arrays.push(match field.name().as_str() {
                "p" => positions.clone(),
                name => batch.column_by_name(name).ok_or_else(|| internal!("no column {name}"))?.clone(),
            });
        }
        out.push(columns::batch(&self.out, arrays, batch.num_rows())?);
        Ok(())
    }
}
