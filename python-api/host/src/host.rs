//! User functions in this process's own interpreter.

use arrow_array::RecordBatch;
use nestflow_chain::{ChainSpec, Host, HostError, OpenChain, Program};
use pyo3::prelude::*;

use crate::groups::Groups;
use crate::pin;
use crate::program::{open_cells, ours};
use crate::records::Records;
use crate::sequential::Walk;

/// Runs chains on the calling thread, which holds the GIL, where there is one, for a chunk at a time.
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

    fn is_parallel(&self) -> bool {
        // An extension that wants the lock may have brought it back.
        let asked = || {
            pin::attach(|py| {
                let module = ours(py.import("nestflow.host.free_threading"))?;
                ours(module.call_method0("has_lock").and_then(|has| has.is_truthy()))
            })
        };
        cfg!(Py_GIL_DISABLED) && asked().is_ok_and(|has_lock| !has_lock)
    }
}
