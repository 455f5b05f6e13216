//! Lifting of operators that see a whole group in order.

use nestflow_chain::{Program, Sequential, Zero};

use super::{At, Lift, with_value};
use crate::error::Result;
use crate::plan::flat::*;
use crate::plan::logical::*;

impl Lift<'_> {
    /// A sequential program over the groups of `main`.
    pub(super) fn sequential(
        &mut self,
        main: FlatId,
        kind: impl FnOnce(&At) -> Sequential,
        sides: &[SideInput],
        at: &At,
    ) -> Result<FlatId> {
        self.sequential_over(main, kind, sides, (false, None), at)
    }

    /// The same; `parts`: over the parts of a whole dataset one by one; in how many `instances`.
    fn sequential_over(
        &mut self,
        main: FlatId,
        kind: impl FnOnce(&At) -> Sequential,
        sides: &[SideInput],
        (parts, instances): (bool, Option<u32>),
        at: &At,
    ) -> Result<FlatId> {
        let ready = self.sides(main, sides, at)?;
        let kind = kind(at);
        let always_answers = !matches!(kind, Sequential::Reduce(_));
        let in_order = self.in_order(ready.main, at);
        let numbers = (0..sides.len() as u32).collect();
        let program =
            Program::Sequential { kind, site: at.site.clone(), sides: numbers, instances, most: None };
        let at_least_one = at.depth == 0 && always_answers && !parts;
        let op = FlatOp::Sequential { program, sides: ready.sides, at_least_one, parts };
        let inputs = std::iter::once(in_order).chain(ready.open).collect();
        Ok(self.push(op, inputs, at.depth, with_value(at.depth), at))
    }

    pub(super) fn accumulate(
        &mut self,
        input: NodeId,
        (zero, callable): (FunctionId, bool),
        step: FunctionId,
        sides: &[SideInput],
        at: &At,
    ) -> Result<FlatId> {
        let zero = Zero { function: self.function(zero)?, callable };
        let step = self.function(step)?;
        let main = self.operand(input, at)?;
        self.sequential(main, |_| Sequential::Accumulate { zero, step }, sides, at)
    }

    pub(super) fn transform(
        &mut self,
        input: NodeId,
        [init, step, done]: [FunctionId; 3],
        sides: &[SideInput],
        at: &At,
    ) -> Result<FlatId> {
        let (init, step, done) = (self.function(init)?, self.function(step)?, self.function(done)?);
        let main = self.operand(input, at)?;
        self.sequential(main, |_| Sequential::Transform { init, step, done }, sides, at)
    }

    pub(super) fn transformer(
        &mut self,
        input: NodeId,
        transformer: FunctionId,
        sides: &[SideInput],
        parts: (bool, Option<u32>),
        at: &At,
    ) -> Result<FlatId> {
        let transformer = self.function(transformer)?;
        let main = self.operand(input, at)?;
        self.sequential_over(main, |_| Sequential::Transformer(transformer), sides, parts, at)
    }

    pub(super) fn whole(&mut self, input: NodeId, function: FunctionId, at: &At) -> Result<FlatId> {
        let function = self.function(function)?;
        let main = self.operand(input, at)?;
        self.sequential(main, |_| Sequential::Whole(function), &[], at)
    }
}
