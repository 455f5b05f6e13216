//! Programs that see whole groups in order. Rows come sorted by their keys; groups are numbered here,
//! and the host's results get the keys of their group back. Markers of outer levels pass by.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray, RecordBatch, UInt64Array};
use arrow::compute::{filter_record_batch, is_not_null, is_null};
use arrow::datatypes::{SchemaRef, UInt64Type};
use datafusion_physical_plan::ExecutionPlan;
use nestflow_batch::columns::{CellBuilder, cell_at, null_column};
use nestflow_chain::{ChainSpec, OpenChain};

use super::call_chain::{open, program_input, rows_at_once};
use crate::error::Result;
use crate::executor::TaskEnv;
use crate::executor::columns::{self, cells, schema};
use crate::executor::stream::{StreamExec, Tactic};
use crate::internal;
use crate::plan::flat::{Col, FlatNode, key_cols, keys};

type Cell = Option<Vec<u8>>;

struct Group {
    number: u64,
    cells: Vec<Cell>,
}

/// What the host knows of the input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Input {
    /// There may be more.
    Coming,
    /// That was all, which the host does not know yet.
    Ended,
    /// That was all.
    Closed,
}

struct SequentialTactic {
    spec: ChainSpec,
    sides: Vec<Arc<dyn ExecutionPlan>>,
    env: TaskEnv,
    open: Option<Box<dyn OpenChain>>,
    depth: u32,
    at_least_one: bool,
    /// The key columns that go out.
    carried: Vec<Col>,
    /// The key cells of the group in hand, to see where the next begins.
    current: Option<Vec<Cell>>,
    number: u64,
    /// Groups whose results may still come.
    groups: VecDeque<Group>,
    /// What the host has not been given yet, and such rows, none of them.
    rest: Option<RecordBatch>,
    last: Option<RecordBatch>,
    in_flight: usize,
    input: Input,
    out: SchemaRef,
}

/// The plan node of a sequential program.
pub fn plan(
    input: Arc<dyn ExecutionPlan>,
    node: &FlatNode,
    spec: ChainSpec,
    sides: Vec<Arc<dyn ExecutionPlan>>,
    at_least_one: bool,
    env: &TaskEnv,
) -> Arc<dyn ExecutionPlan> {
    let out = schema(&node.cols);
    let carried = key_cols(node.depth).into_iter().filter(|col| node.cols.contains(col)).collect();
    let tactic = SequentialTactic {
        spec,
        sides,
        env: env.clone(),
        open: None,
        depth: node.depth,
        at_least_one,
        carried,
        current: None,
        number: 0,
        groups: VecDeque::new(),
        rest: None,
        last: None,
        in_flight: 0,
        input: Input::Coming,
        out: out.clone(),
    };
    StreamExec::tactic("Sequential", out, input, Box::new(tactic))
}

