//! Counts of an element on both sides, to the rows of a multiset operation.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion_physical_plan::ExecutionPlan;
use nestflow_batch::columns::{CellBuilder, cell_at};
use nestflow_batch::{put, tag};

use crate::error::Result;
use crate::executor::columns::{self, cells, schema};
use crate::executor::stream::{StreamExec, Tactic};
use crate::plan::flat::{Col, Counted, FlatNode};

struct Compared {
    kind: Counted,
    out: SchemaRef,
}

/// The plan node of a multiset operation.
pub fn plan(input: Arc<dyn ExecutionPlan>, node: &FlatNode, kind: Counted) -> Arc<dyn ExecutionPlan> {
    let out = schema(&node.cols);
    StreamExec::tactic("Compared", out.clone(), input, Box::new(Compared { kind, out }))
}

impl Tactic for Compared {
    fn process(&mut self, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let (left, right) = (cells(&batch, Col::Side(0))?, cells(&batch, Col::Side(1))?);
        let values = cells(&batch, Col::Value)?;
        let mut rows: Vec<u32> = Vec::new();
        let mut built = CellBuilder::default();
        for row in 0..batch.num_rows() {
            let count = |column| cell_at(column, row).map(super::int_of).transpose();
            let (a, b) = (count(left)?.unwrap_or(0), count(right)?.unwrap_or(0));
            let copies = match self.kind {
                Counted::Intersection => i64::from(a > 0 && b > 0),
                Counted::IntersectionAll => a.min(b),
                Counted::Diff => i64::from(a != b),
            };
            rows.extend(std::iter::repeat_n(row as u32, copies as usize));
            if self.kind == Counted::Diff && copies > 0 {
                let buffer = built.buffer();
                put::open(buffer, tag::TUPLE);
                put::put_item(buffer, cell_at(values, row).unwrap_or(&[tag::NONE]));
                put::open(buffer, tag::TUPLE);
                put::put_i64(buffer, a);
                put::put_i64(buffer, b);
                put::close(buffer);
                put::close(buffer);
                built.commit();
            }
        }
        let indices = UInt32Array::from(rows);
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for field in self.out.fields() {
            let of_diff = self.kind == Counted::Diff && field.name() == "v";
            arrays.push(match of_diff {
                true => Arc::new(built.finish()?),
                false => {
                    let column = batch.column_by_name(field.name());
                    let column = column.ok_or_else(|| crate::internal!("no column {}", field.name()))?;
                    take(column, &indices, None)?
                }
            });
        }
        out.push(columns::batch(&self.out, arrays, indices.len())?);
        Ok(())
    }
}
