//! User functions, record by record, in a host. Keys travel beside the records and never enter it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Field, Schema, SchemaRef, UInt32Type};
use datafusion_physical_plan::ExecutionPlan;
use nestflow_chain::{ChainSpec, OpenChain, Program, SideFrom};

use super::full_groups::FullGroups;
use crate::error::Result;
use crate::executor::columns::{self, schema};
use crate::executor::stream::{StreamExec, Tactic};
use crate::executor::timed::Timed;
use crate::executor::{TaskEnv, leaves};
use crate::internal;
use crate::plan::flat::{Col, FlatNode, key_cols};

/// Rows handed to a host at once, and bytes of records, but for the last one.
const CHUNK: usize = 8192;
const CHUNK_BYTES: usize = 32 << 20;
/// Rows handed over at first where only the first records of each group are used.
const FIRST: usize = 64;

struct CallChain {
    spec: ChainSpec,
    sides: Vec<Arc<dyn ExecutionPlan>>,
    env: TaskEnv,
    open: Option<Box<dyn OpenChain>>,
    /// What the host has not been given yet.
    rest: Option<RecordBatch>,
    /// The rows whose results are due, oldest first.
    in_flight: std::collections::VecDeque<RecordBatch>,
    /// Whether only what is in flight is still to come.
    ended: bool,
    /// Key columns that travel around the host.
    carried: Vec<Col>,
    /// Groups that need no more records, where that can be.
    full: Option<FullGroups>,
    /// Rows handed over at once then: few at first, since soon there may be enough.
    at_once: usize,
    /// Levels that rows have before the chain.
    levels: u32,
    out: SchemaRef,
}

/// The plan node of a chain; `levels` is the depth of its input.
pub fn plan(
    input: Arc<dyn ExecutionPlan>,
    node: &FlatNode,
    spec: ChainSpec,
    sides: Vec<Arc<dyn ExecutionPlan>>,
    levels: u32,
    env: &TaskEnv,
) -> Arc<dyn ExecutionPlan> {
    let out = schema(&node.cols);
    let carried = key_cols(levels).into_iter().filter(|col| node.cols.contains(col)).collect();
    let full = match spec.program {
        // Where the chain opens groups itself, nobody knows them before the functions are called.
        Program::Records { most: Some(most), .. } if levels == node.depth && levels > 0 => {
            Some(FullGroups::new(most, levels))
        }
        _ => None,
    };
    let tactic = CallChain {
        spec,
        sides,
        env: env.clone(),
        open: None,
        rest: None,
        in_flight: Default::default(),
        ended: false,
        carried,
        full,
        at_once: FIRST,
        levels,
        out: out.clone(),
    };
    StreamExec::tactic("CallChain", out, input, Box::new(tactic))
}

/// The columns that a program reads: the record and the sides that come by column.
pub fn program_input(
    batch: &RecordBatch,
    spec: &ChainSpec,
    first: Option<(&str, ArrayRef)>,
) -> Result<RecordBatch> {
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    if let Some((name, array)) = first {
        fields.push(Field::new(name, array.data_type().clone(), false));
        arrays.push(array);
    }
    let by_column = spec.sides.iter().filter_map(|side| match side.from {
        SideFrom::Column(number) => Some(Col::Side(number)),
        SideFrom::Open => None,
    });
    for col in std::iter::once(Col::Value).chain(by_column) {
        let array = columns::column(batch, col)?;
        fields.push(Field::new(col.to_string(), array.data_type().clone(), true));
        arrays.push(array.clone());
    }
    columns::batch(&Arc::new(Schema::new(fields)), arrays, batch.num_rows())
}

/// How many rows of a batch are handed to a host at once.
pub fn rows_at_once(batch: &RecordBatch) -> Result<usize> {
    let (values, mut bytes) = (columns::cells(batch, Col::Value)?, 0);
    // The low half of a view's first word is the length of its cell.
    let fits = values.views().iter().take_while(|view| {
        let fits = bytes < CHUNK_BYTES;
        bytes += **view as u32 as usize;
        fits
    });
    Ok(fits.take(CHUNK).count().max(1))
}

/// Opens a program with its open sides read whole.
pub fn open(
    spec: &ChainSpec,
    sides: &mut Vec<Arc<dyn ExecutionPlan>>,
    env: &TaskEnv,
) -> Result<Box<dyn OpenChain>> {
    let sides = sides.drain(..).map(|side| leaves::read_whole(side, env)).collect::<Result<Vec<_>>>()?;
    let chain = env.host.open(spec, sides)?;
    Ok(Box::new(Timed { chain, progress: env.progress.clone() }))
}