impl SequentialTactic {
    /// Numbers the groups of a batch, remembering the keys of new ones.
    fn number_groups(&mut self, batch: &RecordBatch) -> Result<UInt64Array> {
        let by = keys(self.depth).into_iter().map(|col| cells(batch, col)).collect::<Result<Vec<_>>>()?;
        let carried = self.carried.iter().map(|col| cells(batch, *col)).collect::<Result<Vec<_>>>()?;
        let mut numbers = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let same = self.current.as_ref().is_some_and(|current| {
                by.iter().zip(current).all(|(column, cell)| cell_at(column, row) == cell.as_deref())
            });
            if !same {
                let owned = |columns: &[&BinaryViewArray]| -> Vec<Cell> {
                    columns.iter().map(|column| cell_at(column, row).map(<[u8]>::to_vec)).collect()
                };
                self.number += 1;
                self.current = Some(owned(&by));
                self.groups.push_back(Group { number: self.number, cells: owned(&carried) });
            }
            numbers.push(self.number);
        }
        Ok(UInt64Array::from(numbers))
    }

    /// Hands over rows.
    fn push(&mut self, rows: &RecordBatch) -> Result<()> {
        let numbers: ArrayRef = Arc::new(self.number_groups(rows)?);
        self.hand_over(rows, numbers)
    }

    fn hand_over(&mut self, rows: &RecordBatch, numbers: ArrayRef) -> Result<()> {
        let input = program_input(rows, &self.spec, Some(("g", numbers)))?;
        let chain = match self.open.as_mut() {
            Some(chain) => chain,
            None => self.open.insert(open(&self.spec, &mut self.sides, &self.env)?),
        };
        chain.push(input)?;
        self.in_flight += 1;
        Ok(())
    }

    /// Takes the host's next answer, or a part of it.
    fn pull(&mut self, out: &mut Vec<RecordBatch>) -> Result<()> {
        let Some(chain) = self.open.as_mut() else { return Ok(()) };
        let result = chain.pull()?;
        if !chain.more() {
            self.in_flight -= 1;
        }
        out.push(self.with_keys(&result)?);
        if self.in_flight == 0 {
            // Only the group in hand can still have results.
            self.groups.retain(|group| group.number == self.number);
        }
        Ok(())
    }

    /// Tells the host that there are no more rows; whether there was anything to tell.
    fn close(&mut self) -> Result<bool> {
        if self.input != Input::Ended || self.open.is_none() {
            return Ok(false);
        }
        self.input = Input::Closed;
        if let Some(last) = self.last.take() {
            self.hand_over(&last, Arc::new(UInt64Array::from(Vec::<u64>::new())))?;
        }
        Ok(true)
    }

    fn with_keys(&mut self, result: &RecordBatch) -> Result<RecordBatch> {
        let numbers = result.column_by_name("g").and_then(|column| column.as_primitive_opt::<UInt64Type>());
        let numbers = numbers.ok_or_else(|| internal!("a sequential program gave no groups"))?;
        let mut builders: Vec<_> = self.carried.iter().map(|_| CellBuilder::default()).collect();
        for &number in numbers.values() {
            while self.groups.front().is_some_and(|group| group.number < number) {
                self.groups.pop_front();
            }
            let group = self.groups.front().filter(|group| group.number == number);
            let group = group.ok_or_else(|| internal!("a result of an unknown group"))?;
            for (builder, cell) in builders.iter_mut().zip(&group.cells) {
                builder.append_option(cell.as_deref());
            }
        }
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(builders.len() + 1);
        for field in self.out.fields() {
            let carried = self.carried.iter().position(|col| col.to_string() == *field.name());
            arrays.push(match carried {
                Some(position) => Arc::new(builders[position].finish()?),
                None => columns::column(result, Col::Value)?.clone(),
            });
        }
        columns::batch(&self.out, arrays, result.num_rows())
    }

    /// Markers of outer levels say nothing about groups of this one.
    fn pass_markers(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for field in self.out.fields() {
            arrays.push(match self.carried.iter().find(|col| col.to_string() == *field.name()) {
                Some(col) => columns::column(rows, *col)?.clone(),
                None => null_column(rows.num_rows()),
            });
        }
        columns::batch(&self.out, arrays, rows.num_rows())
    }
}

impl Tactic for SequentialTactic {
    fn process(&mut self, batch: RecordBatch, out: &mut Vec<RecordBatch>) -> Result<()> {
        let mut rows = batch;
        if self.depth > 1 {
            let deepest = columns::column(&rows, Col::Key(self.depth))?;
            if deepest.null_count() > 0 {
                out.push(self.pass_markers(&filter_record_batch(&rows, &is_null(deepest)?)?)?);
                rows = filter_record_batch(&rows, &is_not_null(deepest)?)?;
            }
        }
        self.last = Some(rows.slice(0, 0));
        self.rest = Some(rows);
        Ok(())
    }

    fn more(&mut self, out: &mut Vec<RecordBatch>) -> Result<bool> {
        self.env.check_cancelled()?;
        let due = self.open.as_ref().is_some_and(|open| open.more() || self.in_flight >= open.credits());
        if due || (self.input == Input::Closed && self.in_flight > 0) {
            self.pull(out)?;
            return Ok(true);
        }
        match self.rest.take().filter(|rest| rest.num_rows() > 0 && !self.done()) {
            Some(rest) => {
                let now = rows_at_once(&rest)?;
                self.push(&rest.slice(0, now))?;
                self.rest = Some(rest.slice(now, rest.num_rows() - now));
                Ok(true)
            }
            None => self.close(),
        }
    }

    fn finish(&mut self, _: &mut Vec<RecordBatch>) -> Result<()> {
        if self.number == 0 && self.at_least_one {
            let value = schema(&[Col::Value]);
            let marker = columns::batch(&value, vec![null_column(1)], 1)?;
            self.last = Some(marker.slice(0, 0));
            self.rest = Some(marker);
        }
        self.input = Input::Ended;
        Ok(())
    }

    fn done(&self) -> bool {
        // In groups the rows have all been made by then, to be put in order.
        self.depth == 0 && self.open.as_ref().is_some_and(|open| open.enough())
    }
}
