//! Aggregates over the same rows and keys become one, and a join of two of its results becomes a
//! projection: `sum / count` of a group is one aggregate and no join.

use std::collections::HashMap;

use crate::plan::flat::*;

/// Merges equal nodes, sibling aggregates, and joins of their results.
pub fn merge_siblings(plan: FlatPlan) -> FlatPlan {
    let plan = join_to_project(merge_aggregates(merge_equal(plan)));
    // A projection that replaced a join may now feed what was equal before.
    merge_equal(plan).without_unused()
}

/// Nodes that compute the same from the same become one. Call sites do not count, user functions
/// are the same only where they are the same pickled bytes.
fn merge_equal(plan: FlatPlan) -> FlatPlan {
    let mut seen: HashMap<(FlatOp, Vec<FlatId>), FlatId> = HashMap::new();
    let mut renamed: Vec<FlatId> = Vec::with_capacity(plan.nodes.len());
    let mut nodes = plan.nodes;
    for (id, node) in nodes.iter_mut().enumerate() {
        node.inputs.iter_mut().for_each(|input| *input = renamed[*input]);
        let native = !matches!(
            node.op,
            FlatOp::Chain { .. } | FlatOp::Sequential { .. } | FlatOp::Literal(_) | FlatOp::Files(_)
        );
        let plain_chain = matches!(&node.op, FlatOp::Chain { steps, .. } if steps.is_empty());
        let same = match native || plain_chain {
            true => *seen.entry((node.op.clone(), node.inputs.clone())).or_insert(id),
            false => id,
        };
        renamed.push(same);
    }
    let mut roots = plan.roots;
    roots.iter_mut().for_each(|root| root.node = renamed[root.node]);
    FlatPlan { nodes, roots }
}

fn merge_aggregates(mut plan: FlatPlan) -> FlatPlan {
    let mut first: HashMap<(FlatId, Vec<Col>, Phase), FlatId> = HashMap::new();
    let mut renamed: Vec<FlatId> = (0..plan.nodes.len()).collect();
    for id in 0..plan.nodes.len() {
        let inputs = plan.nodes[id].inputs.iter().map(|&input| renamed[input]).collect();
        plan.nodes[id].inputs = inputs;
        let FlatOp::Aggregate { keys, aggs, phase: Phase::Single, at_least_one } = plan.nodes[id].op.clone()
        else {
            continue;
        };
        let key = (plan.nodes[id].inputs[0], keys, Phase::Single);
        let Some(&into) = first.get(&key) else {
            first.insert(key, id);
            continue;
        };
        if let FlatOp::Aggregate { aggs: merged, at_least_one: answers, .. } = &mut plan.nodes[into].op {
            let new: Vec<_> = aggs.into_iter().filter(|agg| !merged.contains(agg)).collect();
            merged.extend(new.iter().cloned());
            *answers |= at_least_one;
            plan.nodes[into].cols.extend(new.iter().map(|agg| agg.out));
            renamed[id] = into;
        }
    }
    plan.roots.iter_mut().for_each(|root| root.node = renamed[root.node]);
    plan
}

fn join_to_project(mut plan: FlatPlan) -> FlatPlan {
    for id in 0..plan.nodes.len() {
        let FlatOp::Join { on, kind: FlatJoin::Left, take } = &plan.nodes[id].op else { continue };
        let (left, right) = (plan.nodes[id].inputs[0], plan.nodes[id].inputs[1]);
        let (FlatOp::Project(of_left), FlatOp::Project(of_right)) =
            (&plan.nodes[left].op, &plan.nodes[right].op)
        else {
            continue;
        };
        let source = plan.nodes[left].inputs[0];
        let depth = plan.nodes[id].depth;
        let whole_key = on.len() as u32 == depth && depth == plan.nodes[right].depth;
        let one_per_group =
            matches!(&plan.nodes[source].op, FlatOp::Aggregate { keys: by, .. } if *by == keys(depth));
        if plan.nodes[right].inputs[0] != source || !whole_key || !one_per_group {
            continue;
        }
        let taken = |&(from_right, col, name): &(bool, Col, Col)| {
            let exprs = if from_right { of_right } else { of_left };
            exprs.iter().find(|(out, _)| *out == col).map(|(_, expr)| (name, expr.clone()))
        };
        let Some(exprs) = take.iter().map(taken).collect::<Option<Vec<_>>>() else { continue };
        plan.nodes[id].op = FlatOp::Project(exprs);
        plan.nodes[id].inputs = vec![source];
    }
    plan
}
