//! Sequential programs: group after group, with a status that stays in the interpreter.
//!
//! Where much comes out at once, the program pauses: what is held is a part of it.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, BinaryViewArray, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use nestflow_batch::columns::{CellBuilder, cell_at, cell_field};
use nestflow_chain::{CallSite, ChainSpec, Counts, HostError, OpenChain, Sequential};
use pyo3::call::PyCallArgs;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyList};

use crate::chunk::chunk;
use crate::counting::counted;
use crate::failure::{raised, unfit, unloadable};
use crate::kinds::kinds;
use crate::program::{Describe, by_column, cells, ours};
use crate::sides::ColumnSide;
use crate::{decode, fast, pin};

/// The most rows that a program gives before it pauses.
const PART_ROWS: usize = 1024;
/// So many rows, before it is known how large they are; soon it is a multiple of this.
const FIRST: usize = 8;
/// So many bytes of rows come out at once where they are as large as those before.
const PART_BYTES: usize = 1 << 20;
/// A batch with so many rows or bytes goes out, whatever is still to come of its input.
const MOST_ROWS: usize = 64 << 10;
const MOST_BYTES: usize = 4 << 20;

/// An opened sequential program.
pub(crate) struct Walk {
    /// The program in Python, and the list in which its output gathers.
    walk: Py<PyAny>,
    out: Py<PyList>,
    sides: Vec<ColumnSide>,
    /// The group in hand, and the one that what comes out belongs to.
    group: Option<u64>,
    speaking: u64,
    /// What lets the program go on, where it has paused.
    paused: Option<Py<PyAny>>,
    /// Whether the group in hand needs no more records.
    enough: bool,
    /// How many results of a group are of use, and how many the one in hand has given.
    most: usize,
    given: usize,
    /// How many rows should come out at once.
    room: usize,
    schema: SchemaRef,
    under_way: Option<UnderWay>,
    counts: Counts,
}

/// An input whose results have not all come out.
struct UnderWay {
    input: RecordBatch,
    /// The first row that the program has not been given.
    row: usize,
    ended: bool,
}

/// Output of this batch so far.
struct Output {
    groups: Vec<u64>,
    values: CellBuilder,
}

