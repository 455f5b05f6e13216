//! Chains of which only the first records of each group are used are told so: a function then need not
//! give all of its results, and records of groups that have enough do not meet it.
//!
//! What is bounded: of one record no more results are asked for than are taken, wherever it stands; and
//! where groups are known before the functions are called, records of groups that have enough are passed
//! over. So a `flat_map` behind a grouping is cut off from the function that gives the key.

use nestflow_chain::{Emit, Program, Step, StepKind};

use crate::plan::flat::*;

/// Says how many records of each group are used, where all readers take the first ones.
pub fn limit_chains(plan: FlatPlan) -> FlatPlan {
    let wanted = wanted(&plan);
    let mut nodes: Vec<FlatNode> = Vec::with_capacity(plan.nodes.len());
    let mut renamed: Vec<FlatId> = Vec::with_capacity(plan.nodes.len());
    for (mut node, wanted) in plan.nodes.into_iter().zip(wanted) {
        node.inputs.iter_mut().for_each(|input| *input = renamed[*input]);
        if let Wanted::First(records) = wanted {
            match &mut node.op {
                FlatOp::Chain { most, .. }
                | FlatOp::Sequential { program: Program::Sequential { most, .. }, .. } => {
                    *most = Some(records)
                }
                _ => {}
            }
            if let Some((first, rest)) = cut(&node, &nodes) {
                nodes.push(first);
                node = FlatNode { inputs: [&[nodes.len() - 1], &rest.inputs[..]].concat(), ..rest };
            }
        }
        nodes.push(node);
        renamed.push(nodes.len() - 1);
    }
    let mut roots = plan.roots;
    roots.iter_mut().for_each(|root| root.node = renamed[root.node]);
    FlatPlan { nodes, roots }
}

/// Which of a dataset's records somebody uses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Nothing,
    /// The first ones of each group.
    First(u64),
    All,
}

fn wanted(plan: &FlatPlan) -> Vec<Wanted> {
    let mut wanted = vec![Wanted::Nothing; plan.nodes.len()];
    for root in &plan.roots {
        wanted[root.node] = Wanted::All;
    }
    for (id, node) in plan.nodes.iter().enumerate().rev() {
        let of_input = match &node.op {
            FlatOp::Number | FlatOp::Project(_) | FlatOp::Union { .. } => wanted[id],
            FlatOp::Chain { steps, .. } if steps.iter().all(|it| matches!(it.kind, StepKind::Map(_))) => {
                wanted[id]
            }
            FlatOp::Aggregate { keys: by, aggs, .. } if node.depth > 0 && *by == keys(node.depth) => {
                first(aggs)
            }
            _ => Wanted::All,
        };
        for &input in &node.inputs {
            wanted[input] = match (wanted[input], of_input) {
                (Wanted::First(a), Wanted::First(b)) => Wanted::First(a.max(b)),
                (Wanted::Nothing, other) | (other, Wanted::Nothing) => other,
                _ => Wanted::All,
            };
        }
    }
    wanted
}

fn first(aggs: &[Agg]) -> Wanted {
    let limits = aggs.iter().filter(|agg| agg.function != AggFn::Given).map(|agg| match agg.function {
        AggFn::First { limit } => Some(limit),
        _ => None,
    });
    match limits.collect::<Option<Vec<_>>>().and_then(|limits| limits.into_iter().max()) {
        Some(limit) => Wanted::First(limit),
        None => Wanted::All,
    }
}

/// A chain that opens groups and then has a `flat_map`, as two: the second one knows the groups.
fn cut(node: &FlatNode, nodes: &[FlatNode]) -> Option<(FlatNode, FlatNode)> {
    let FlatOp::Chain { steps, emit, keep_groups_from, sides, most } = &node.op else { return None };
    let opens = |step: &Step| matches!(step.kind, StepKind::KeyBy { .. } | StepKind::Split);
    let at = steps.iter().rposition(opens)? + 1;
    let (before, after) = steps.split_at(at);
    let flat_map = after.iter().any(|step| matches!(step.kind, StepKind::FlatMap(_)));
    if !flat_map || !sides.is_empty() {
        return None;
    }
    let keep = keep_groups_from.map(|from| from as usize);
    let mut cols = key_cols(node.depth);
    cols.push(Col::Value);
    let op = FlatOp::Chain {
        steps: before.to_vec(),
        emit: Emit::Value,
        keep_groups_from: keep_groups_from.filter(|&from| (from as usize) < at),
        sides: vec![],
        most: None,
    };
    let markers = node.inputs.iter().any(|&input| nodes[input].markers) || keep.is_some_and(|from| from < at);
    let first = FlatNode { op, cols, markers, ..node.clone() };
    let op = FlatOp::Chain {
        steps: after.to_vec(),
        emit: emit.clone(),
        keep_groups_from: keep.map(|from| from.saturating_sub(at) as u32),
        sides: vec![],
        most: *most,
    };
    Some((first, FlatNode { op, inputs: vec![], ..node.clone() }))
}
