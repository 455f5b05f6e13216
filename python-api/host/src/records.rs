//! Record programs: chunk by chunk through one generated driver.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryViewArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use nestflow_batch::columns::{CellBuilder, cell_field};
use nestflow_chain::{ChainSpec, Emit, HostError, OpenChain, Step, StepKind};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::failure::{raised, unfit, unloadable};
use crate::kinds::kinds;
use crate::markers::Markers;
use crate::native::Native;
use crate::program::{Describe, by_column, cells, ours};
use crate::rows::{Given, Layout, Part, Rows, Unfit};
use crate::sides::ColumnSide;
use crate::{fast, pin};

/// So many records are objects at a time: more of them would leave the processor's cache.
pub(crate) const CHUNK: usize = 1024;
/// So few go in where each gives many.
const SMALLEST: usize = 32;

/// How a driver gives its rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One row, or none, for each record.
    Rows,
    /// A sequence of rows for each record.
    Nested,
    /// All rows, and for each record how many there were after it.
    Ends,
}

/// An opened record program.
pub(crate) struct Records {
    driver: Py<PyAny>,
    run: Py<PyAny>,
    shape: Shape,
    one_to_one: bool,
    layout: Layout,
    schema: SchemaRef,
    sides: Vec<ColumnSide>,
    /// Records that become objects at a time: fewer where each gives many rows.
    chunk: usize,
    native: Option<Native>,
    markers: Option<Markers>,
    done: VecDeque<RecordBatch>,
}

impl Records {
    /// Generates the driver.
    pub(crate) fn open(
        py: Python<'_>,
        chain: &ChainSpec,
        (steps, emit, keep_groups_from): (&[Step], &Emit, Option<u32>),
        open: &[BinaryViewArray],
    ) -> Result<Self, HostError> {
        let kinds = ours(kinds(py))?;
        let built = (|| {
            let describe = Describe::new(py, kinds)?;
            let (name, order) = match emit {
                Emit::Nothing => ("nothing", None),
                Emit::Value => ("value", None),
                Emit::Key => ("key", None),
                Emit::Pair => ("pair", None),
                Emit::Ordered { key, site, .. } => {
                    let step = key.as_ref().map(|key| describe.step("order", &[key], site, &[]));
                    ("ordered", step.transpose()?)
                }
            };
            let arguments =
                (describe.steps(steps)?, name, order, keep_groups_from, describe.sides(&chain.sides, open)?);
            py.import("nestflow.host.driver")?.call_method1("build", arguments)
        })();
        let driver = built.map_err(|error| unloadable(py, &error))?;
        let (run, shape, parts) = ours(read_driver(&driver))?;
        let one_to_one = !steps.iter().any(|step| {
            matches!(step.kind, StepKind::Filter(_) | StepKind::FlatMap(_) | StepKind::Foreach(_))
        });
        let reverse = matches!(emit, Emit::Ordered { reverse: true, .. });
        let layout = Layout::new(&parts, reverse);
        let origin = (!one_to_one).then(|| Field::new("origin", DataType::UInt32, false));
        let fields = origin.into_iter().chain(layout.names.iter().map(cell_field));
        Ok(Records {
            driver: driver.unbind(),
            run,
            shape,
            one_to_one,
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            markers: keep_groups_from.filter(|_| !one_to_one).map(|_| Markers::new(&layout.names)),
            layout,
            sides: by_column(chain).into_iter().map(|(name, shape)| ColumnSide::new(name, shape)).collect(),
            chunk: CHUNK,
            native: Native::of(steps, emit),
            done: VecDeque::new(),
        })
    }

