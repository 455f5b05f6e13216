//! Combinable aggregates are split at the exchange below them: partial states travel, not rows.

use crate::plan::flat::*;

/// Splits each aggregate that stands on an exchange into a partial one below and a final one above.
pub fn combine_early(plan: FlatPlan) -> FlatPlan {
    let uses = plan.uses();
    let mut nodes: Vec<FlatNode> = Vec::new();
    let mut renamed: Vec<FlatId> = Vec::new();
    for mut node in plan.nodes {
        let original = node.inputs.clone();
        node.inputs.iter_mut().for_each(|input| *input = renamed[*input]);
        if let FlatOp::Aggregate { keys, aggs, phase: Phase::Single, at_least_one } = &node.op
            && uses[original[0]] == 1
            && aggs.iter().all(|agg| shrinks(&agg.function))
            && let FlatOp::Exchange { kind: ExchangeKind::Hash { .. } | ExchangeKind::Gather, .. } =
                &nodes[node.inputs[0]].op
        {
            let exchange = nodes[node.inputs[0]].clone();
            let mut cols = keys.clone();
            cols.extend(aggs.iter().map(|agg| agg.out));
            let phase = |phase, at_least_one| FlatOp::Aggregate {
                keys: keys.clone(),
                aggs: aggs.clone(),
                phase,
                at_least_one,
            };
            let partials = exchange.inputs.iter().map(|&input| {
                let op = phase(Phase::Partial, false);
                FlatNode { op, inputs: vec![input], cols: cols.clone(), ..node.clone() }
            });
            let first = nodes.len();
            nodes.extend(partials.collect::<Vec<_>>());
            let inputs = (first..nodes.len()).collect();
            nodes.push(FlatNode { inputs, cols, ..exchange });
            node.op = phase(Phase::Final, *at_least_one);
            node.inputs = vec![nodes.len() - 1];
        }
        nodes.push(node);
        renamed.push(nodes.len() - 1);
    }
    let mut roots = plan.roots;
    roots.iter_mut().for_each(|root| root.node = renamed[root.node]);
    FlatPlan { nodes, roots }.without_unused()
}

/// Whether partial states are smaller than the rows; lists are not.
fn shrinks(function: &AggFn) -> bool {
    !matches!(function, AggFn::ToList)
}
