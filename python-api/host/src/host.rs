//! User functions in this process's own interpreter.

use arrow_array::RecordBatch;
use nestflow_chain::{ChainSpec, Host, HostError, OpenChain, Program};

use crate::groups::Groups;
use crate::pin;
use crate::program::open_cells;
use crate::records::Records;
use crate::sequential::Walk;

/// Runs chains on the calling thread, which holds the GIL for a batch at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcessHost;

impl Host for InProcessHost {
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        let open = open_cells(&sides)?;
        pin::attach(|py| match &chain.program {
            Program::Records { steps, emit, keep_groups_from, .. } => {
                let program = (steps.as_slice(), emit, *keep_groups_from);
                Ok(Box::new(Records::open(py, chain, program, &open)?) as Box<dyn OpenChain>)
            }
            Program::Fold { .. } | Program::Combine { .. } => {
                Ok(Box::new(Groups::open(py, chain, &open)?) as _)
            }
            Program::Sequential { kind, site, sides, most, .. } => {
                Ok(Box::new(Walk::open(py, chain, (kind, site, sides, *most), &open)?) as _)
            }
        })
    }

    fn name(&self) -> &'static str {
        "in_process"
    }
}
