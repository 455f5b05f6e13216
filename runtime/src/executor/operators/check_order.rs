//! Finds sort keys that Python cannot compare: neighbours in a sorted run, within a group.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use datafusion_physical_plan::ExecutionPlan;
use nestflow_batch::columns::cell_at;

use crate::error::{Error, Result};
use crate::executor::columns::{cells, schema};
use crate::executor::stream::{StreamExec, Tactic};
use crate::plan::flat::{Col, FlatNode};

/// The key cells of a row.
type Keys = Vec<Option<Vec<u8>>>;

#[derive(Default)]
struct CheckOrder {
    depth: u32,
    /// The key cells and the sort key of the row before.
    before: Option<(Keys, Vec<u8>)>,
    site: String,
}

/// The plan node of the check.
pub fn plan(input: Arc<dyn ExecutionPlan>, node: &FlatNode) -> Arc<dyn ExecutionPlan> {
    let site = super::place(node);
    let tactic = CheckOrder { depth: node.depth, before: None, site };
    StreamExec::tactic("CheckOrder", schema(&node.cols), input, Box::new(tactic))
}

/// The error for two sort keys that Python cannot compare.
pub fn incomparable(text: &dyn std::fmt::Display, site: &str) -> Error {
    Error::User(Box::new(nestflow_chain::UserError {
        class: "TypeError".into(),
        message: text.to_string(),
        step: site.to_string(),
        ..Default::default()
    }))
}

impl Tactic for CheckOrder {
    fn process(&mut self, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let orders = cells(&batch, Col::Order)?;
        let mut keys = Vec::new();
        for level in 1..=self.depth {
            keys.push(cells(&batch, Col::Key(level))?);
        }
        let check = |a: &[u8], b: &[u8]| -> Result<()> {
            nestflow_batch::key::check_order_comparable(a, b)
                .map_err(|error| incomparable(&error, &self.site))
        };
        for row in 0..batch.num_rows() {
            let Some(order) = cell_at(orders, row) else { continue };
            if row > 0 {
                let same = keys.iter().all(|key| cell_at(key, row) == cell_at(key, row - 1));
                if let (true, Some(before)) = (same, cell_at(orders, row - 1)) {
                    check(before, order)?;
                }
            } else if let Some((group, before)) = &self.before {
                let same = keys.iter().zip(group).all(|(key, cell)| cell_at(key, row) == cell.as_deref());
                if same {
                    check(before, order)?;
                }
            }
        }
        if let Some(last) = orders.len().checked_sub(1) {
            self.before = cell_at(orders, last).map(|order| {
                let group = keys.iter().map(|key| cell_at(key, last).map(<[u8]>::to_vec)).collect();
                (group, order.to_vec())
            });
        }
        out.push(batch);
        Ok(())
    }
}
