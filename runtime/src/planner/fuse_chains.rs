//! Consecutive user functions become one chain, so that a record becomes a Python object once.

use nestflow_chain::{Emit, SideFrom};

use crate::plan::flat::*;

/// Merges each chain into its only consumer, where that is a chain too.
pub fn fuse_chains(plan: FlatPlan) -> FlatPlan {
    let uses = plan.uses();
    let mut nodes: Vec<FlatNode> = Vec::with_capacity(plan.nodes.len());
    for node in plan.nodes {
        let fused = match node.inputs.first() {
            Some(&input) if uses[input] == 1 => fuse(&nodes[input], &node),
            _ => None,
        };
        nodes.push(fused.unwrap_or(node));
    }
    FlatPlan { nodes, roots: plan.roots }.without_unused()
}

fn fuse(inner: &FlatNode, outer: &FlatNode) -> Option<FlatNode> {
    let (
        FlatOp::Chain {
            steps: first,
            emit: Emit::Value,
            keep_groups_from: keep_first,
            sides: inner_sides,
            ..
        },
        FlatOp::Chain { steps: second, emit, keep_groups_from: keep_second, sides: outer_sides, most },
    ) = (&inner.op, &outer.op)
    else {
        return None;
    };
    // A side that comes by column reaches the outer chain from between the two.
    if outer_sides.iter().any(|side| side.from != SideFrom::Open) {
        return None;
    }
    let shift = inner_sides.len() as u32;
    let mut steps = first.clone();
    steps.extend(second.iter().cloned().map(|mut step| {
        step.sides.iter_mut().for_each(|side| *side += shift);
        step
    }));
    let keep_groups_from = keep_first.or(keep_second.map(|step| step + first.len() as u32));
    let sides = inner_sides.iter().chain(outer_sides).copied().collect();
    let op = FlatOp::Chain { steps, emit: emit.clone(), keep_groups_from, sides, most: *most };
    let inputs = inner.inputs.iter().chain(&outer.inputs[1..]).copied().collect();
    Some(FlatNode { op, inputs, ..outer.clone() })
}
