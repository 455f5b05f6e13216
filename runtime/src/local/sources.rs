//! What a run reads, for every engine alike: files cut into splits, the bytes of it all, and into how
//! many channels it is dealt.

use std::collections::HashMap;

use crate::error::Result;
use crate::io::{Split, Storage, paths, plan_splits, unread};
use crate::plan::logical::{FileSource, LogicalPlan, Op, SourceForm};
use crate::planner::Settings;

/// Bytes of text that make a task.
const SPLIT_BYTES: u64 = 32 << 20;
/// Below so many bytes of input, everything is one channel: tasks would cost more than they give.
const SMALL_INPUT: u64 = 256 << 10;

/// The splits of each source.
pub type Splits = HashMap<FileSource, Vec<Split>>;

/// Tasks that data is cut into: two for each that runs at a time, so that a slow one keeps few waiting.
pub fn parts(at_a_time: usize) -> usize {
    at_a_time.max(1) * 2
}

/// How large input is planned.
pub fn settings(at_a_time: usize) -> Settings {
    Settings { channels: parts(at_a_time) as u32 }
}

/// The splits of a run's files, and how all that it reads is planned. `held` gives the bytes of a kept
/// dataset; files that only these came from are not even listed.
pub fn measure(
    logical: &LogicalPlan,
    storage: &dyn Storage,
    at_a_time: usize,
    held: impl Fn(u64) -> u64,
) -> Result<(Splits, Settings)> {
    let mut splits = Splits::new();
    let mut bytes: u64 = logical.materialized.iter().map(|kept| held(kept.cache)).sum();
    let is_held = |id| logical.materialized.iter().any(|kept| kept.node == id);
    for node in logical.root.nodes.iter().filter(|node| !is_held(node.id)) {
        match &node.op {
            Op::Files(source) => {
                let files = paths::expand(storage, &source.paths);
                let files = files.map_err(|error| error.at(logical.site(node)))?;
                let shared = match source.form {
                    SourceForm::Names => unread(&files),
                    _ => plan_splits(&files, SPLIT_BYTES, parts(at_a_time)),
                };
                splits.insert(source.clone(), shared);
            }
            Op::Literal { blocks } => bytes += blocks.iter().map(|block| block.len() as u64).sum::<u64>(),
            _ => {}
        }
    }
    bytes += splits.values().flatten().map(Split::bytes).sum::<u64>();
    let small = Settings { channels: 1 };
    Ok((splits, if bytes < SMALL_INPUT { small } else { settings(at_a_time) }))
}