impl Walk {
    /// Loads the functions.
    pub(crate) fn open(
        py: Python<'_>,
        chain: &ChainSpec,
        (kind, site, sides, most): (&Sequential, &CallSite, &[u32], Option<u64>),
        open: &[BinaryViewArray],
    ) -> Result<Self, HostError> {
        let (name, functions, zero) = match kind {
            Sequential::Accumulate { zero, step } => ("accumulate", vec![step], Some(zero)),
            Sequential::Reduce(step) => ("reduce", vec![step], None),
            Sequential::Transform { init, step, done } => ("transform", vec![init, step, done], None),
            Sequential::Transformer(instance) => ("transformer", vec![instance], None),
            Sequential::Whole(function) => ("whole", vec![function], None),
        };
        let built = (|| {
            let describe = Describe::new(py)?;
            let step = describe.step(name, &functions, site, sides)?;
            let start = zero.map(|zero| PyBytes::new(py, &zero.function.pickled));
            let callable = zero.is_some_and(|zero| zero.callable);
            let arguments = (name, step, describe.sides(&chain.sides, open)?, start, callable);
            let walk = py.import("nestflow.host.sequential")?.call_method1("build", arguments)?;
            let out = walk.getattr("out")?.cast_into::<PyList>()?;
            Ok((walk.unbind(), out.unbind()))
        })();
        let (walk, out) = built.map_err(|error| unloadable(py, &error))?;
        let schema = Schema::new(vec![Field::new("g", DataType::UInt64, false), cell_field("v")]);
        Ok(Walk {
            walk,
            out,
            sides: by_column(chain).into_iter().map(|(name, shape)| ColumnSide::new(name, shape)).collect(),
            group: None,
            speaking: 0,
            paused: None,
            enough: false,
            most: most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)),
            given: 0,
            room: FIRST,
            schema: Arc::new(schema),
            under_way: None,
            counts: Counts::default(),
        })
    }

    /// The next rows of an input: all, or as many as a batch should have.
    fn run(&mut self, py: Python<'_>, under_way: &mut UnderWay) -> Result<Output, HostError> {
        let kinds = ours(kinds(py))?;
        let input = under_way.input.clone();
        let values = cells(&input, "v")?;
        let columns =
            self.sides.iter().map(|side| cells(&input, &side.name)).collect::<Result<Vec<_>, _>>()?;
        let groups = input.column_by_name("g").and_then(|column| column.as_primitive_opt::<UInt64Type>());
        let groups = groups.ok_or_else(|| HostError::Internal("no column g".to_owned()))?.values();
        let mut output = Output { groups: Vec::new(), values: CellBuilder::default() };
        while output.groups.len() < MOST_ROWS && output.values.bytes() < MOST_BYTES {
            if self.go_on(py, &mut output)? {
                continue;
            }
            let Some(&group) = groups.get(under_way.row) else {
                // An input without rows says that there will be no more.
                if groups.is_empty() && self.group.is_some() {
                    self.end(py)?;
                    continue;
                }
                under_way.ended = true;
                break;
            };
            if self.group != Some(group) {
                match self.group {
                    Some(_) => self.end(py)?,
                    None => self.begin(py, group, &columns, under_way.row)?,
                }
                continue;
            }
            let group_end = under_way.row + groups[under_way.row..].partition_point(|&other| other == group);
            if self.enough {
                under_way.row = group_end;
                continue;
            }
            let (rows, bytes) = chunk(values, under_way.row, group_end);
            under_way.row = rows.end;
            let rows: Vec<usize> = rows.filter(|&row| values.is_valid(row)).collect();
            if !rows.is_empty() {
                let records = decode::list_of(py, values, rows.into_iter(), kinds.missing.bind(py));
                self.call(py, "feed", (ours(records)?, bytes))?;
                pin::offer(py);
            }
        }
        Ok(output)
    }

    /// Takes what has come out, and lets a program that has paused go on. Whether one had.
    fn go_on(&mut self, py: Python<'_>, output: &mut Output) -> Result<bool, HostError> {
        let (rows, bytes) = (output.groups.len(), output.values.bytes());
        self.take(py, output)?;
        let (rows, bytes) = (output.groups.len() - rows, output.values.bytes() - bytes);
        if rows > 0 {
            let fit = (PART_BYTES * rows).checked_div(bytes).unwrap_or(PART_ROWS);
            self.room = fit.clamp(1, PART_ROWS.min(self.room * FIRST));
            ours(
                self.walk.bind(py).getattr(intern!(py, "room")).and_then(|room| room.set_item(0, self.room)),
            )?;
        }
        self.given += rows;
        if self.given >= self.most {
            (self.paused, self.enough) = (None, true);
        }
        let Some(paused) = &self.paused else { return Ok(false) };
        let next = ours(paused.bind(py).cast::<PyIterator>().map_err(PyErr::from))?.clone().next();
        if let Some(paused) = next {
            paused.map_err(|error| raised(py, &error, self.walk.bind(py), None))?;
            return Ok(true);
        }
        self.paused = None;
        self.look(py)?;
        Ok(true)
    }

    /// Calls a method of the program, which may pause.
    fn call<'py>(
        &mut self,
        py: Python<'py>,
        method: &str,
        arguments: impl PyCallArgs<'py>,
    ) -> Result<(), HostError> {
        let paused = self.walk.bind(py).call_method1(method, arguments);
        let paused = paused.map_err(|error| raised(py, &error, self.walk.bind(py), None))?;
        self.paused = (!paused.is_none()).then(|| paused.unbind());
        self.look(py)
    }

    /// Looks whether the group in hand needs more records.
    fn look(&mut self, py: Python<'_>) -> Result<(), HostError> {
        let enough = self.walk.bind(py).getattr(intern!(py, "enough")).and_then(|enough| enough.extract());
        self.enough = ours(enough)? || self.given >= self.most;
        Ok(())
    }

    fn begin(
        &mut self,
        py: Python<'_>,
        group: u64,
        columns: &[&BinaryViewArray],
        row: usize,
    ) -> Result<(), HostError> {
        let kinds = ours(kinds(py))?;
        let mut sides = Vec::with_capacity(columns.len());
        for (side, column) in self.sides.iter_mut().zip(columns) {
            sides.push(ours(side.object(py, kinds, cell_at(column, row)))?);
        }
        (self.group, self.speaking, self.given) = (Some(group), group, 0);
        self.call(py, "begin", (sides,))
    }

    /// Ends the group in hand.
    fn end(&mut self, py: Python<'_>) -> Result<(), HostError> {
        self.group = None;
        if self.given >= self.most {
            // Nobody wants what it would say; the next group begins anew.
            return Ok(());
        }
        self.call(py, "end", ())
    }

    /// Moves what has gathered to the output of its group.
    fn take(&self, py: Python<'_>, output: &mut Output) -> Result<(), HostError> {
        let out = self.out.bind(py);
        if out.is_empty() {
            return Ok(());
        }
        for value in out.iter() {
            fast::append_value(&value, &mut output.values)
                .map_err(|error| unfit(py, &error, self.walk.bind(py), 0, &value, "value"))?;
            output.groups.push(self.speaking);
        }
        ours(out.del_slice(0, out.len()))
    }

    fn batch(&self, mut output: Output) -> Result<RecordBatch, HostError> {
        let values = output.values.finish().map_err(|error| HostError::Data(error.to_string()))?;
        let groups = UInt64Array::from(output.groups);
        RecordBatch::try_new(Arc::clone(&self.schema), vec![Arc::new(groups), Arc::new(values)])
            .map_err(|error| HostError::Internal(error.to_string()))
    }
}

impl OpenChain for Walk {
    fn credits(&self) -> usize {
        1
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        self.under_way = Some(UnderWay { input, row: 0, ended: false });
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        let under_way = self.under_way.take();
        let mut under_way = under_way.ok_or_else(|| HostError::Internal("pull without a push".to_owned()))?;
        let (output, counts) = pin::attach(|py| counted(py, || self.run(py, &mut under_way)))?;
        self.counts.add(counts);
        self.under_way = Some(under_way).filter(|it| !it.ended);
        self.batch(output)
    }

    fn more(&self) -> bool {
        self.under_way.is_some()
    }

    fn enough(&self) -> bool {
        self.enough
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        let (rest, counts) = pin::attach(|py| {
            counted(py, || {
                let mut output = Output { groups: Vec::new(), values: CellBuilder::default() };
                if self.group.is_some() {
                    self.end(py)?;
                }
                while self.go_on(py, &mut output)? {}
                Ok(output)
            })
        })?;
        self.counts.add(counts);
        self.batch(rest).map(Some)
    }

    fn counted(&mut self) -> Counts {
        self.counts.take()
    }
}
