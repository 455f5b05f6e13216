//! Lifting: the tree of scopes becomes flat operators with the scope keys as leading columns.
//!
//! A node at depth d becomes operators whose datasets carry `k1 s1 … kd sd`; nothing below knows
//! about nesting. No exchange is chosen here, except that a side input from the root scope is a
//! broadcast by nature.

mod aggregates;
mod chains;
mod groups;
mod multisets;
mod records;
mod sequences;

use std::collections::{HashMap, HashSet};

use nestflow_chain::{CallSite, Function, Step, StepKind};

use crate::error::{Error, Result};
use crate::internal;
use crate::plan::flat::*;
use crate::plan::logical::*;

/// What lifting knows about a scope.
#[derive(Clone, Debug)]
struct ScopeInfo {
    depth: u32,
    parent: Option<ScopeId>,
    /// The `Group` node that opened it.
    opened_by: Option<NodeId>,
    /// Into how many parts its groups are dealt, if the user said so here or further out.
    concurrency: Option<u32>,
}

/// The state of lifting one plan.
struct Lift<'a> {
    plan: &'a LogicalPlan,
    nodes: HashMap<NodeId, (&'a Node, ScopeId)>,
    scopes: HashMap<ScopeId, ScopeInfo>,
    held: HashMap<NodeId, u64>,
    /// Nodes whose datasets carry every group of their scope, as a record or as a marker.
    wants_groups: HashSet<NodeId>,
    flat: FlatPlan,
    lifted: HashMap<NodeId, FlatId>,
    members: HashMap<(ScopeId, u32), FlatId>,
    next_agg: u32,
}

/// Lifts a validated plan.
pub fn lift(plan: &LogicalPlan) -> Result<FlatPlan> {
    let mut lift = Lift {
        plan,
        nodes: HashMap::new(),
        scopes: HashMap::new(),
        held: plan.materialized.iter().map(|m| (m.node, m.cache)).collect(),
        wants_groups: HashSet::new(),
        flat: FlatPlan::default(),
        lifted: HashMap::new(),
        members: HashMap::new(),
        next_agg: 0,
    };
    lift.index(&plan.root, None, 0);
    lift.wants_groups = groups::wanting(&lift);
    for target in &plan.targets {
        let root = lift.target(target)?;
        lift.flat.roots.push(root);
    }
    Ok(lift.flat.without_unused())
}

impl<'a> Lift<'a> {
    fn index(&mut self, scope: &'a Scope, parent: Option<ScopeId>, depth: u32) {
        let outside = parent.and_then(|parent| self.scopes.get(&parent)?.concurrency);
        let info = self.scopes.entry(scope.id).or_insert(ScopeInfo {
            depth,
            parent,
            opened_by: None,
            concurrency: None,
        });
        info.depth = depth;
        info.parent = parent;
        info.concurrency = info.concurrency.or(outside);
        for node in &scope.nodes {
            self.nodes.insert(node.id, (node, scope.id));
            if let Op::Group { scope: opened, concurrency, .. } = &node.op {
                let info = ScopeInfo {
                    depth: depth + 1,
                    parent: Some(scope.id),
                    opened_by: Some(node.id),
                    concurrency: *concurrency,
                };
                self.scopes.insert(*opened, info);
            }
        }
        for child in &scope.children {
            self.index(child, Some(scope.id), depth + 1);
        }
    }

    fn node(&self, id: NodeId) -> Result<(&'a Node, ScopeId)> {
        self.nodes.get(&id).copied().ok_or_else(|| Error::Plan(format!("no node {id} in the plan")))
    }

    fn scope(&self, id: ScopeId) -> Result<&ScopeInfo> {
        self.scopes.get(&id).ok_or_else(|| Error::Plan(format!("no scope {id} in the plan")))
    }

    fn function(&self, id: FunctionId) -> Result<Function> {
        self.plan
            .functions
            .get(id as usize)
            .cloned()
            .ok_or_else(|| Error::Plan(format!("no function {id} in the plan")))
    }

    fn call_site(&self, id: SiteId) -> Result<CallSite> {
        self.plan
            .sites
            .get(id as usize)
            .cloned()
            .ok_or_else(|| Error::Plan(format!("no call site {id} in the plan")))
    }

