//! Sequential programs: group after group, with a status that stays in the interpreter.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, BinaryViewArray, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use nestflow_batch::columns::{CellBuilder, cell_at, cell_field};
use nestflow_chain::{CallSite, ChainSpec, Counts, HostError, OpenChain, Sequential};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::chunk::chunk;
use crate::counting::counted;
use crate::failure::{raised, unfit, unloadable};
use crate::kinds::kinds;
use crate::program::{Describe, by_column, cells, ours};
use crate::sides::ColumnSide;
use crate::{fast, pin};

/// An opened sequential program.
pub(crate) struct Walk {
    /// The program in Python, and the list in which its output gathers.
    walk: Py<PyAny>,
    out: Py<PyList>,
    sides: Vec<ColumnSide>,
    /// The group in hand.
    group: Option<u64>,
    schema: SchemaRef,
    done: VecDeque<RecordBatch>,
    counts: Counts,
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
        (kind, site, sides): (&Sequential, &CallSite, &[u32]),
        open: &[BinaryViewArray],
    ) -> Result<Self, HostError> {
        let kinds = ours(kinds(py))?;
        let (name, functions, zero) = match kind {
            Sequential::Accumulate { zero, step } => ("accumulate", vec![step], Some(zero)),
            Sequential::Reduce(step) => ("reduce", vec![step], None),
            Sequential::Transform { init, step, done } => ("transform", vec![init, step, done], None),
            Sequential::Transformer(instance) => ("transformer", vec![instance], None),
            Sequential::Whole(function) => ("whole", vec![function], None),
        };
        let built = (|| {
            let describe = Describe::new(py, kinds)?;
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
            schema: Arc::new(schema),
            done: VecDeque::new(),
            counts: Counts::default(),
        })
    }

    fn run(&mut self, py: Python<'_>, input: &RecordBatch) -> Result<RecordBatch, HostError> {
        let kinds = ours(kinds(py))?;
        let values = cells(input, "v")?;
        let columns =
            self.sides.iter().map(|side| cells(input, &side.name)).collect::<Result<Vec<_>, _>>()?;
        let groups = input.column_by_name("g").and_then(|column| column.as_primitive_opt::<UInt64Type>());
        let groups = groups.ok_or_else(|| HostError::Internal("no column g".to_owned()))?.values();
        let mut output = Output { groups: Vec::new(), values: CellBuilder::default() };
        let mut start = 0;
        while start < groups.len() {
            let group = groups[start];
            if self.group != Some(group) {
                self.end(py, &mut output)?;
                self.begin(py, group, &columns, start, &mut output)?;
            }
            let group_end = start + groups[start..].partition_point(|&other| other == group);
            let (rows, bytes) = chunk(values, start, group_end);
            start = rows.end;
            let rows: Vec<usize> = rows.filter(|&row| values.is_valid(row)).collect();
            if !rows.is_empty() {
                let records = fast::list_of(py, values, rows.into_iter(), kinds.missing.bind(py));
                let fed = self.walk.call_method1(py, intern!(py, "feed"), (ours(records)?, bytes));
                fed.map_err(|error| raised(py, &error, self.walk.bind(py), None))?;
                self.take(py, group, &mut output)?;
            }
        }
        self.batch(output)
    }

    fn begin(
        &mut self,
        py: Python<'_>,
        group: u64,
        columns: &[&BinaryViewArray],
        row: usize,
        output: &mut Output,
    ) -> Result<(), HostError> {
        let kinds = ours(kinds(py))?;
        let mut sides = Vec::with_capacity(columns.len());
        for (side, column) in self.sides.iter_mut().zip(columns) {
            sides.push(ours(side.object(py, kinds, cell_at(column, row)))?);
        }
        let begun = self.walk.call_method1(py, intern!(py, "begin"), (sides,));
        begun.map_err(|error| raised(py, &error, self.walk.bind(py), None))?;
        self.group = Some(group);
        self.take(py, group, output)
    }

    /// Ends the group in hand.
    fn end(&mut self, py: Python<'_>, output: &mut Output) -> Result<(), HostError> {
        let Some(group) = self.group.take() else { return Ok(()) };
        let ended = self.walk.call_method0(py, intern!(py, "end"));
        ended.map_err(|error| raised(py, &error, self.walk.bind(py), None))?;
        self.take(py, group, output)
    }

    /// Moves what has gathered to the output of the group.
    fn take(&self, py: Python<'_>, group: u64, output: &mut Output) -> Result<(), HostError> {
        let out = self.out.bind(py);
        if out.is_empty() {
            return Ok(());
        }
        for value in out.iter() {
            fast::put_value(&value, output.values.buffer())
                .map_err(|error| unfit(py, &error, self.walk.bind(py), 0, &value, "value"))?;
            output.values.commit();
            output.groups.push(group);
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
        let (output, counts) = pin::attach(|py| counted(py, || self.run(py, &input)))?;
        self.done.push_back(output);
        self.counts.add(counts);
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        self.done.pop_front().ok_or_else(|| HostError::Internal("pull without a push".to_owned()))
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        let (rest, counts) = pin::attach(|py| {
            counted(py, || {
                let mut output = Output { groups: Vec::new(), values: CellBuilder::default() };
                self.end(py, &mut output)?;
                self.batch(output)
            })
        })?;
        self.counts.add(counts);
        Ok(Some(rest))
    }
    fn counted(&mut self) -> Counts {
        self.counts.take()
    }
}
