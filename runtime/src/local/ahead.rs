//! What a stage has before it, for hosts that choose where user functions run.

use std::collections::HashMap;

use super::store::LocalBlocks;
use crate::blocks::Place;
use crate::io::Split;
use crate::plan::flat::FlatOp;
use crate::plan::logical::TextSource;
use crate::plan::stage::Stage;

/// About how many bytes the tasks of a stage read.
pub fn bytes(stage: &Stage, splits: &HashMap<TextSource, Vec<Split>>, blocks: &LocalBlocks) -> u64 {
    let leaves = stage.nodes.iter().map(|node| match &node.op {
        FlatOp::Text(source) => {
            let pieces = splits.get(source).into_iter().flatten().flat_map(|split| &split.pieces);
            pieces.map(|piece| piece.end - piece.start).sum()
        }
        FlatOp::Literal(literal) => literal.iter().map(|block| block.len() as u64).sum(),
        FlatOp::Held { cache } => blocks.total(Place::Kept(*cache)),
        FlatOp::Read { exchange } => blocks.total(Place::Exchange(*exchange)),
        _ => 0,
    });
    leaves.sum()
}