    /// The place of an operator of a scope.
    fn at(&self, site: SiteId, scope: ScopeId) -> Result<At> {
        let ScopeInfo { depth, concurrency, .. } = *self.scope(scope)?;
        Ok(At { site: self.call_site(site)?, depth, scope, concurrency })
    }

    /// Adds an operator; its columns and markers are the caller's to give.
    fn push(&mut self, op: FlatOp, inputs: Vec<FlatId>, depth: u32, cols: Vec<Col>, at: &At) -> FlatId {
        let markers = inputs.first().is_some_and(|&input| self.flat.nodes[input].markers);
        let markers = markers
            || matches!(op, FlatOp::Union { .. }) && inputs.iter().any(|&i| self.flat.nodes[i].markers);
        let concurrency = at.concurrency;
        let site = Some(at.site.clone());
        self.flat.nodes.push(FlatNode { op, inputs, depth, cols, markers, concurrency, site });
        self.flat.nodes.len() - 1
    }

    fn depth(&self, id: FlatId) -> u32 {
        self.flat.nodes[id].depth
    }

    fn cols(&self, id: FlatId) -> Vec<Col> {
        self.flat.nodes[id].cols.clone()
    }

    /// A fresh column for the result of an aggregate: unique over the plan, so that aggregates can
    /// be merged without renaming.
    fn fresh_agg(&mut self) -> Col {
        self.next_agg += 1;
        Col::Agg(self.next_agg - 1)
    }

    /// The keys carried along, and the value as given.
    fn project_value(&mut self, input: FlatId, value: Expr, at: &At) -> FlatId {
        let depth = self.depth(input);
        let mut exprs: Vec<_> = key_cols(depth).into_iter().map(|col| (col, Expr::Col(col))).collect();
        exprs.push((Col::Value, value));
        self.project(input, exprs, depth, at)
    }

    fn project(&mut self, input: FlatId, exprs: Vec<(Col, Expr)>, depth: u32, at: &At) -> FlatId {
        let cols = exprs.iter().map(|(col, _)| *col).collect();
        self.push(FlatOp::Project(exprs), vec![input], depth, cols, at)
    }

    /// The dataset of a node; of an `Import`, the outer one as it is.
    fn dataset(&mut self, id: NodeId) -> Result<FlatId> {
        if let Some(&done) = self.lifted.get(&id) {
            return Ok(done);
        }
        let (node, scope) = self.node(id)?;
        let at = self.at(node.site, scope)?;
        let flat = match self.held.get(&id) {
            Some(&cache) => {
                let cols = with_value(at.depth);
                let held = self.push(FlatOp::Held { cache }, vec![], at.depth, cols, &at);
                self.flat.nodes[held].markers = at.depth > 0;
                held
            }
            None => {
                let flat = self.operator(node, &at)?;
                self.completed(id, flat, node, &at)?
            }
        };
        self.lifted.insert(id, flat);
        Ok(flat)
    }

