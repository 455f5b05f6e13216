//! Lifting of operators that give one value, or a few, per group.

use nestflow_chain::{ChainSpec, Emit, Function, Program, Sequential, Side, Zero};

use super::groups::given_aggs;
use super::{At, Lift, with_value};
use crate::error::Result;
use crate::plan::flat::*;
use crate::plan::logical::*;

/// `operator.add`, pickled: what `sum` does with records that are neither int nor float.
const OPERATOR_ADD: &[u8] =
    b"\x80\x04\x95\x15\x00\x00\x00\x00\x00\x00\x00\x8c\x09_operator\x94\x8c\x03add\x94\x93\x94.";

impl Lift<'_> {
    /// One aggregate per group of `input`'s depth: rows `[k… s… a]`.
    fn aggregate(&mut self, input: FlatId, function: AggFn, args: Vec<Col>, at: &At) -> (FlatId, Col) {
        let at_least_one = at.depth == 0 && answers_empty(&function);
        let out = self.fresh_agg();
        let mut aggs = given_aggs(at.depth);
        aggs.push(Agg { function, args, out });
        let mut cols = key_cols(at.depth);
        cols.push(out);
        let op = FlatOp::Aggregate { keys: keys(at.depth), aggs, phase: Phase::Single, at_least_one };
        (self.push(op, vec![input], at.depth, cols, at), out)
    }

    /// The result of an aggregate as the value; of a group that only markers made, the answer for
    /// an empty group or a marker again. Markers of outer levels stay markers.
    fn aggregated(
        &mut self,
        input: FlatId,
        function: AggFn,
        args: Vec<Col>,
        value: Option<Expr>,
        at: &At,
    ) -> FlatId {
        let markers = self.flat.nodes[input].markers;
        let answers = answers_empty(&function);
        let (aggregate, out) = self.aggregate(input, function, args, at);
        let mut value = value.unwrap_or(Expr::Col(out)).replace_agg(out);
        if markers && answers && at.depth > 1 {
            value = Expr::Where(Col::Key(at.depth), Box::new(value));
        }
        let result = self.project_value(aggregate, value, at);
        let null_results = at.depth == 0 && !answers;
        self.flat.nodes[result].markers = markers && (at.depth > 1 || !answers);
        if null_results {
            return self.push(FlatOp::Present(Col::Value), vec![result], 0, vec![Col::Value], at);
        }
        result
    }

    pub(super) fn count(&mut self, input: NodeId, is_empty: bool, at: &At) -> Result<FlatId> {
        let mut input = self.operand(input, at)?;
        if is_empty && at.depth == 0 {
            // One record says it all.
            input = self.push(FlatOp::Limit(1), vec![input], 0, vec![Col::Value], at);
        }
        let args = if self.flat.nodes[input].markers { vec![Col::Value] } else { vec![] };
        let value = is_empty.then_some(Expr::IsZero(Col::Agg(0)));
        Ok(self.aggregated(input, AggFn::Count, args, value, at))
    }

    pub(super) fn sum(&mut self, input: NodeId, at: &At) -> Result<FlatId> {
        let input = self.operand(input, at)?;
        let add = Function { name: "add".into(), pickled: OPERATOR_ADD.to_vec() };
        let function = AggFn::Sum(self.fold_program(add, None, vec![], at));
        Ok(self.aggregated(input, function, vec![Col::Value], None, at))
    }

    fn fold_program(&self, step: Function, zero: Option<Zero>, sides: Vec<Side>, at: &At) -> ChainSpec {
        let numbers = (0..sides.len() as u32).collect();
        ChainSpec { program: Program::Fold { step, zero, site: at.site.clone(), sides: numbers }, sides }
    }

    pub(super) fn reduce(
        &mut self,
        input: NodeId,
        function: FunctionId,
        adds: bool,
        sides: &[SideInput],
        at: &At,
    ) -> Result<FlatId> {
        let function = self.function(function)?;
        let main = self.operand(input, at)?;
        if !sides.is_empty() {
            return self.sequential(main, |_| Sequential::Reduce(function), sides, at);
        }
        let program = self.fold_program(function, None, vec![], at);
        let function = match adds {
            true => AggFn::Sum(program),
            false => AggFn::Fold { partial: program.clone(), merge: program, answers_empty: false },
        };
        Ok(self.aggregated(main, function, vec![Col::Value], None, at))
    }

    /// With side inputs, a fold is sequential in each group: they are then at hand as columns.
    pub(super) fn fold(
        &mut self,
        input: NodeId,
        (zero, callable): (FunctionId, bool),
        step: FunctionId,
        merge: FunctionId,
        sides: &[SideInput],
        at: &At,
    ) -> Result<FlatId> {
        let zero = Zero { function: self.function(zero)?, callable };
        let (step, merge) = (self.function(step)?, self.function(merge)?);
        let main = self.operand(input, at)?;
        if !sides.is_empty() {
            return self.sequential(main, |_| Sequential::Accumulate { zero, step }, sides, at);
        }
        let partial = self.fold_program(step, Some(zero.clone()), vec![], at);
        let merge = self.fold_program(merge, Some(zero), vec![], at);
        let function = AggFn::Fold { partial, merge, answers_empty: true };
        Ok(self.aggregated(main, function, vec![Col::Value], None, at))
    }

    pub(super) fn combine(&mut self, input: NodeId, function: FunctionId, at: &At) -> Result<FlatId> {
        let main = self.operand(input, at)?;
        let program = Program::Combine { function: self.function(function)?, site: at.site.clone() };
        let program = ChainSpec { program, sides: vec![] };
        let function = AggFn::Fold { partial: program.clone(), merge: program, answers_empty: true };
        Ok(self.aggregated(main, function, vec![Col::Value], None, at))
    }

    pub(super) fn as_list(&mut self, input: NodeId, at: &At) -> Result<FlatId> {
        let input = self.operand(input, at)?;
        Ok(self.listed(input, at))
    }

    /// All records of each group as one list, in order.
    pub(super) fn listed(&mut self, input: FlatId, at: &At) -> FlatId {
        let at = At { depth: self.depth(input), ..at.clone() };
        let numbered = self.number(input, &at);
        self.aggregated(numbered, AggFn::ToList, vec![Col::Value, Col::Pos], None, &at)
    }

    pub(super) fn number(&mut self, input: FlatId, at: &At) -> FlatId {
        let mut cols = self.cols(input);
        cols.push(Col::Pos);
        self.push(FlatOp::Number, vec![input], at.depth, cols, at)
    }

    fn ordered(&mut self, input: NodeId, key: Option<FunctionId>, reverse: bool, at: &At) -> Result<FlatId> {
        let input = self.operand(input, at)?;
        let key = key.map(|key| self.function(key)).transpose()?;
        let order = Emit::Ordered { key, reverse, site: at.site.clone() };
        Ok(self.emit(input, order, at))
    }

    pub(super) fn extreme(
        &mut self,
        input: NodeId,
        largest: bool,
        key: Option<FunctionId>,
        at: &At,
    ) -> Result<FlatId> {
        let input = self.ordered(input, key, largest, at)?;
        Ok(self.aggregated(input, AggFn::Extreme { largest }, vec![Col::Value, Col::Order], None, at))
    }

    pub(super) fn top(
        &mut self,
        input: NodeId,
        limit: i64,
        largest: bool,
        key: Option<FunctionId>,
        at: &At,
    ) -> Result<FlatId> {
        let input = self.ordered(input, key, largest, at)?;
        let function = AggFn::Top { limit: limit.max(0) as u64, largest };
        Ok(self.unpacked(input, function, vec![Col::Value, Col::Order], at))
    }

    /// A packed list per group, as records in order.
    fn unpacked(&mut self, input: FlatId, function: AggFn, mut args: Vec<Col>, at: &At) -> FlatId {
        let keeps_none = matches!(
            function,
            AggFn::Top { limit: 0, .. } | AggFn::First { limit: 0 } | AggFn::Sorted { limit: 0, .. }
        );
        let markers = self.flat.nodes[input].markers || keeps_none && at.depth > 0;
        // Each row shows the keys it came with.
        args.extend((1..=at.depth).map(Col::Shown));
        let (aggregate, out) = self.aggregate(input, function, args, at);
        let rows = self.push(FlatOp::Unpack(out), vec![aggregate], at.depth, with_value(at.depth), at);
        self.flat.nodes[rows].markers = markers;
        rows
    }

    pub(super) fn first(&mut self, input: NodeId, at: &At) -> Result<FlatId> {
        self.take(input, 1, at)
    }

    pub(super) fn take(&mut self, input: NodeId, limit: i64, at: &At) -> Result<FlatId> {
        let limit = limit.max(0) as u64;
        // The first of a sorted dataset need no whole group in one task, and no sort.
        let (node, scope) = self.node(input)?;
        if let Op::Sort { input, key, reverse } = node.op
            && scope == at.scope
            && !self.held.contains_key(&node.id)
        {
            let sort = At { site: self.call_site(node.site)?, ..at.clone() };
            let ordered = self.ordered(input, key, reverse, &sort)?;
            let numbered = self.number(ordered, at);
            let function = AggFn::Sorted { limit, descending: reverse };
            return Ok(self.unpacked(numbered, function, vec![Col::Value, Col::Order, Col::Pos], at));
        }
        let mut input = self.operand(input, at)?;
        if at.depth == 0 {
            input = self.push(FlatOp::Limit(limit), vec![input], 0, vec![Col::Value], at);
        }
        let numbered = self.number(input, at);
        Ok(self.unpacked(numbered, AggFn::First { limit }, vec![Col::Value, Col::Pos], at))
    }

    pub(super) fn sort(
        &mut self,
        input: NodeId,
        key: Option<FunctionId>,
        reverse: bool,
        at: &At,
    ) -> Result<FlatId> {
        let ordered = self.ordered(input, key, reverse, at)?;
        let numbered = self.number(ordered, at);
        let mut by = keys_ascending(at.depth);
        by.push(SortBy { col: Col::Order, descending: reverse });
        by.push(SortBy { col: Col::Pos, descending: false });
        let cols = self.cols(numbered);
        let sorted = self.push(FlatOp::Sort { by }, vec![numbered], at.depth, cols.clone(), at);
        let checked = self.push(FlatOp::CheckOrder, vec![sorted], at.depth, cols, at);
        Ok(self.project_value(checked, Expr::Col(Col::Value), at))
    }

    /// Rows of each group together and in the order of the dataset.
    pub(super) fn in_order(&mut self, input: FlatId, at: &At) -> FlatId {
        if at.depth == 0 || self.is_in_order(input, at.depth) {
            return input;
        }
        let carried = self.cols(input);
        let numbered = self.number(input, at);
        let mut by = keys_ascending(at.depth);
        by.push(SortBy { col: Col::Pos, descending: false });
        let cols = self.cols(numbered);
        let sorted = self.push(FlatOp::Sort { by }, vec![numbered], at.depth, cols, at);
        let exprs = carried.into_iter().map(|col| (col, Expr::Col(col))).collect();
        self.project(sorted, exprs, at.depth, at)
    }

    /// Whether rows come group by group: the dataset descends from a sort at its own depth through
    /// operators that keep the order.
    fn is_in_order(&self, id: FlatId, depth: u32) -> bool {
        let node = &self.flat.nodes[id];
        match &node.op {
            FlatOp::Sort { .. } => node.depth == depth,
            FlatOp::Chain { .. } | FlatOp::Project(_) | FlatOp::CheckOrder | FlatOp::Number => {
                node.depth == depth && self.is_in_order(node.inputs[0], depth)
            }
            _ => false,
        }
    }
}

fn keys_ascending(depth: u32) -> Vec<SortBy> {
    keys(depth).into_iter().map(|col| SortBy { col, descending: false }).collect()
}

fn answers_empty(function: &AggFn) -> bool {
    match function {
        AggFn::Count | AggFn::ToList => true,
        AggFn::Fold { answers_empty, .. } => *answers_empty,
        _ => false,
    }
}

impl Expr {
    /// The expression over an aggregate's result, with the column that it turned out to have.
    fn replace_agg(self, out: Col) -> Expr {
        match self {
            Expr::IsZero(_) => Expr::IsZero(out),
            other => other,
        }
    }
}

/// A chain side that is opened with the program.
pub(super) fn program_sides(sides: &[ChainSide]) -> Vec<Side> {
    sides.iter().map(|side| Side { shape: side.shape, from: side.from }).collect()
}
