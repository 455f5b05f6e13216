//! What a stage has before it, for hosts that choose where user functions run.

use super::sources::Splits;
use super::store::LocalBlocks;
use crate::blocks::Place;
use crate::io::Split;
use crate::plan::flat::FlatOp;
use crate::plan::stage::Stage;

/// About how many bytes the tasks of a stage read.
pub fn bytes(stage: &Stage, splits: &Splits, blocks: &LocalBlocks) -> u64 {
    let leaves = stage.nodes.iter().map(|node| match &node.op {
        FlatOp::Files(source) => splits.get(source).into_iter().flatten().map(Split::bytes).sum(),
        FlatOp::Literal(literal) => literal.iter().map(|block| block.0.len() as u64).sum(),
        FlatOp::Held { cache } => blocks.total(Place::Kept(*cache)),
        FlatOp::Read { exchange } => blocks.total(Place::Exchange(*exchange)),
        _ => 0,
    });
    leaves.sum()
}
