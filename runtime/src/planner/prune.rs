//! Drops nodes that no target needs, cutting at datasets that the engine holds already.

use std::collections::{HashMap, HashSet};

use crate::plan::logical::*;

/// The plan with only the nodes that its targets need.
pub fn prune(plan: &LogicalPlan) -> LogicalPlan {
    let held: HashSet<_> = plan.materialized.iter().map(|m| m.node).collect();
    let mut nodes = HashMap::new();
    let mut groups = HashMap::new();
    index(&plan.root, &mut nodes, &mut groups);
    let mut needed = HashSet::new();
    let mut pending: Vec<NodeId> = plan
        .targets
        .iter()
        .map(|target| match target {
            Target::Keep { node, .. } | Target::Write { node, .. } | Target::Effect { node } => *node,
        })
        .collect();
    while let Some(id) = pending.pop() {
        if !needed.insert(id) {
            continue;
        }
        let Some((node, scope)) = nodes.get(&id) else { continue };
        // The scope's grouping stays: operators that answer for all groups ask for its keys, and
        // what a held dataset cannot answer is planned from there.
        let mut opened = Some(*scope);
        while let Some((group, parent)) = opened.and_then(|scope| groups.get(&scope)) {
            let group: &&Node = group;
            let cut = held_in_scope(plan, opened, &held, &nodes);
            if needed.insert(group.id) && !cut {
                pending.extend(references(&group.op));
            }
            opened = Some(*parent);
        }
        if !held.contains(&id) {
            pending.extend(references(&node.op));
            if let Op::Keys { scope } = &node.op
                && let Some((group, _)) = groups.get(scope)
            {
                needed.insert(group.id);
                pending.extend(references(&group.op));
            }
            if let Op::Member { .. } = &node.op
                && let Some((group, _)) = groups.get(scope)
            {
                pending.extend(references(&group.op));
            }
        }
    }
    let mut pruned = plan.clone();
    retain(&mut pruned.root, &needed);
    pruned.materialized.retain(|m| needed.contains(&m.node));
    pruned
}

fn held_in_scope(
    plan: &LogicalPlan,
    scope: Option<ScopeId>,
    held: &HashSet<NodeId>,
    nodes: &HashMap<NodeId, (&Node, ScopeId)>,
) -> bool {
    plan.materialized.iter().any(|m| held.contains(&m.node) && nodes.get(&m.node).map(|(_, s)| *s) == scope)
}

fn index<'a>(
    scope: &'a Scope,
    nodes: &mut HashMap<NodeId, (&'a Node, ScopeId)>,
    groups: &mut HashMap<ScopeId, (&'a Node, ScopeId)>,
) {
    for node in &scope.nodes {
        nodes.insert(node.id, (node, scope.id));
        if let Op::Group { scope: opened, .. } = &node.op {
            groups.insert(*opened, (node, scope.id));
        }
    }
    scope.children.iter().for_each(|child| index(child, nodes, groups));
}

fn retain(scope: &mut Scope, needed: &HashSet<NodeId>) {
    scope.nodes.retain(|node| needed.contains(&node.id));
    scope.children.iter_mut().for_each(|child| retain(child, needed));
}

/// All nodes that an operator refers to: the one visitor that every walk uses.
pub fn references(op: &Op) -> Vec<NodeId> {
    let with_sides = |input: &NodeId, sides: &[SideInput]| {
        std::iter::once(*input).chain(sides.iter().map(|side| side.node)).collect()
    };
    match op {
        Op::Files(_) | Op::Literal { .. } | Op::Member { .. } | Op::Key | Op::Keys { .. } => vec![],
        Op::Map { input, sides, .. }
        | Op::FlatMap { input, sides, .. }
        | Op::Filter { input, sides, .. }
        | Op::Foreach { input, sides, .. }
        | Op::Reduce { input, sides, .. }
        | Op::Aggregate { input, sides, .. }
        | Op::Accumulate { input, sides, .. }
        | Op::Transform { input, sides, .. }
        | Op::Transformer { input, sides, .. } => with_sides(input, sides),
        Op::KeyBy { input, .. }
        | Op::Count { input }
        | Op::IsEmpty { input }
        | Op::Sum { input }
        | Op::Combine { input, .. }
        | Op::ToList { input }
        | Op::Extreme { input, .. }
        | Op::Top { input, .. }
        | Op::First { input }
        | Op::Take { input, .. }
        | Op::Distinct { input }
        | Op::Sort { input, .. }
        | Op::Whole { input, .. }
        | Op::Numbered { input, .. } => vec![*input],
        Op::Group { inputs, .. } | Op::Union { inputs } | Op::Join { inputs, .. } => inputs.clone(),
        Op::Import { node } | Op::Flatten { node, .. } | Op::Values { node, .. } => vec![*node],
        Op::Compare { left, right, .. } => vec![*left, *right],
    }
}
