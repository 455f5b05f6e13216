//! Cuts a flat plan at its exchanges.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::share::{group_heads, heads, region};
use crate::error::Result;
use crate::internal;
use crate::plan::flat::*;
use crate::plan::stage::*;

/// The stages of a plan, in dependency order.
pub fn cut_stages(plan: &FlatPlan) -> Result<StageGraph> {
    let heads = heads(plan);
    let regions: Vec<_> = heads.iter().map(|&head| region(plan, head)).collect();
    let stage_of = group_heads(&regions);
    let order = in_order(plan, &heads, &regions, &stage_of)?;
    let numbers: HashMap<usize, u32> =
        order.iter().enumerate().map(|(n, &stage)| (stage, n as u32)).collect();
    let stage_of_head: HashMap<FlatId, u32> =
        heads.iter().zip(&stage_of).map(|(&head, stage)| (head, numbers[stage])).collect();

    let mut graph = StageGraph::default();
    let mut exchange_of: HashMap<FlatId, u32> = HashMap::new();
    for (id, node) in plan.nodes.iter().enumerate() {
        let FlatOp::Exchange { kind, reason } = &node.op else { continue };
        let number = graph.exchanges.len() as u32;
        exchange_of.insert(id, number);
        graph.exchanges.push(Exchange {
            id: number,
            kind: kind.clone(),
            reason: reason.clone(),
            producers: node.inputs.iter().map(|input| stage_of_head[input]).collect(),
            cols: node.cols.clone(),
            channels: channels(kind),
        });
    }
    for &stage in &order {
        let members: BTreeSet<FlatId> = regions
            .iter()
            .zip(&stage_of)
            .filter(|(_, of)| **of == stage)
            .flat_map(|(region, _)| region.nodes.iter().copied())
            .collect();
        let id = graph.stages.len() as u32;
        let (nodes, local) = stage_nodes(plan, &members, &exchange_of);
        let mut outputs = Vec::new();
        for (exchange_id, node) in plan.nodes.iter().enumerate() {
            let Some(&exchange) = exchange_of.get(&exchange_id) else { continue };
            for (producer, input) in node.inputs.iter().enumerate() {
                if let (true, Some(&node)) = (stage_of_head[input] == id, local.get(input)) {
                    let to = OutputTo::Exchange { exchange, producer: producer as u32 };
                    outputs.push(Output { node, to });
                }
            }
        }
        for root in &plan.roots {
            if let Some(&node) = local.get(&root.node).filter(|_| stage_of_head[&root.node] == id) {
                outputs.push(Output { node, to: OutputTo::Sink(root.sink.clone()) });
            }
        }
        graph.stages.push(Stage { id, nodes, outputs });
    }
    Ok(graph)
}

fn channels(kind: &ExchangeKind) -> u32 {
    match kind {
        ExchangeKind::Gather | ExchangeKind::Broadcast => 1,
        ExchangeKind::Forward => 0,
        ExchangeKind::Hash { parts, .. }
        | ExchangeKind::Direct { parts, .. }
        | ExchangeKind::RoundRobin { parts }
        | ExchangeKind::Sorted { parts } => *parts,
    }
}

/// The operators of a stage with local numbers; exchanges become `Read`s, one for each reader.
fn stage_nodes(
    plan: &FlatPlan,
    members: &BTreeSet<FlatId>,
    exchange_of: &HashMap<FlatId, u32>,
) -> (Vec<FlatNode>, BTreeMap<FlatId, FlatId>) {
    let mut nodes: Vec<FlatNode> = Vec::new();
    let mut local = BTreeMap::new();
    for &id in members {
        let mut node = plan.nodes[id].clone();
        for input in &mut node.inputs {
            *input = match exchange_of.get(input) {
                Some(&exchange) => {
                    let op = FlatOp::Read { exchange };
                    nodes.push(FlatNode { op, inputs: vec![], ..plan.nodes[*input].clone() });
                    nodes.len() - 1
                }
                None => local[input],
            };
        }
        nodes.push(node);
        local.insert(id, nodes.len() - 1);
    }
    (nodes, local)
}

/// Stages so that producers come first; stages that could run now in the order of their heads.
fn in_order(
    plan: &FlatPlan,
    heads: &[FlatId],
    regions: &[super::share::Region],
    stage_of: &[usize],
) -> Result<Vec<usize>> {
    let number_of: HashMap<FlatId, usize> = heads.iter().enumerate().map(|(n, &head)| (head, n)).collect();
    let mut waits_for: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (number, region) in regions.iter().enumerate() {
        let waits = waits_for.entry(stage_of[number]).or_default();
        for exchange in &region.exchanges {
            waits.extend(plan.nodes[*exchange].inputs.iter().map(|input| stage_of[number_of[input]]));
        }
    }
    let mut order = Vec::new();
    while order.len() < waits_for.len() {
        let next = waits_for.iter().find(|(stage, waits)| {
            !order.contains(*stage) && waits.iter().all(|other| order.contains(other))
        });
        match next {
            Some((&stage, _)) => order.push(stage),
            None => return Err(internal!("stages wait for each other")),
        }
    }
    Ok(order)
}
