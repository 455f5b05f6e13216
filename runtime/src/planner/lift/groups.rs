//! Grouping, what crosses scopes, and which groups exist.
//!
//! A group exists because its key occurred in any input of the grouping. Where an operator must
//! answer for all groups, its input carries every group as a record or as a marker: chains leave
//! markers for records they drop, other operators keep what comes in, and where neither is
//! possible the scope's own keys are added.

use std::collections::HashSet;

use nestflow_chain::{Emit, StepKind};

use super::{At, Lift, ScopeInfo, with_value};
use crate::error::{Error, Result};
use crate::internal;
use crate::plan::flat::*;
use crate::plan::logical::*;

/// The nodes whose datasets have to carry all groups of their scope.
pub(super) fn wanting(lift: &Lift) -> HashSet<NodeId> {
    let mut wanting = HashSet::new();
    let mut ids: Vec<_> = lift.nodes.keys().copied().collect();
    ids.sort_unstable();
    for target in &lift.plan.targets {
        if let Target::Keep { node, .. } = target {
            wanting.insert(*node);
        }
    }
    for id in ids.into_iter().rev() {
        let Some((node, _)) = lift.nodes.get(&id) else { continue };
        let wanted = wanting.contains(&id);
        match &node.op {
            Op::Count { input }
            | Op::IsEmpty { input }
            | Op::Aggregate { input, .. }
            | Op::Combine { input, .. }
            | Op::ToList { input }
            | Op::Accumulate { input, .. }
            | Op::Transform { input, .. }
            | Op::Transformer { input, .. }
            | Op::Whole { input, .. } => {
                wanting.insert(*input);
            }
            Op::Map { input, .. }
            | Op::FlatMap { input, .. }
            | Op::Filter { input, .. }
            | Op::Sum { input }
            | Op::Reduce { input, .. }
            | Op::Extreme { input, .. }
            | Op::Top { input, .. }
            | Op::First { input }
            | Op::Take { input, .. }
            | Op::Distinct { input }
            | Op::Sort { input, .. }
            | Op::Numbered { input, .. }
                if wanted =>
            {
                wanting.insert(*input);
            }
            Op::Union { inputs } if wanted => {
                if let Some(own) = inputs.iter().find(|input| !is_import(lift, **input)) {
                    wanting.insert(*own);
                }
            }
            _ => {}
        }
    }
    wanting
}

fn is_import(lift: &Lift, id: NodeId) -> bool {
    lift.nodes.get(&id).is_some_and(|(node, _)| matches!(node.op, Op::Import { .. }))
}