    fn operator(&mut self, node: &Node, at: &At) -> Result<FlatId> {
        match &node.op {
            Op::Files(source) => {
                Ok(self.push(FlatOp::Files(source.clone()), vec![], 0, vec![Col::Value], at))
            }
            Op::Literal { blocks, .. } => {
                Ok(self.push(FlatOp::Literal(blocks.clone()), vec![], 0, vec![Col::Value], at))
            }
            Op::Map { input, function, sides } => {
                let kind = StepKind::Map(self.function(*function)?);
                self.step(*input, kind, sides, node, at)
            }
            Op::FlatMap { input, function, sides } => {
                let kind = StepKind::FlatMap(self.function(*function)?);
                self.step(*input, kind, sides, node, at)
            }
            Op::Filter { input, function, sides } => {
                let kind = StepKind::Filter(self.function(*function)?);
                self.step(*input, kind, sides, node, at)
            }
            Op::Foreach { input, function, sides } => {
                let kind = StepKind::Foreach(self.function(*function)?);
                self.step(*input, kind, sides, node, at)
            }
            Op::KeyBy { input, key, value } => self.pairs(*input, *key, *value, at),
            Op::Group { .. } => Err(Error::Plan("a table is not a dataset".into())),
            Op::Member { side } => self.member(at.scope, *side),
            Op::Key => self.key_dataset(at),
            Op::Import { node } => self.dataset(*node),
            Op::Flatten { node, levels } => self.flatten(*node, *levels, true, at),
            Op::Values { node, levels } => self.flatten(*node, *levels, false, at),
            Op::Keys { scope } => self.keys_of(*scope, at),
            Op::Count { input } => self.count(*input, false, at),
            Op::IsEmpty { input } => self.count(*input, true, at),
            Op::Sum { input } => self.sum(*input, at),
            Op::Reduce { input, function, adds, sides } => self.reduce(*input, *function, *adds, sides, at),
            Op::Aggregate { input, zero, callable, step, merge, sides } => {
                self.fold(*input, (*zero, *callable), *step, *merge, sides, at)
            }
            Op::Combine { input, function } => self.combine(*input, *function, at),
            Op::ToList { input } => self.as_list(*input, at),
            Op::Extreme { input, largest, key } => self.extreme(*input, *largest, *key, at),
            Op::Top { input, limit, largest, key } => self.top(*input, *limit, *largest, *key, at),
            Op::First { input } => self.first(*input, at),
            Op::Take { input, limit } => self.take(*input, *limit, at),
            Op::Distinct { input } => self.distinct(*input, at),
            Op::Sort { input, key, reverse } => self.sort(*input, *key, *reverse, at),
            Op::Accumulate { input, zero, callable, step, sides } => {
                self.accumulate(*input, (*zero, *callable), *step, sides, at)
            }
            Op::Transform { input, init, step, done, sides } => {
                self.transform(*input, [*init, *step, *done], sides, at)
            }
            Op::Transformer { input, transformer, sides, parts, instances } => {
                self.transformer(*input, *transformer, sides, (*parts, *instances), at)
            }
            Op::Whole { input, function } => self.whole(*input, *function, at),
            Op::Union { inputs } => self.union(inputs, at),
            Op::Join { inputs, kind, concurrency } => {
                let at = At { concurrency: concurrency.or(at.concurrency), ..at.clone() };
                self.join(inputs, *kind, &at)
            }
            Op::Compare { left, right, kind } => self.compare(*left, *right, *kind, at),
            Op::Numbered { input, text } => self.numbered(*input, *text, at),
        }
    }

    fn target(&mut self, target: &Target) -> Result<Root> {
        match target {
            Target::Keep { node, cache } => {
                // An outer dataset that a lifted function returned belongs to every group.
                let (asked, scope) = self.node(*node)?;
                let at = self.at(asked.site, scope)?;
                Ok(Root { node: self.operand(*node, &at)?, sink: Sink::Keep(*cache) })
            }
            Target::Effect { node } => Ok(Root { node: self.dataset(*node)?, sink: Sink::Drain }),
            Target::Write { node, sink, site } => self.write(*node, sink, *site),
        }
    }

    /// The dataset of an operand, at the operator's own depth: an outer one becomes a copy for
    /// every group.
    fn operand(&mut self, id: NodeId, at: &At) -> Result<FlatId> {
        let flat = self.dataset(id)?;
        match self.depth(flat) {
            depth if depth == at.depth => Ok(flat),
            depth if depth < at.depth => {
                let copies = self.copy_for_groups(flat, at)?;
                match self.wants_groups.contains(&id) {
                    true => self.with_group_markers(copies, at),
                    false => Ok(copies),
                }
            }
            depth => Err(internal!("an operand at depth {depth} in a scope at depth {}", at.depth)),
        }
    }

    fn step_of(&self, kind: StepKind, sides: Vec<u32>, at: &At) -> Step {
        Step { kind, site: at.site.clone(), sides }
    }
}

/// Where an operator stands.
#[derive(Clone, Debug)]
struct At {
    site: CallSite,
    depth: u32,
    scope: ScopeId,
    /// Into how many parts rows are dealt that have to meet, if the user said so.
    concurrency: Option<u32>,
}

/// `k1 s1 … kd sd v`.
fn with_value(depth: u32) -> Vec<Col> {
    let mut cols = key_cols(depth);
    cols.push(Col::Value);
    cols
}
