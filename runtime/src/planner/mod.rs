//! The planner: a logical plan becomes stages. Plan in, plan out; knows no code that runs it.
//!
//! A pass is one file and one function. Facts that a pass needs are values returned by functions,
//! never tags left on nodes.

mod check;
mod choose_exchanges;
mod combine_early;
mod cut_stages;
mod fuse_chains;
mod lift;
mod limit_chains;
mod merge_siblings;
mod prune;
mod prune_columns;
mod share;
mod sizes;
mod spread;

pub use prune::references;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::plan::logical::{FileSource, LogicalPlan};
use crate::plan::stage::{Spread, StageGraph};

/// A checked plan with only what its targets need.
pub fn prune(logical: &LogicalPlan) -> Result<LogicalPlan> {
    check::logical(logical)?;
    Ok(prune::prune(logical))
}

/// What the planner is told about the run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The number of channels of a hash exchange, where nothing else is said.
    pub channels: u32,
    /// Whether what a transform says of its concurrency counts.
    pub concurrency: bool,
    /// The bytes of each source, where they are known.
    pub sizes: HashMap<FileSource, u64>,
    /// What is kept, by name.
    pub held: HashMap<u64, Held>,
}

/// A kept dataset.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Held {
    /// Its parts.
    pub tasks: u32,
    /// Its bytes.
    pub bytes: u64,
    /// How its rows lie in them.
    #[serde(default)]
    pub spread: Spread,
}

/// Plans a run.
pub fn plan(logical: &LogicalPlan, settings: &Settings) -> Result<StageGraph> {
    // First, so that nothing is planned for what is held already or leads nowhere. Hostile or damaged
    // plans stop here; all later passes rely on what is checked.
    plan_pruned(&prune(logical)?, settings)
}

/// Plans what `prune` has left. The order of the passes is this function:
pub fn plan_pruned(logical: &LogicalPlan, settings: &Settings) -> Result<StageGraph> {
    // Depth becomes leading columns; from here on there is no nesting.
    let flat = lift::lift(logical)?;
    // Before siblings are compared, so that equal inputs are equal chains.
    let flat = fuse_chains::fuse_chains(flat);
    // Before exchanges are chosen, since one aggregate needs one exchange, and a join of two results
    // of one aggregate needs none.
    let flat = merge_siblings::merge_siblings(flat);
    // After all readers of a dataset are known: a chain of which all take the first records gives no more.
    let flat = limit_chains::limit_chains(flat);
    // Needs the final shape of grouping operators, and decides what may be combined early.
    let (flat, kept) = choose_exchanges::choose_exchanges(flat, settings)?;
    // Splits aggregates at the exchanges that were put below them.
    let flat = combine_early::combine_early(flat);
    // After all columns have their users: what nobody reads is neither computed nor shipped.
    let flat = prune_columns::prune_columns(flat);
    // Late, since only now it is known who reads what: a dataset with several readers is computed once.
    let flat = share::share(flat);
    let graph = StageGraph { kept, ..cut_stages::cut_stages(&flat)? };
    // Last: promises that the executor relies on.
    check::stages(&graph)?;
    Ok(graph)
}
