//! Lifting of what gives records another form: pairs for a table that is read as records, positions,
//! and files at the end of a plan.

use nestflow_chain::{ChainSpec, Emit, Function, Program, Step, StepKind};

use super::aggregates::program_sides;
use super::{At, Lift, with_value};
use crate::error::Result;
use crate::plan::flat::*;
use crate::plan::logical::*;

/// `str`, pickled: how records are printed that have no native form.
const STR: &[u8] =
    b"\x80\x04\x95\x14\x00\x00\x00\x00\x00\x00\x00\x8c\x08builtins\x94\x8c\x03str\x94\x93\x94.";

impl Lift<'_> {
    /// `(key(x), value(x))` as records: the way of a `KeyBy` that no `Group` consumes.
    pub(super) fn pairs(
        &mut self,
        input: NodeId,
        key: FunctionId,
        value: Option<FunctionId>,
        at: &At,
    ) -> Result<FlatId> {
        let main = self.operand(input, at)?;
        let value = value.map(|value| self.function(value)).transpose()?;
        let step = self.step_of(StepKind::KeyBy { key: self.function(key)?, value }, vec![], at);
        let op = FlatOp::Chain {
            steps: vec![step],
            emit: Emit::Value,
            keep_groups_from: None,
            sides: vec![],
            most: None,
        };
        let level = at.depth + 1;
        let keyed = self.push(op, vec![main], level, with_value(level), at);
        let pair = Expr::Tuple(vec![Expr::Given(Col::Shown(level), Col::Key(level)), Expr::Col(Col::Value)]);
        let mut exprs: Vec<_> = key_cols(at.depth).into_iter().map(|col| (col, Expr::Col(col))).collect();
        exprs.push((Col::Value, Expr::Where(Col::Value, Box::new(pair))));
        Ok(self.project(keyed, exprs, at.depth, at))
    }

    /// `(position, record)`.
    pub(super) fn numbered(&mut self, input: NodeId, text: bool, at: &At) -> Result<FlatId> {
        let main = self.operand(input, at)?;
        let numbered = self.number(main, at);
        let pair = Expr::Tuple(vec![Expr::Position { col: Col::Pos, text }, Expr::Col(Col::Value)]);
        Ok(self.project_value(numbered, Expr::Where(Col::Value, Box::new(pair)), at))
    }

    /// Output: partition by function or position, sort within parts, print.
    pub(super) fn write(&mut self, node: NodeId, sink: &FileSink, site: SiteId) -> Result<Root> {
        let rows = self.dataset(node)?;
        let (_, scope) = self.node(node)?;
        let at = At { depth: self.depth(rows), ..self.at(site, scope)? };
        let mut rows = rows;
        if self.flat.nodes[rows].markers {
            rows = self.push(FlatOp::Present(Col::Value), vec![rows], at.depth, with_value(at.depth), &at);
            self.flat.nodes[rows].markers = false;
        }
        let at = At { depth: 0, ..at };
        rows = self.project(rows, vec![(Col::Value, Expr::Col(Col::Value))], 0, &at);
        if let Some(parts) = sink.parts {
            rows = self.parted(rows, parts, sink.partition, &at)?;
        }
        if let Some(sort) = &sink.sort {
            rows = self.sorted_parts(rows, sort, sink.parts, &at)?;
        }
        let encode = match sink.form {
            SinkForm::Text { encode: Some(encode), .. } => self.function(encode)?,
            SinkForm::Text { encode: None, .. } => Function { name: "str".into(), pickled: STR.to_vec() },
            SinkForm::Sequence { encode } => self.function(encode)?,
        };
        let step = Step { kind: StepKind::Map(encode), site: at.site.clone(), sides: vec![] };
        let program =
            Program::Records { steps: vec![step], emit: Emit::Value, keep_groups_from: None, most: None };
        let encode = ChainSpec { program, sides: program_sides(&[]) };
        Ok(Root { node: rows, sink: Sink::Files { sink: sink.clone(), encode } })
    }

    fn parted(&mut self, rows: FlatId, parts: u32, by: Option<FunctionId>, at: &At) -> Result<FlatId> {
        let reason = format!("{parts} output parts");
        let Some(by) = by else {
            let op = FlatOp::Exchange { kind: ExchangeKind::RoundRobin { parts }, reason };
            let moved = self.push(op, vec![rows], 0, vec![Col::Value], at);
            return Ok(self.project_value(moved, Expr::Col(Col::Value), at));
        };
        let step = self.step_of(StepKind::KeyBy { key: self.function(by)?, value: None }, vec![], at);
        let op = FlatOp::Chain {
            steps: vec![step],
            emit: Emit::Value,
            keep_groups_from: None,
            sides: vec![],
            most: None,
        };
        let numbered = self.push(op, vec![rows], 1, with_value(1), at);
        let kind = ExchangeKind::Direct { by: Col::Key(1), parts };
        let moved = self.push(FlatOp::Exchange { kind, reason }, vec![numbered], 1, with_value(1), at);
        Ok(self.project(moved, vec![(Col::Value, Expr::Col(Col::Value))], 0, at))
    }

    fn sorted_parts(&mut self, rows: FlatId, sort: &SinkSort, parts: Option<u32>, at: &At) -> Result<FlatId> {
        let key = sort.key.map(|key| self.function(key)).transpose()?;
        let order = Emit::Ordered { key, reverse: sort.reverse, site: at.site.clone() };
        let ordered = self.emit(rows, order, at);
        let numbered =
            self.push(FlatOp::Number, vec![ordered], 0, vec![Col::Value, Col::Order, Col::Pos], at);
        let by = vec![
            SortBy { col: Col::Order, descending: sort.reverse },
            SortBy { col: Col::Pos, descending: false },
        ];
        let cols = self.cols(numbered);
        // Where nobody asked for parts there may be one in the end, of which each task writes a piece.
        let op = if parts.is_some() { FlatOp::SortParts { by } } else { FlatOp::Sort { by } };
        let sorted = self.push(op, vec![numbered], 0, cols.clone(), at);
        let checked = self.push(FlatOp::CheckOrder, vec![sorted], 0, cols, at);
        Ok(self.project_value(checked, Expr::Col(Col::Value), at))
    }
}
