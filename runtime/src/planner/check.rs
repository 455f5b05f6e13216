//! Checks, and changes nothing: the logical plan before any pass, the stages after the last.

use std::collections::{HashMap, HashSet};

use super::prune::references;
use crate::error::{Error, Result};
use crate::internal;
use crate::plan::flat::{FlatNode, FlatOp};
use crate::plan::logical::*;
use crate::plan::stage::{OutputTo, StageGraph};

/// The most parts that a dataset may be dealt into; `nestflow/options.py` says the same.
const MOST_PARTS: u32 = 65_535;

struct Seen<'a> {
    nodes: HashMap<NodeId, (&'a Node, ScopeId)>,
    parents: HashMap<ScopeId, (ScopeId, usize)>,
    groups: HashMap<ScopeId, ScopeId>,
}

/// A logical plan keeps its promises: references go to smaller ids of the same scope, imports to
/// enclosing scopes, exports come from inner ones, functions and sites exist.
pub fn logical(plan: &LogicalPlan) -> Result<()> {
    if plan.root.id != 0 {
        return Err(Error::Plan("the root scope has to be scope 0".into()));
    }
    let mut seen = Seen { nodes: HashMap::new(), parents: HashMap::new(), groups: HashMap::new() };
    collect(&plan.root, 0, 0, &mut seen)?;
    for (node, scope) in seen.nodes.values() {
        check_node(plan, &seen, node, *scope)
            .map_err(|text| Error::Plan(format!("node {}: {text}", node.id)))?;
    }
    for target in &plan.targets {
        let (Target::Keep { node, .. } | Target::Write { node, .. } | Target::Effect { node }) = target;
        let known = seen.nodes.get(node).is_some_and(|(node, _)| !matches!(node.op, Op::Group { .. }));
        if !known {
            return Err(Error::Plan(format!("a target asks for node {node}, which is not a dataset")));
        }
        if let Target::Write { sink, site, .. } = target {
            let encode = match &sink.form {
                SinkForm::Text { encode, .. } => encode.as_ref(),
                SinkForm::Sequence { encode } => Some(encode),
            };
            let key = sink.sort.iter().flat_map(|sort| &sort.key);
            for function in sink.partition.iter().chain(key).chain(encode) {
                check_function(plan, *function).map_err(Error::Plan)?;
            }
            if plan.sites.get(*site as usize).is_none() || sink.parts == Some(0) {
                return Err(Error::Plan("a damaged output".into()));
            }
        }
    }
    Ok(())
}

fn collect<'a>(scope: &'a Scope, parent: ScopeId, depth: usize, seen: &mut Seen<'a>) -> Result<()> {
    if depth > 64 {
        return Err(Error::Plan("groups are nested deeper than 64 levels".into()));
    }
    if seen.parents.insert(scope.id, (parent, depth)).is_some() {
        return Err(Error::Plan(format!("scope {} occurs twice", scope.id)));
    }
    for node in &scope.nodes {
        if seen.nodes.insert(node.id, (node, scope.id)).is_some() {
            return Err(Error::Plan(format!("node {} occurs twice", node.id)));
        }
        if let Op::Group { scope: opened, .. } = &node.op
            && seen.groups.insert(*opened, scope.id).is_some()
        {
            return Err(Error::Plan(format!("scope {opened} is opened twice")));
        }
    }
    scope.children.iter().try_for_each(|child| collect(child, scope.id, depth + 1, seen))?;
    match scope.children.iter().find(|child| seen.groups.get(&child.id) != Some(&scope.id)) {
        Some(child) => Err(Error::Plan(format!("scope {} is not opened by its parent", child.id))),
        None => Ok(()),
    }
}

fn check_function(plan: &LogicalPlan, id: FunctionId) -> Result<(), String> {
    plan.functions.get(id as usize).map(|_| ()).ok_or_else(|| format!("no function {id}"))
}

