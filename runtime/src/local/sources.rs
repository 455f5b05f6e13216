//! What a run reads, for every engine alike: files cut into splits, the bytes of it all, and into how
//! many channels it is dealt.

use std::collections::HashMap;

use crate::error::Result;
use crate::io::{Split, Storage, paths, plan_splits, unread};
use crate::plan::logical::{FileSource, LogicalPlan, Materialized, Op, SourceForm};
use crate::planner::{Held, Settings};

/// Bytes of text that make a task.
const SPLIT_BYTES: u64 = 32 << 20;
/// Bytes of input for each channel of an exchange, where there is much of it.
const CHANNEL_BYTES: u64 = 64 << 20;
/// Less than this for a channel is not worth a task, even where a core has nothing to do.
const LEAST_BYTES: u64 = 64 << 10;
/// Below so many bytes of input, everything is one channel: tasks would cost more than they give.
const SMALL_INPUT: u64 = 256 << 10;
/// More channels are not made unless somebody asks for them: every task has a block for each.
const MOST_CHANNELS: u64 = 4096;

/// The splits of each source.
pub type Splits = HashMap<FileSource, Vec<Split>>;

/// Tasks that data is cut into: two for each that runs at a time, so that a slow one keeps few waiting.
pub fn parts(at_a_time: usize) -> usize {
    at_a_time.max(1) * 2
}

/// Into how many channels so much input is dealt: one below 256 KiB; else one for each 64 MiB, at least two
/// for each core as long as each has 64 KiB, and at most 4,096.
pub fn channels(bytes: u64, at_a_time: usize) -> u32 {
    if bytes < SMALL_INPUT {
        return 1;
    }
    let for_cores = (bytes / LEAST_BYTES).min(parts(at_a_time) as u64);
    bytes.div_ceil(CHANNEL_BYTES).max(for_cores).clamp(1, MOST_CHANNELS) as u32
}

/// The splits of a run's files, and how all that it reads is planned. Files that only kept datasets came
/// from are not even listed.
pub fn measure(
    logical: &LogicalPlan,
    storage: &dyn Storage,
    at_a_time: usize,
    held: HashMap<u64, Held>,
) -> Result<(Splits, Settings)> {
    let mut splits = Splits::new();
    let kept = |kept: &Materialized| held.get(&kept.cache).map_or(0, |held| held.bytes);
    let mut bytes: u64 = logical.materialized.iter().map(kept).sum();
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
            Op::Literal { blocks, names } => {
                let held = || blocks.iter().map(|block| block.0.len() as u64).sum();
                bytes += names.unwrap_or_else(held);
            }
            _ => {}
        }
    }
    let size = |splits: &Vec<Split>| splits.iter().map(Split::bytes).sum();
    let sizes: HashMap<_, u64> = splits.iter().map(|(source, of)| (source.clone(), size(of))).collect();
    bytes += sizes.values().sum::<u64>();
    let channels = channels(bytes, at_a_time);
    Ok((splits, Settings { channels, concurrency: false, sizes, held }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn little_input_makes_few_channels_however_many_cores_there_are() {
        assert_eq!(channels(0, 500), 1);
        assert_eq!(channels(255 << 10, 500), 1);
        assert_eq!(channels(300 << 10, 500), 4);
        assert_eq!(channels(MIB, 500), 16);
    }

    #[test]
    fn every_core_has_two_where_they_are_worth_it() {
        assert_eq!(channels(MIB, 2), 4);
        assert_eq!(channels(200 * MIB, 2), 4);
        assert_eq!(channels(1 << 30, 500), 1000);
    }

    #[test]
    fn much_input_makes_many_channels_however_few_cores_there_are() {
        assert_eq!(channels(1 << 30, 1), 16);
        assert_eq!(channels(100 << 30, 2), 1600);
        assert_eq!(channels(1 << 40, 2), 4096);
    }
}