impl Lift<'_> {
    /// Adds the keys of the scope as markers, where a dataset that wants all groups may lack some.
    pub(super) fn completed(&mut self, id: NodeId, flat: FlatId, node: &Node, at: &At) -> Result<FlatId> {
        if at.depth == 0 || !self.wants_groups.contains(&id) || self.depth(flat) != at.depth {
            return Ok(flat);
        }
        let lacks = match &node.op {
            Op::Transform { .. }
            | Op::Transformer { .. }
            | Op::Flatten { .. }
            | Op::Values { .. }
            | Op::Keys { .. }
            | Op::Join { .. }
            | Op::Compare { .. } => true,
            Op::Union { inputs } => inputs.iter().all(|input| is_import(self, *input)),
            Op::Member { .. } => self.grouped(at.scope)?.1.len() > 1,
            Op::Foreach { .. } => false,
            _ => false,
        };
        if !lacks {
            return Ok(flat);
        }
        self.with_group_markers(flat, at)
    }

    /// A dataset and a marker for each group of its scope.
    pub(super) fn with_group_markers(&mut self, rows: FlatId, at: &At) -> Result<FlatId> {
        let markers = self.group_markers(at)?;
        let cols = with_value(at.depth);
        let all = self.push(FlatOp::Union { aligned: false }, vec![rows, markers], at.depth, cols, at);
        self.flat.nodes[all].markers = true;
        Ok(all)
    }

    fn grouped(&self, scope: ScopeId) -> Result<(ScopeId, Vec<NodeId>)> {
        let info = self.scope(scope)?;
        let opened = info.opened_by.ok_or_else(|| internal!("scope {scope} has no group"))?;
        match (&self.node(opened)?.0.op, info.parent) {
            (Op::Group { inputs, .. }, Some(parent)) => Ok((parent, inputs.clone())),
            _ => Err(internal!("scope {scope} is not opened by a group")),
        }
    }

    /// The values of the groups of a scope, from one input of the grouping.
    pub(super) fn member(&mut self, scope: ScopeId, side: u32) -> Result<FlatId> {
        if let Some(&done) = self.members.get(&(scope, side)) {
            return Ok(done);
        }
        let (parent, inputs) = self.grouped(scope)?;
        let input =
            *inputs.get(side as usize).ok_or_else(|| internal!("scope {scope} has no input {side}"))?;
        let opened = self.scope(scope)?.opened_by.ok_or_else(|| internal!("scope {scope} has no group"))?;
        let at = self.at(self.node(opened)?.0.site, parent)?;
        let (node, _) = self.node(input)?;
        let (records, kind) = match &node.op {
            Op::KeyBy { input, key, value } if !self.held.contains_key(&node.id) => {
                let value = value.map(|value| self.function(value)).transpose()?;
                (*input, StepKind::KeyBy { key: self.function(*key)?, value })
            }
            _ => (input, StepKind::Split),
        };
        let main = self.operand(records, &at)?;
        let step = self.step_of(kind, vec![], &at);
        let op = FlatOp::Chain {
            steps: vec![step],
            emit: Emit::Value,
            keep_groups_from: None,
            sides: vec![],
            most: None,
        };
        let flat = self.push(op, vec![main], at.depth + 1, with_value(at.depth + 1), &at);
        self.members.insert((scope, side), flat);
        Ok(flat)
    }

    /// Rows `[k… s… | -]`: a marker for each group of the scope, duplicates removed within a task.
    pub(super) fn group_markers(&mut self, at: &At) -> Result<FlatId> {
        let sources = self.group_sources(at)?;
        let mut markers = Vec::new();
        for source in sources {
            let marked = self.project_value(source, Expr::Null, at);
            let deduped = self.grouped_by_keys(marked, Phase::Partial, at);
            let marked = self.project_value(deduped, Expr::Null, at);
            self.flat.nodes[marked].markers = true;
            markers.push(marked);
        }
        Ok(match markers.as_slice() {
            [one] => *one,
            _ => self.push(FlatOp::Union { aligned: false }, markers, at.depth, with_value(at.depth), at),
        })
    }

    /// Datasets whose rows, together, have every key of the scope.
    fn group_sources(&mut self, at: &At) -> Result<Vec<FlatId>> {
        let held =
            self.held.keys().copied().filter(|id| self.nodes.get(id).is_some_and(|(_, s)| *s == at.scope));
        if let Some(id) = held.min() {
            return Ok(vec![self.dataset(id)?]);
        }
        let (_, inputs) = self.grouped(at.scope)?;
        (0..inputs.len() as u32).map(|side| self.member(at.scope, side)).collect()
    }

    /// One row per group, without a value.
    pub(super) fn each_group(&mut self, at: &At) -> Result<FlatId> {
        let markers = self.group_markers(at)?;
        let groups = self.grouped_by_keys(markers, Phase::Single, at);
        Ok(self.push(FlatOp::Present(Col::Key(at.depth)), vec![groups], at.depth, key_cols(at.depth), at))
    }

    fn grouped_by_keys(&mut self, input: FlatId, phase: Phase, at: &At) -> FlatId {
        let aggs = given_aggs(at.depth);
        let op = FlatOp::Aggregate { keys: keys(at.depth), aggs, phase, at_least_one: false };
        self.push(op, vec![input], at.depth, key_cols(at.depth), at)
    }

    /// A dataset of one record per group: its key as given.
    pub(super) fn key_dataset(&mut self, at: &At) -> Result<FlatId> {
        let groups = self.each_group(at)?;
        Ok(self.project_value(groups, Expr::Given(Col::Shown(at.depth), Col::Key(at.depth)), at))
    }

    /// A place in another scope, for the same call.
    fn inside(&self, scope: ScopeId, at: &At) -> Result<At> {
        let ScopeInfo { depth, concurrency, .. } = *self.scope(scope)?;
        Ok(At { site: at.site.clone(), depth, scope, concurrency })
    }

    /// The keys of a child scope, as a dataset of `at`.
    pub(super) fn keys_of(&mut self, scope: ScopeId, at: &At) -> Result<FlatId> {
        let inner = self.inside(scope, at)?;
        if inner.depth != at.depth + 1 {
            return Err(Error::Plan("the keys of a table belong to the scope that it was made in".into()));
        }
        let groups = self.each_group(&inner)?;
        let keys =
            self.project_value(groups, Expr::Given(Col::Shown(inner.depth), Col::Key(inner.depth)), &inner);
        Ok(self.leave(keys, at, Expr::Col(Col::Value)))
    }

    /// Rows of a deeper scope as rows of `at`, with their value computed by `value`.
    fn leave(&mut self, inner: FlatId, at: &At, value: Expr) -> FlatId {
        let markers = self.flat.nodes[inner].markers;
        let mut exprs: Vec<_> = key_cols(at.depth).into_iter().map(|col| (col, Expr::Col(col))).collect();
        exprs.push((Col::Value, value));
        let outer = self.project(inner, exprs, at.depth, at);
        if markers && at.depth == 0 {
            let rows = self.push(FlatOp::Present(Col::Value), vec![outer], 0, vec![Col::Value], at);
            self.flat.nodes[rows].markers = false;
            return rows;
        }
        outer
    }

    /// Rows of a deeper scope as records `(k, (… v))`, or as the values alone.
    pub(super) fn flatten(&mut self, node: NodeId, levels: u32, with_keys: bool, at: &At) -> Result<FlatId> {
        let inner = self.dataset(node)?;
        let depth = self.depth(inner);
        if depth < at.depth + levels {
            // An outer dataset was returned from the lifted function: every group has a copy.
            let (_, scope) = self.node(node)?;
            let within = self.inside(scope, at)?;
            let copied = self.copy_for_groups(inner, &within)?;
            return Ok(self.leave_with(copied, levels, with_keys, at));
        }
        Ok(self.leave_with(inner, levels, with_keys, at))
    }

    fn leave_with(&mut self, inner: FlatId, levels: u32, with_keys: bool, at: &At) -> FlatId {
        let mut value = Expr::Col(Col::Value);
        if with_keys {
            for level in (at.depth + 1..=at.depth + levels).rev() {
                value = Expr::Tuple(vec![Expr::Given(Col::Shown(level), Col::Key(level)), value]);
            }
            value = Expr::Where(Col::Value, Box::new(value));
        }
        self.leave(inner, at, value)
    }

    /// A copy of an outer dataset for every group of the scope.
    pub(super) fn copy_for_groups(&mut self, outer: FlatId, at: &At) -> Result<FlatId> {
        let groups = self.each_group(at)?;
        let shared = self.depth(outer);
        let mut right = outer;
        if self.flat.nodes[outer].markers {
            right = self.push(FlatOp::Present(Col::Value), vec![outer], shared, self.cols(outer), at);
            self.flat.nodes[right].markers = false;
        }
        let mut take: Vec<_> = key_cols(at.depth).into_iter().map(|col| (false, col, col)).collect();
        take.push((true, Col::Value, Col::Value));
        let on: Vec<_> = keys(shared).into_iter().map(|key| (key, key)).collect();
        let kind = if shared == 0 { FlatJoin::Cross } else { FlatJoin::Inner };
        let copies = self.push(
            FlatOp::Join { on, kind, take },
            vec![groups, right],
            at.depth,
            with_value(at.depth),
            at,
        );
        self.flat.nodes[copies].markers = false;
        Ok(copies)
    }
}

/// The keys as given, least-ranked, level by level.
pub(super) fn given_aggs(depth: u32) -> Vec<Agg> {
    (1..=depth)
        .map(|level| Agg { function: AggFn::Given, args: vec![Col::Shown(level)], out: Col::Shown(level) })
        .collect()
}