fn check_node(plan: &LogicalPlan, seen: &Seen, node: &Node, scope: ScopeId) -> Result<(), String> {
    functions(&node.op).into_iter().try_for_each(|id| check_function(plan, id))?;
    if plan.sites.get(node.site as usize).is_none() {
        return Err(format!("no call site {}", node.site));
    }
    let is_inside = |inner: ScopeId, levels: Option<u32>| {
        let mut at = inner;
        let mut crossed = 0;
        while at != scope && at != 0 {
            at = seen.parents.get(&at).map_or(0, |(parent, _)| *parent);
            crossed += 1;
        }
        at == scope && levels.is_none_or(|levels| levels == crossed)
    };
    for id in references(&node.op) {
        let (other, of) =
            seen.nodes.get(&id).ok_or_else(|| format!("refers to node {id}, which does not exist"))?;
        if id >= node.id {
            return Err(format!("refers to node {id}, which does not come before it"));
        }
        if matches!(other.op, Op::Group { .. }) {
            return Err(format!("refers to node {id}, which is a table"));
        }
        let fits = match &node.op {
            Op::Import { .. } => {
                let mut at = scope;
                while at != *of && at != 0 {
                    at = seen.parents.get(&at).map_or(0, |(parent, _)| *parent);
                }
                at == *of && scope != *of
            }
            Op::Flatten { levels, .. } | Op::Values { levels, .. } => {
                *levels > 0 && is_inside(*of, Some(*levels))
            }
            _ => *of == scope,
        };
        if !fits {
            return Err(format!("refers to node {id} of another scope"));
        }
    }
    match &node.op {
        Op::Member { side } => {
            let group = plan_group(seen, scope).ok_or("stands outside of groups")?;
            match &group.op {
                Op::Group { inputs, .. } if (*side as usize) < inputs.len() && group.id < node.id => Ok(()),
                _ => Err(format!("the grouping has no input {side}")),
            }
        }
        Op::Key if scope == 0 => Err("stands outside of groups".into()),
        Op::Keys { scope: inner } => match seen.groups.get(inner) {
            Some(parent) if *parent == scope => Ok(()),
            _ => Err(format!("scope {inner} is not opened here")),
        },
        Op::Group { inputs, scope: inner, .. } if inputs.is_empty() || *inner == 0 => {
            Err("a grouping without inputs".into())
        }
        Op::Group { concurrency: Some(parts), .. } | Op::Join { concurrency: Some(parts), .. }
            if !(1..=MOST_PARTS).contains(parts) =>
        {
            Err(format!("a dataset in {parts} parts"))
        }
        Op::Union { inputs } if inputs.is_empty() => Err("a union of nothing".into()),
        Op::Join { inputs, .. } if inputs.len() < 2 => Err("a join of one dataset".into()),
        _ => Ok(()),
    }
}

fn plan_group<'a>(seen: &Seen<'a>, scope: ScopeId) -> Option<&'a Node> {
    let of = |node: &Node| matches!(&node.op, Op::Group { scope: opened, .. } if *opened == scope);
    seen.nodes.values().map(|(node, _)| *node).find(|node| of(node))
}

fn functions(op: &Op) -> Vec<FunctionId> {
    match op {
        Op::Map { function, .. }
        | Op::FlatMap { function, .. }
        | Op::Filter { function, .. }
        | Op::Foreach { function, .. }
        | Op::Reduce { function, .. }
        | Op::Combine { function, .. }
        | Op::Whole { function, .. }
        | Op::Transformer { transformer: function, .. } => vec![*function],
        Op::KeyBy { key, value, .. } => std::iter::once(*key).chain(*value).collect(),
        Op::Aggregate { zero, step, merge, .. } => vec![*zero, *step, *merge],
        Op::Accumulate { zero, step, .. } => vec![*zero, *step],
        Op::Transform { init, step, done, .. } => vec![*init, *step, *done],
        Op::Extreme { key, .. } | Op::Top { key, .. } | Op::Sort { key, .. } => key.iter().copied().collect(),
        _ => vec![],
    }
}

/// Stages keep theirs: inputs come first, columns that are read exist, exchanges have their producers.
pub fn stages(graph: &StageGraph) -> Result<()> {
    let mut produced: HashSet<(u32, u32)> = HashSet::new();
    for stage in &graph.stages {
        for (id, node) in stage.nodes.iter().enumerate() {
            check_flat(&stage.nodes, id, node).map_err(|text| internal!("stage {}: {text}", stage.id))?;
            if let FlatOp::Read { exchange } = &node.op {
                let known = graph.exchanges.get(*exchange as usize).is_some_and(|exchange| {
                    (0..exchange.producers.len()).all(|n| produced.contains(&(exchange.id, n as u32)))
                });
                if !known {
                    return Err(internal!("stage {} reads exchange {exchange} too early", stage.id));
                }
            }
        }
        for output in &stage.outputs {
            if let OutputTo::Exchange { exchange, producer } = output.to {
                let cols = &graph.exchanges[exchange as usize].cols;
                if let Some(col) = cols.iter().find(|col| !stage.nodes[output.node].cols.contains(col)) {
                    return Err(internal!("stage {} does not give {col} to exchange {exchange}", stage.id));
                }
                produced.insert((exchange, producer));
            }
        }
    }
    Ok(())
}

fn check_flat(nodes: &[FlatNode], id: usize, node: &FlatNode) -> Result<(), String> {
    if node.inputs.iter().any(|&input| input >= id) {
        return Err(format!("node {id} reads what comes later"));
    }
    let has =
        |number: usize, col| node.inputs.get(number).is_some_and(|&input| nodes[input].cols.contains(col));
    let lacks = match &node.op {
        FlatOp::Aggregate { keys, .. } => keys.iter().find(|col| !has(0, col)),
        FlatOp::Sort { by } | FlatOp::SortParts { by } => {
            by.iter().map(|by| &by.col).find(|col| !has(0, col))
        }
        FlatOp::Join { on, .. } => {
            on.iter().find(|(left, right)| !has(0, left) || !has(1, right)).map(|(left, _)| left)
        }
        _ => None,
    };
    lacks.map_or(Ok(()), |col| Err(format!("node {id} needs {col}, which its input does not have")))
}
