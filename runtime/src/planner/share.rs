//! A dataset with several readers is computed once.
//!
//! Readers in different branches of one stage share it as it streams. Where that cannot be, because
//! the branches meet again, run over different tasks, or one waits for the other, the dataset is
//! put down in between by a `Forward` exchange: written once, read by each.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::plan::flat::*;

/// Adds `Forward` exchanges until every stage can be executed.
pub fn share(mut plan: FlatPlan) -> FlatPlan {
    while let Some(node) = first_conflict(&plan) {
        plan = put_down(plan, node);
    }
    plan
}

/// The heads of stages: what feeds an exchange, and what is asked of the plan.
pub fn heads(plan: &FlatPlan) -> Vec<FlatId> {
    let fed = plan
        .nodes
        .iter()
        .filter(|node| matches!(node.op, FlatOp::Exchange { .. }))
        .flat_map(|node| node.inputs.iter().copied());
    let mut heads: Vec<_> = fed.chain(plan.roots.iter().map(|root| root.node)).collect();
    heads.sort_unstable();
    heads.dedup();
    heads
}

/// What one head reads without crossing an exchange.
pub struct Region {
    /// Operators, the head among them.
    pub nodes: BTreeSet<FlatId>,
    /// Exchanges that are read.
    pub exchanges: BTreeSet<FlatId>,
    /// Operators that are reached by two ways.
    twice: BTreeSet<FlatId>,
    /// Operators below a union of differently partitioned inputs.
    below_union: BTreeSet<FlatId>,
}

/// The region of a head.
pub fn region(plan: &FlatPlan, head: FlatId) -> Region {
    let mut region = Region {
        nodes: BTreeSet::new(),
        exchanges: BTreeSet::new(),
        twice: BTreeSet::new(),
        below_union: BTreeSet::new(),
    };
    let mut pending = vec![(head, false)];
    while let Some((id, below_union)) = pending.pop() {
        let node = &plan.nodes[id];
        if matches!(node.op, FlatOp::Exchange { .. }) {
            region.exchanges.insert(id);
            continue;
        }
        if below_union {
            region.below_union.insert(id);
        }
        if !region.nodes.insert(id) {
            region.twice.insert(id);
            continue;
        }
        let below_union = below_union || node.op == FlatOp::Union { aligned: false };
        pending.extend(node.inputs.iter().map(|&input| (input, below_union)));
    }
    region
}

/// An operator that cannot be shared as it streams; `None` where all can.
fn first_conflict(plan: &FlatPlan) -> Option<FlatId> {
    let heads = heads(plan);
    let regions: Vec<_> = heads.iter().map(|&head| region(plan, head)).collect();
    if let Some(node) = regions.iter().filter_map(|region| region.twice.last()).max() {
        return Some(*node);
    }
    let mut readers: HashMap<FlatId, Vec<usize>> = HashMap::new();
    for (number, region) in regions.iter().enumerate() {
        region.nodes.iter().for_each(|&node| readers.entry(node).or_default().push(number));
    }
    let mut shared: Vec<_> = readers.iter().filter(|(_, readers)| readers.len() > 1).collect();
    shared.sort_unstable_by(|a, b| b.0.cmp(a.0));
    for (node, readers) in &shared {
        if readers.iter().any(|&reader| regions[reader].below_union.contains(*node)) {
            return Some(**node);
        }
    }
    // Stages are heads that share operators; a stage that waits for itself has to be taken apart.
    let stage_of = group_heads(&regions);
    let waits = cyclic_stages(plan, &heads, &regions, &stage_of);
    shared.iter().find(|(_, readers)| waits.contains(&stage_of[readers[0]])).map(|(node, _)| **node)
}

/// The stage of each head: heads that share an operator are in one stage.
pub fn group_heads(regions: &[Region]) -> Vec<usize> {
    let mut stage_of: Vec<usize> = (0..regions.len()).collect();
    let mut owner: HashMap<FlatId, usize> = HashMap::new();
    for (number, region) in regions.iter().enumerate() {
        for &node in &region.nodes {
            let first = *owner.entry(node).or_insert(number);
            let (from, into) = (stage_of[number], stage_of[first]);
            if from != into {
                stage_of.iter_mut().filter(|stage| **stage == from).for_each(|stage| *stage = into);
            }
        }
    }
    stage_of
}

/// Stages that, over exchanges, wait for themselves.
fn cyclic_stages(
    plan: &FlatPlan,
    heads: &[FlatId],
    regions: &[Region],
    stage_of: &[usize],
) -> HashSet<usize> {
    let number_of: HashMap<FlatId, usize> = heads.iter().enumerate().map(|(n, &head)| (head, n)).collect();
    let mut waits_for: HashMap<usize, HashSet<usize>> = HashMap::new();
    for (number, region) in regions.iter().enumerate() {
        for exchange in &region.exchanges {
            let producers = plan.nodes[*exchange].inputs.iter().filter_map(|input| number_of.get(input));
            waits_for.entry(stage_of[number]).or_default().extend(producers.map(|&head| stage_of[head]));
        }
    }
    let mut cyclic = HashSet::new();
    for &stage in waits_for.keys() {
        let mut seen = HashSet::new();
        let mut pending: Vec<usize> = waits_for[&stage].iter().copied().collect();
        while let Some(next) = pending.pop() {
            if seen.insert(next) {
                pending.extend(waits_for.get(&next).into_iter().flatten());
            }
        }
        if seen.contains(&stage) {
            cyclic.insert(stage);
        }
    }
    cyclic
}

/// Puts a `Forward` exchange behind an operator, in front of the operators that read it; exchanges
/// and results go on taking its rows where they are made.
fn put_down(plan: FlatPlan, node: FlatId) -> FlatPlan {
    let shift = |id: FlatId| if id > node { id + 1 } else { id };
    let mut nodes = Vec::with_capacity(plan.nodes.len() + 1);
    for (id, mut each) in plan.nodes.into_iter().enumerate() {
        let is_exchange = matches!(each.op, FlatOp::Exchange { .. });
        let redirect = |input: FlatId| if input == node && !is_exchange { node + 1 } else { shift(input) };
        each.inputs.iter_mut().for_each(|input| *input = redirect(*input));
        let forward = (id == node).then(|| FlatNode {
            op: FlatOp::Exchange {
                kind: ExchangeKind::Forward,
                reason: "read more than once: computed once".into(),
            },
            inputs: vec![node],
            ..each.clone()
        });
        nodes.push(each);
        nodes.extend(forward);
    }
    let mut roots = plan.roots;
    roots.iter_mut().for_each(|root| root.node = shift(root.node));
    FlatPlan { nodes, roots }
}
