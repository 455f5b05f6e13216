//! The first rows of a task; upstream stops when there are enough.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion_physical_plan::ExecutionPlan;

use crate::error::Result;
use crate::executor::stream::{StreamExec, Tactic};

struct Limit(usize);

/// The plan node of a limit.
pub fn plan(input: Arc<dyn ExecutionPlan>, rows: u64) -> Arc<dyn ExecutionPlan> {
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    StreamExec::tactic("Limit", input.schema(), input, Box::new(Limit(rows)))
}

impl Tactic for Limit {
    fn process(&mut self, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let rows = self.0.min(batch.num_rows());
        self.0 -= rows;
        out.push(batch.slice(0, rows));
        Ok(())
    }

    fn done(&self) -> bool {
        self.0 == 0
    }
}
