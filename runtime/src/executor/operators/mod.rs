//! Operators that DataFusion does not have. One file each; most are tactics over batches.

pub mod call_chain;
pub mod check_order;
pub mod compared;
pub mod exchange_write;
pub mod full_groups;
pub mod limit;
pub mod number;
pub mod project;
pub mod rank;
pub mod root_group;
mod route;
pub mod sequential;
pub mod sink;
pub mod unpack;

use crate::error::{Result, step};
use crate::internal;
use crate::plan::flat::FlatNode;

/// The integer of a cell that we wrote ourselves.
pub fn int_of(cell: &[u8]) -> Result<i64> {
    match nestflow_batch::cell::Cell::read(cell) {
        Ok(nestflow_batch::cell::Cell::Int(value)) => Ok(value),
        other => Err(internal!("an int was expected, not {other:?}")),
    }
}

/// The user's line that asked for an operator: `sort at jobs/visits.py:12 in main`.
pub fn place(node: &FlatNode) -> String {
    node.site.as_ref().map(step).unwrap_or_default()
}
