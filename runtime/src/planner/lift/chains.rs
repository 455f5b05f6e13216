//! Lifting of user functions that see one record at a time, and of their side inputs.

use nestflow_chain::{Emit, SideFrom, SideShape, StepKind};

use super::{At, Lift, with_value};
use crate::error::Result;
use crate::plan::flat::*;
use crate::plan::logical::*;

/// Side inputs made ready: the data with their columns, how they are shown, and the open ones.
pub(super) struct Sides {
    pub main: FlatId,
    pub sides: Vec<ChainSide>,
    pub open: Vec<FlatId>,
}

impl Lift<'_> {
    /// One element-wise step.
    pub(super) fn step(
        &mut self,
        input: NodeId,
        kind: StepKind,
        sides: &[SideInput],
        node: &Node,
        at: &At,
    ) -> Result<FlatId> {
        let main = self.operand(input, at)?;
        let ready = self.sides(main, sides, at)?;
        let drops = !matches!(kind, StepKind::Map(_) | StepKind::Foreach(_));
        let keep = (drops && at.depth > 0 && self.wants_groups.contains(&node.id)).then_some(0);
        let step = self.step_of(kind, (0..sides.len() as u32).collect(), at);
        let op = FlatOp::Chain {
            steps: vec![step],
            emit: Emit::Value,
            keep_groups_from: keep,
            sides: ready.sides,
            most: None,
        };
        let inputs = std::iter::once(ready.main).chain(ready.open).collect();
        let chain = self.push(op, inputs, at.depth, with_value(at.depth), at);
        self.flat.nodes[chain].markers |= keep.is_some();
        Ok(chain)
    }

    /// A chain without steps that only shapes what comes out.
    pub(super) fn emit(&mut self, input: FlatId, emit: Emit, at: &At) -> FlatId {
        let depth = self.depth(input);
        let mut cols = key_cols(depth);
        cols.extend(emit_cols(&emit));
        let op = FlatOp::Chain { steps: vec![], emit, keep_groups_from: None, sides: vec![], most: None };
        self.push(op, vec![input], depth, cols, at)
    }

    /// Makes side inputs ready for an operator at `at`: outer ones of the root scope are opened with
    /// the chain, the key of a group is a column already, others are joined on the keys they share.
    pub(super) fn sides(&mut self, main: FlatId, sides: &[SideInput], at: &At) -> Result<Sides> {
        let mut ready = Sides { main, sides: Vec::new(), open: Vec::new() };
        for (number, side) in sides.iter().enumerate() {
            let column = Col::Side(number as u32);
            let shape = if side.single { SideShape::Value } else { SideShape::Sequence };
            if let Some(level) = self.key_level(side.node)?.filter(|_| side.single) {
                let mut exprs: Vec<_> =
                    self.cols(ready.main).into_iter().map(|col| (col, Expr::Col(col))).collect();
                exprs.push((column, Expr::Given(Col::Shown(level), Col::Key(level))));
                ready.main = self.project(ready.main, exprs, at.depth, at);
                ready.sides.push(ChainSide { shape, from: SideFrom::Column(number as u32) });
                continue;
            }
            let mut flat = self.dataset(side.node)?;
            let depth = self.depth(flat);
            if depth == 0 {
                let reason = format!("side input of {}", at.site.transform);
                let op = FlatOp::Exchange { kind: ExchangeKind::Broadcast, reason };
                let cols = self.cols(flat);
                ready.open.push(self.push(op, vec![flat], 0, cols, at));
                ready.sides.push(ChainSide { shape, from: SideFrom::Open });
                continue;
            }
            if !side.single {
                flat = self.listed(flat, at);
            }
            let mut take: Vec<_> = self.cols(ready.main).into_iter().map(|col| (false, col, col)).collect();
            take.push((true, Col::Value, column));
            let cols = take.iter().map(|(_, _, col)| *col).collect();
            let on = keys(depth).into_iter().map(|key| (key, key)).collect();
            let op = FlatOp::Join { on, kind: FlatJoin::Left, take };
            ready.main = self.push(op, vec![ready.main, flat], at.depth, cols, at);
            ready.sides.push(ChainSide { shape, from: SideFrom::Column(number as u32) });
        }
        Ok(ready)
    }

    /// The level of the key that a node stands for, through imports.
    fn key_level(&self, id: NodeId) -> Result<Option<u32>> {
        if self.held.contains_key(&id) {
            return Ok(None);
        }
        let (node, scope) = self.node(id)?;
        match &node.op {
            Op::Key => Ok(Some(self.scope(scope)?.depth)),
            Op::Import { node } => self.key_level(*node),
            _ => Ok(None),
        }
    }
}

/// The columns that a chain's end gives.
pub(super) fn emit_cols(emit: &Emit) -> Vec<Col> {
    match emit {
        Emit::Nothing => vec![],
        Emit::Value => vec![Col::Value],
        Emit::Key => vec![Col::Join, Col::JoinShown],
        Emit::Pair => vec![Col::Join, Col::JoinShown, Col::Value],
        Emit::Ordered { .. } => vec![Col::Value, Col::Order],
    }
}
