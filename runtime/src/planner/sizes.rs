//! About how many bytes a dataset has, as far as that is known before the run: what files, literals and
//! kept datasets have, and what is made of them record by record, or is less than they are.

use nestflow_chain::StepKind;

use super::Settings;
use crate::plan::flat::*;

/// The bytes of what a node gives, from those of its inputs.
pub fn bytes(node: &FlatNode, known: &[Option<u64>], settings: &Settings) -> Option<u64> {
    let of = |&input: &FlatId| known.get(input).copied().flatten();
    match &node.op {
        FlatOp::Files(source) => settings.sizes.get(source).copied(),
        FlatOp::Literal(blocks) => Some(blocks.iter().map(|block| block.0.len() as u64).sum()),
        FlatOp::Held { cache } => settings.held.get(cache).map(|held| held.bytes),
        // What functions make of a record is taken to be as large as it; how many records they make of one
        // is anybody's guess.
        FlatOp::Chain { steps, .. } => {
            let many = steps.iter().any(|step| matches!(step.kind, StepKind::FlatMap(_)));
            node.inputs.first().filter(|_| !many).and_then(of)
        }
        FlatOp::Project(_)
        | FlatOp::Present(_)
        | FlatOp::Number
        | FlatOp::Limit(_)
        | FlatOp::Sort { .. }
        | FlatOp::SortParts { .. }
        | FlatOp::CheckOrder
        | FlatOp::Aggregate { .. } => node.inputs.first().and_then(of),
        FlatOp::Union { .. } | FlatOp::Exchange { .. } => node.inputs.iter().map(of).sum(),
        FlatOp::Unpack(_)
        | FlatOp::Compared(_)
        | FlatOp::Rank { .. }
        | FlatOp::Sequential { .. }
        | FlatOp::Join { .. }
        | FlatOp::Read { .. } => None,
    }
}