    fn run(&mut self, py: Python<'_>, input: &RecordBatch) -> Result<RecordBatch, HostError> {
        let kinds = ours(kinds(py))?;
        let values = cells(input, "v")?;
        let columns =
            self.sides.iter().map(|side| cells(input, &side.name)).collect::<Result<Vec<_>, _>>()?;
        let mut rows = Rows::new(kinds, &self.layout, self.one_to_one, values.len());
        let mut start = 0;
        while start < values.len() {
            let end = values.len().min(start + self.chunk);
            let before = rows.len();
            let chunk: Vec<usize> = (start..end).filter(|&row| values.is_valid(row)).collect();
            let mut frozen = Vec::with_capacity(chunk.len());
            let records = ours(fast::records(py, values, &chunk, &mut frozen))?;
            let iterator = ours(records.try_iter())?;
            let mut arguments = vec![iterator.clone().into_any()];
            for (side, column) in self.sides.iter_mut().zip(&columns) {
                arguments.push(ours(side.list(py, kinds, column, chunk.iter().copied()))?.into_any());
            }
            let arguments = ours(PyTuple::new(py, arguments))?;
            let driver = self.driver.bind(py);
            let result = self.run.bind(py).call1(arguments);
            let result = result.map_err(|error| raised(py, &error, driver, Some((&iterator, &records))))?;
            let given = |record: usize, row: usize| -> PyResult<Given<'_>> {
                let object = fast::list_item(&records, record)?.as_ptr();
                let unchanged = frozen[record].then(|| (object.cast_const(), values.value(row)));
                Ok(Given { row: row as u32, unchanged })
            };
            self.store(&mut rows, start..end, values, given, &result)
                .map_err(|it| unfit(py, &it.error, driver, it.part, &it.value, it.role))?;
            let made = (rows.len() - before).max(end - start);
            self.chunk = (CHUNK * (end - start) / made).max(SMALLEST);
            start = end;
        }
        self.batch(rows.columns, rows.origin, values.len())
    }

    /// Stores what the driver gave for the rows of a chunk, in their order, markers in between.
    fn store<'a, 'py>(
        &self,
        rows: &mut Rows<'_>,
        chunk: std::ops::Range<usize>,
        values: &BinaryViewArray,
        given: impl Fn(usize, usize) -> PyResult<Given<'a>>,
        result: &Bound<'py, PyAny>,
    ) -> Result<(), Unfit<'py>> {
        let odd = |error: PyErr| Unfit { error, value: result.clone(), part: 0, role: "value" };
        let (list, ends): (Bound<'py, PyList>, Vec<usize>) = if self.shape == Shape::Ends {
            result.extract().map_err(odd)?
        } else {
            (result.cast::<PyList>().map_err(|error| odd(error.into()))?.clone(), Vec::new())
        };
        let (mut record, mut next) = (0, 0);
        for row in chunk {
            if !values.is_valid(row) {
                rows.push_marker(row as u32);
                continue;
            }
            let given = given(record, row).map_err(odd)?;
            match self.shape {
                Shape::Rows => rows.push(given, &*fast::list_item(&list, record).map_err(odd)?)?,
                Shape::Nested => {
                    let inner = fast::list_item(&list, record).map_err(odd)?;
                    // An empty tuple stands for a record that was dropped.
                    let Ok(inner) = (*inner).cast::<PyList>() else {
                        record += 1;
                        continue;
                    };
                    for index in 0..inner.len() {
                        rows.push(given, &*fast::list_item(inner, index).map_err(odd)?)?;
                    }
                }
                Shape::Ends => {
                    let end = ends.get(record).copied().unwrap_or(next);
                    for index in next..end {
                        rows.push(given, &*fast::list_item(&list, index).map_err(odd)?)?;
                    }
                    next = end;
                }
            }
            record += 1;
        }
        Ok(())
    }

    fn batch(
        &self,
        columns: Vec<CellBuilder>,
        origin: Option<Vec<u32>>,
        input: usize,
    ) -> Result<RecordBatch, HostError> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        let length = origin.as_ref().map_or(input, Vec::len);
        arrays.extend(origin.map(|origin| Arc::new(UInt32Array::from(origin)) as ArrayRef));
        for mut column in columns {
            arrays.push(Arc::new(column.finish().map_err(|error| HostError::Data(error.to_string()))?));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(length));
        RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)
            .map_err(|error| HostError::Internal(error.to_string()))
    }
}

/// What a driver says of itself: its function, how it gives rows, and what they hold.
fn read_driver(driver: &Bound<'_, PyAny>) -> PyResult<(Py<PyAny>, Shape, Vec<Part>)> {
    let py = driver.py();
    let shape = match driver.getattr(intern!(py, "layout"))?.extract::<String>()?.as_str() {
        "rows" => Shape::Rows,
        "nested" => Shape::Nested,
        "ends" => Shape::Ends,
        other => return Err(PyValueError::new_err(format!("unknown layout {other}"))),
    };
    let mut parts = Vec::new();
    for name in driver.getattr(intern!(py, "parts"))?.extract::<Vec<String>>()? {
        let part = Part::named(&name);
        parts.push(part.ok_or_else(|| PyValueError::new_err(format!("unknown part {name}")))?);
    }
    Ok((driver.getattr(intern!(py, "run"))?.unbind(), shape, parts))
}

impl OpenChain for Records {
    fn credits(&self) -> usize {
        1
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        let native = match self.native {
            Some(native) => {
                native.run(cells(&input, "v")?).map_err(|error| HostError::Internal(error.to_string()))?
            }
            None => None,
        };
        let mut output = match native {
            Some(columns) => self.batch(columns, None, input.num_rows())?,
            None => pin::attach(|py| self.run(py, &input))?,
        };
        if let Some(markers) = &mut self.markers {
            output = markers.thin_out(&input, output)?;
        }
        self.done.push_back(output);
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        self.done.pop_front().ok_or_else(|| HostError::Internal("pull without a push".to_owned()))
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        Ok(None)
    }
}
