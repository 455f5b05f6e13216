//! One row per element of a packed list; a group whose list is empty stays known as a marker.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion_physical_plan::ExecutionPlan;
use nestflow_batch::columns::{CellBuilder, cell_at};

use crate::error::Result;
use crate::executor::aggregates::packed_items;
use crate::executor::columns::{self, cells, schema};
use crate::executor::stream::{StreamExec, Tactic};
use crate::internal;
use crate::plan::flat::{Col, FlatNode};

struct Unpack {
    packed: Col,
    markers: bool,
    out: SchemaRef,
}

/// The plan node that unpacks.
pub fn plan(input: Arc<dyn ExecutionPlan>, node: &FlatNode, packed: Col) -> Arc<dyn ExecutionPlan> {
    let out = schema(&node.cols);
    let tactic = Unpack { packed, markers: node.markers, out: out.clone() };
    StreamExec::tactic("Unpack", out, input, Box::new(tactic))
}

impl Tactic for Unpack {
    fn process(&mut self, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let lists = cells(&batch, self.packed)?;
        let mut rows: Vec<u32> = Vec::new();
        let mut values = CellBuilder::default();
        for row in 0..batch.num_rows() {
            let before = rows.len();
            if let Some(list) = cell_at(lists, row) {
                for value in packed_items(list) {
                    values.append(value?);
                    rows.push(row as u32);
                }
            }
            if rows.len() == before && self.markers {
                values.append_null();
                rows.push(row as u32);
            }
        }
        let indices = UInt32Array::from(rows);
        let values: ArrayRef = Arc::new(values.finish()?);
        let mut arrays = Vec::new();
        for field in self.out.fields() {
            arrays.push(match field.name().as_str() {
                "v" => values.clone(),
                name => {
                    let column = batch.column_by_name(name).ok_or_else(|| internal!("no column {name}"))?;
                    take(column, &indices, None)?
                }
            });
        }
        out.push(columns::batch(&self.out, arrays, indices.len())?);
        Ok(())
    }
}