impl CallChain {
    /// Hands the next rows to the host.
    fn push(&mut self, rows: RecordBatch) -> Result<()> {
        let input = program_input(&rows, &self.spec, None)?;
        let chain = match self.open.as_mut() {
            Some(chain) => chain,
            None => self.open.insert(open(&self.spec, &mut self.sides, &self.env)?),
        };
        chain.push(input)?;
        self.in_flight.push_back(rows);
        Ok(())
    }

    /// Takes the host's next answer, or a part of it.
    fn pull(&mut self, out: &mut Vec<RecordBatch>) -> Result<()> {
        let (Some(open), Some(input)) = (self.open.as_mut(), self.in_flight.pop_front()) else {
            return Ok(());
        };
        let result = open.pull()?;
        if open.more() {
            self.in_flight.push_front(input.clone());
        }
        let origin = result.column_by_name("origin");
        let origin = origin.map(|origin| origin.as_primitive::<UInt32Type>().clone());
        let rows = self.with_keys(&input, &result, origin.as_ref())?;
        if let Some(full) = self.full.as_mut() {
            full.count(&rows)?;
        }
        out.push(rows);
        Ok(())
    }

    fn with_keys(
        &self,
        input: &RecordBatch,
        result: &RecordBatch,
        origin: Option<&UInt32Array>,
    ) -> Result<RecordBatch> {
        let mut arrays = Vec::with_capacity(self.out.fields().len());
        for field in self.out.fields() {
            let carried = self.carried.iter().find(|col| col.to_string() == *field.name());
            let array = match (carried, origin) {
                (Some(col), Some(origin)) => take(columns::column(input, *col)?, origin, None)?,
                (Some(col), None) => columns::column(input, *col)?.clone(),
                (None, _) => self.result_column(result, field.name())?,
            };
            arrays.push(array);
        }
        columns::batch(&self.out, arrays, result.num_rows())
    }

    /// The host counts the levels that the chain opens from 0.
    fn result_column(&self, result: &RecordBatch, name: &str) -> Result<ArrayRef> {
        let level = |prefix: char| name.strip_prefix(prefix).and_then(|level| level.parse::<u32>().ok());
        let of_host = match (level('k'), level('s')) {
            (Some(level), _) if level > self.levels => format!("n{}", level - self.levels - 1),
            (_, Some(level)) if level > self.levels => format!("n{}s", level - self.levels - 1),
            _ => name.to_string(),
        };
        let array = result.column_by_name(&of_host);
        Ok(array.ok_or_else(|| internal!("the host gave no column {of_host}"))?.clone())
    }
}

impl Tactic for CallChain {
    fn process(&mut self, batch: RecordBatch, _: &mut Vec<RecordBatch>) -> Result<()> {
        self.rest = Some(batch);
        Ok(())
    }

    fn more(&mut self, out: &mut Vec<RecordBatch>) -> Result<bool> {
        self.env.check_cancelled()?;
        let due =
            self.open.as_ref().is_some_and(|open| open.more() || self.in_flight.len() >= open.credits());
        if due || (self.ended && !self.in_flight.is_empty()) {
            self.pull(out)?;
            return Ok(true);
        }
        if self.ended
            && let Some(mut open) = self.open.take()
            && open.finish()?.is_some_and(|rest| rest.num_rows() > 0)
        {
            return Err(internal!("a stateless chain had rows left"));
        }
        let Some(rest) = self.rest.take().filter(|rest| rest.num_rows() > 0) else {
            return Ok(false);
        };
        let mut now = rows_at_once(&rest)?;
        if self.full.is_some() {
            now = now.min(self.at_once);
            self.at_once = (self.at_once * 2).min(CHUNK);
        }
        self.rest = Some(rest.slice(now, rest.num_rows() - now));
        let rows = rest.slice(0, now);
        let rows = match &self.full {
            Some(full) => full.without_full(rows)?,
            None => rows,
        };
        if rows.num_rows() > 0 {
            self.push(rows)?;
        }
        Ok(true)
    }

    fn finish(&mut self, _: &mut Vec<RecordBatch>) -> Result<()> {
        self.ended = true;
        Ok(())
    }
}
