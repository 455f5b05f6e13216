//! Lifting of operators on several datasets: union, distinct, joins and multiset operations.

use nestflow_chain::Emit;

use super::groups::given_aggs;
use super::{At, Lift, with_value};
use crate::error::Result;
use crate::plan::flat::*;
use crate::plan::logical::*;

impl Lift<'_> {
    pub(super) fn union(&mut self, inputs: &[NodeId], at: &At) -> Result<FlatId> {
        let parts = inputs.iter().map(|input| self.operand(*input, at)).collect::<Result<Vec<_>>>()?;
        Ok(match parts.as_slice() {
            [one] => *one,
            _ => self.push(FlatOp::Union { aligned: false }, parts, at.depth, with_value(at.depth), at),
        })
    }

    pub(super) fn distinct(&mut self, input: NodeId, at: &At) -> Result<FlatId> {
        let input = self.operand(input, at)?;
        let keyed = self.emit(input, Emit::Key, at);
        let (grouped, _) = self.grouped_by_record(keyed, vec![], at);
        Ok(self.project_value(grouped, Expr::Given(Col::JoinShown, Col::Join), at))
    }

    fn grouped_by_record(&mut self, input: FlatId, more: Vec<Agg>, at: &At) -> (FlatId, Vec<Col>) {
        let mut aggs = given_aggs(at.depth);
        aggs.push(Agg { function: AggFn::Given, args: vec![Col::JoinShown], out: Col::JoinShown });
        aggs.extend(more);
        let mut by = keys(at.depth);
        by.push(Col::Join);
        let mut cols = key_cols(at.depth);
        cols.push(Col::Join);
        cols.extend(aggs.iter().map(|agg| agg.out).filter(|out| !matches!(out, Col::Shown(_))));
        let op = FlatOp::Aggregate { keys: by, aggs, phase: Phase::Single, at_least_one: false };
        (self.push(op, vec![input], at.depth, cols.clone(), at), cols)
    }

    fn without_markers(&mut self, input: FlatId, at: &At) -> FlatId {
        if !self.flat.nodes[input].markers {
            return input;
        }
        let cols = self.cols(input);
        let rows = self.push(FlatOp::Present(Col::Value), vec![input], at.depth, cols, at);
        self.flat.nodes[rows].markers = false;
        rows
    }

    pub(super) fn compare(&mut self, left: NodeId, right: NodeId, kind: Compare, at: &At) -> Result<FlatId> {
        match kind {
            Compare::Subtract => self.subtract(left, right, at),
            Compare::Intersection => self.counted(left, right, Counted::Intersection, at),
            Compare::IntersectionAll => self.counted(left, right, Counted::IntersectionAll, at),
            Compare::Diff => self.counted(left, right, Counted::Diff, at),
        }
    }

    /// The left records as they are, where the right side has none that is equal.
    fn subtract(&mut self, left: NodeId, right: NodeId, at: &At) -> Result<FlatId> {
        let left = self.operand(left, at)?;
        let left = self.without_markers(left, at);
        let left = self.emit(left, Emit::Key, at);
        let right = self.dataset(right)?;
        let of_right = At { depth: self.depth(right), ..at.clone() };
        let right = self.without_markers(right, &of_right);
        let right = self.emit(right, Emit::Key, &of_right);
        let mut by = keys(of_right.depth);
        by.push(Col::Join);
        let on = by.iter().map(|col| (*col, *col)).collect();
        // Once each, so that a record with many copies is neither moved nor held with all of them.
        let once =
            FlatOp::Aggregate { keys: by.clone(), aggs: vec![], phase: Phase::Single, at_least_one: false };
        let right = self.push(once, vec![right], of_right.depth, by, &of_right);
        let cols = self.cols(left);
        let take = cols.iter().map(|col| (false, *col, *col)).collect();
        let op = FlatOp::Join { on, kind: FlatJoin::Anti, take };
        let rest = self.push(op, vec![left, right], at.depth, cols, at);
        Ok(self.project_value(rest, Expr::Given(Col::JoinShown, Col::Join), at))
    }

    fn counted(&mut self, left: NodeId, right: NodeId, kind: Counted, at: &At) -> Result<FlatId> {
        let one = Expr::Cell(vec![nestflow_batch::tag::NONE]);
        let mut sides = Vec::new();
        for (number, side) in [left, right].into_iter().enumerate() {
            let rows = self.operand(side, at)?;
            let rows = self.without_markers(rows, at);
            let keyed = self.emit(rows, Emit::Key, at);
            let mut exprs: Vec<_> = self.cols(keyed).into_iter().map(|col| (col, Expr::Col(col))).collect();
            exprs.push((Col::Side(0), if number == 0 { one.clone() } else { Expr::Null }));
            exprs.push((Col::Side(1), if number == 1 { one.clone() } else { Expr::Null }));
            sides.push(self.project(keyed, exprs, at.depth, at));
        }
        let cols = self.cols(sides[0]);
        let both = self.push(FlatOp::Union { aligned: false }, sides, at.depth, cols, at);
        let counts: Vec<_> = (0..2)
            .map(|side| Agg { function: AggFn::Count, args: vec![Col::Side(side)], out: self.fresh_agg() })
            .collect();
        let outs: Vec<_> = counts.iter().map(|agg| agg.out).collect();
        let (counted, _) = self.grouped_by_record(both, counts, at);
        let mut exprs: Vec<_> = key_cols(at.depth).into_iter().map(|col| (col, Expr::Col(col))).collect();
        exprs.push((Col::Value, Expr::Given(Col::JoinShown, Col::Join)));
        exprs.push((Col::Side(0), Expr::Col(outs[0])));
        exprs.push((Col::Side(1), Expr::Col(outs[1])));
        let rows = self.project(counted, exprs, at.depth, at);
        Ok(self.push(FlatOp::Compared(kind), vec![rows], at.depth, with_value(at.depth), at))
    }

    /// Joins pairwise; a right join is a left join that starts from the last side.
    pub(super) fn join(&mut self, inputs: &[NodeId], kind: JoinKind, at: &At) -> Result<FlatId> {
        let order: Vec<usize> = match kind {
            JoinKind::Right => std::iter::once(inputs.len() - 1).chain(0..inputs.len() - 1).collect(),
            _ => (0..inputs.len()).collect(),
        };
        let flat_kind = match kind {
            JoinKind::Inner => FlatJoin::Inner,
            JoinKind::Left | JoinKind::Right => FlatJoin::Left,
            JoinKind::Full => FlatJoin::Full,
        };
        let mut joined = self.join_side(inputs[order[0]], order[0], true, at)?;
        let mut sides = vec![order[0]];
        for &number in &order[1..] {
            let right = self.join_side(inputs[number], number, kind == JoinKind::Full, at)?;
            joined = self.join_pair(joined, right, flat_kind, &sides, number, at);
            sides.push(number);
        }
        let values = (0..inputs.len()).map(|number| Expr::Col(Col::Side(number as u32))).collect();
        let key = Expr::Given(Col::JoinShown, Col::Join);
        Ok(self.project_value(joined, Expr::Tuple(vec![key, Expr::Tuple(values)]), at))
    }

    /// A side of a join as `[k… s… | j js x]`; only where `per_group` is an outer side copied for
    /// every group.
    fn join_side(&mut self, input: NodeId, number: usize, per_group: bool, at: &At) -> Result<FlatId> {
        let rows = if per_group { self.operand(input, at)? } else { self.dataset(input)? };
        let at = At { depth: self.depth(rows), ..at.clone() };
        let rows = self.without_markers(rows, &at);
        let pairs = self.emit(rows, Emit::Pair, &at);
        let mut exprs: Vec<_> = key_cols(at.depth).into_iter().map(|col| (col, Expr::Col(col))).collect();
        exprs.push((Col::Join, Expr::Col(Col::Join)));
        exprs.push((Col::JoinShown, Expr::Col(Col::JoinShown)));
        exprs.push((Col::Side(number as u32), Expr::Col(Col::Value)));
        Ok(self.project(pairs, exprs, at.depth, &at))
    }

    fn join_pair(
        &mut self,
        left: FlatId,
        right: FlatId,
        kind: FlatJoin,
        sides: &[usize],
        number: usize,
        at: &At,
    ) -> FlatId {
        let shared = self.depth(right).min(self.depth(left));
        let mut on: Vec<_> = keys(shared).into_iter().map(|key| (key, key)).collect();
        on.push((Col::Join, Col::Join));
        let mut take: Vec<_> = self.cols(left).into_iter().map(|col| (false, col, col)).collect();
        take.push((true, Col::Join, Col::RightKey(0)));
        take.push((true, Col::JoinShown, Col::RightShown(0)));
        if kind == FlatJoin::Full {
            for level in 1..=at.depth {
                take.push((true, Col::Key(level), Col::RightKey(level)));
                take.push((true, Col::Shown(level), Col::RightShown(level)));
            }
        }
        take.push((true, Col::Side(number as u32), Col::Side(number as u32)));
        let cols = take.iter().map(|(_, _, col)| *col).collect();
        let op = FlatOp::Join { on, kind, take };
        let pairs = self.push(op, vec![left, right], at.depth, cols, at);
        let mut exprs = Vec::new();
        for level in 1..=at.depth {
            let (key, shown) = (Col::Key(level), Col::Shown(level));
            if kind == FlatJoin::Full {
                exprs.push((key, Expr::Coalesce(key, Col::RightKey(level))));
                let given = Expr::JoinedGiven(key, shown, Col::RightKey(level), Col::RightShown(level));
                exprs.push((shown, given));
            } else {
                exprs.extend([(key, Expr::Col(key)), (shown, Expr::Col(shown))]);
            }
        }
        exprs.push((Col::Join, Expr::Coalesce(Col::Join, Col::RightKey(0))));
        let given = Expr::JoinedGiven(Col::Join, Col::JoinShown, Col::RightKey(0), Col::RightShown(0));
        exprs.push((Col::JoinShown, given));
        for &side in sides.iter().chain([&number]) {
            exprs.push((Col::Side(side as u32), Expr::Col(Col::Side(side as u32))));
        }
        self.project(pairs, exprs, at.depth, at)
    }
}
