//! Record programs: chunk by chunk through one generated driver.
//!
//! Where a record gives more rows than a batch should have, the driver pauses in the middle of it.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryViewArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use nestflow_batch::columns::{CellBuilder, cell_field};
use nestflow_chain::{ChainSpec, Counts, Emit, HostError, OpenChain, Program, Step, StepKind};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::chunk::chunk;
use crate::counting::counted;
use crate::failure::{raised, unfit, unloadable};
use crate::kinds::{Kinds, kinds};
use crate::markers::Markers;
use crate::native::Native;
use crate::program::{Describe, by_column, cells, ours};
use crate::rows::{Layout, Part, Rows, Unfit};
use crate::sides::ColumnSide;
use crate::walk::Walk;
use crate::{decode, pin};

/// The most rows that a driver gives at once.
const PART_ROWS: usize = 1024;
/// So many rows come out at once where a record can give many, before it is known how large they are;
/// soon it is a multiple of this.
const FIRST: usize = 8;
/// So many bytes of rows come out at once where they are as large as those before.
const PART_BYTES: usize = 1 << 20;
/// A batch with so many rows or bytes goes out, whatever is still to come of its input.
const MOST_ROWS: usize = 64 << 10;
const MOST_BYTES: usize = 4 << 20;

/// How a driver gives its rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One row, or none, for each record.
    Rows,
    /// Part by part: rows, and for each record that ended how many there were after it.
    Ends,
}

/// An opened record program.
pub(crate) struct Records {
    driver: Py<PyAny>,
    run: Py<PyAny>,
    shape: Shape,
    one_to_one: bool,
    layout: Arc<Layout>,
    schema: SchemaRef,
    sides: Vec<ColumnSide>,
    /// How many rows the driver should give at once.
    room: usize,
    /// More rows of one record than so many are not asked for.
    most: usize,
    native: Option<Native>,
    markers: Option<Markers>,
    under_way: Option<UnderWay>,
    counts: Counts,
}

/// The columns of rows, and the input row that each came from where that is not its own.
type Stored = (Vec<CellBuilder>, Option<Vec<u32>>);

/// An input whose rows have not all come out.
struct UnderWay {
    input: RecordBatch,
    /// The first row that has not all come out.
    row: usize,
    /// The chunk that it is in, if the driver has begun it.
    walk: Option<Walk>,
}

impl Records {
    /// Generates the driver.
    pub(crate) fn open(
        py: Python<'_>,
        chain: &ChainSpec,
        (steps, emit, keep_groups_from): (&[Step], &Emit, Option<u32>),
        open: &[BinaryViewArray],
    ) -> Result<Self, HostError> {
        let built = (|| {
            let arguments = described(&Describe::new(py)?, chain, (steps, emit, keep_groups_from), open)?;
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
            layout: Arc::new(layout),
            sides: by_column(chain).into_iter().map(|(name, shape)| ColumnSide::new(name, shape)).collect(),
            room: FIRST,
            most: most_of(&chain.program),
            native: Native::of(steps, emit),
            under_way: None,
            counts: Counts::default(),
        })
    }

    /// The next rows of an input: all, or as many as a batch should have.
    fn run(&mut self, py: Python<'_>, under_way: &mut UnderWay) -> Result<Stored, HostError> {
        let kinds = ours(kinds(py))?;
        let input = under_way.input.clone();
        let values = cells(&input, "v")?;
        let row = &mut under_way.row;
        let layout = Arc::clone(&self.layout);
        let mut rows = Rows::new(kinds, &layout, self.one_to_one, values.len());
        loop {
            let mut walk = match under_way.walk.take() {
                Some(walk) => walk,
                None if *row == values.len() => break,
                None => {
                    pin::offer(py);
                    self.begin(py, kinds, &input, *row)?
                }
            };
            let driver = self.driver.bind(py);
            let misfit = |it: Unfit<'_>| unfit(py, &it.error, driver, it.part, &it.value, it.role);
            if self.shape == Shape::Rows {
                walk.store_all(py, &mut rows, values, row).map_err(misfit)?;
                continue;
            }
            let part = walk.next_part(py).map_err(|error| {
                let at = (walk.iterator.bind(py), walk.records.bind(py));
                raised(py, &error, driver, Some(at))
            })?;
            let Some(part) = part else {
                walk.store_markers(&mut rows, values, row);
                *row = walk.end;
                continue;
            };
            let (length, bytes) = (rows.len(), rows.bytes());
            walk.store_part(&mut rows, values, row, &part).map_err(misfit)?;
            let (length, bytes) = (rows.len() - length, rows.bytes() - bytes);
            if length > 0 {
                // Of records that are only counted the size is not known.
                let fit = (PART_BYTES * length).checked_div(bytes).unwrap_or(FIRST * FIRST);
                self.room = fit.clamp(1, PART_ROWS.min(self.room * FIRST).min(self.most.max(FIRST)));
                ours(walk.room.bind(py).set_item(0, self.room))?;
            }
            if walk.given >= self.most {
                let next = walk.next_record(py, &self.run, row);
                let at = (walk.iterator.bind(py), walk.records.bind(py));
                next.map_err(|error| raised(py, &error, driver, Some(at)))?;
            }
            under_way.walk = Some(walk);
            if rows.len() >= MOST_ROWS || rows.bytes() >= MOST_BYTES {
                break;
            }
        }
        Ok((rows.columns, rows.origin))
    }

    /// Hands the records of the next chunk to the driver.
    fn begin(
        &mut self,
        py: Python<'_>,
        kinds: &Kinds,
        input: &RecordBatch,
        row: usize,
    ) -> Result<Walk, HostError> {
        let values = cells(input, "v")?;
        let (rows, _) = chunk(values, row, values.len());
        let end = rows.end;
        let chunk: Vec<usize> = rows.filter(|&row| values.is_valid(row)).collect();
        let mut frozen = Vec::with_capacity(chunk.len());
        let records = ours(decode::records(py, values, &chunk, &mut frozen))?;
        let iterator = ours(records.try_iter())?.into_any();
        let room = ours(PyList::new(py, [self.room]))?;
        let mut arguments = vec![iterator.clone()];
        if self.shape == Shape::Ends {
            arguments.push(room.clone().into_any());
        }
        for side in &mut self.sides {
            let column = cells(input, &side.name)?;
            let values = ours(side.list(py, kinds, column, chunk.iter().copied()))?;
            arguments.push(ours(values.try_iter())?.into_any());
        }
        let arguments = ours(PyTuple::new(py, arguments))?;
        let result = self.run.bind(py).call1(&arguments);
        let driver = self.driver.bind(py);
        let result = result.map_err(|error| raised(py, &error, driver, Some((&iterator, &records))))?;
        Ok(Walk {
            end,
            records: records.unbind(),
            iterator: iterator.unbind(),
            frozen,
            record: 0,
            limited: self.most < usize::MAX,
            given: 0,
            arguments: arguments.unbind(),
            room: room.unbind(),
            result: result.unbind(),
        })
    }

    fn batch(&self, (columns, origin): Stored, input: usize) -> Result<RecordBatch, HostError> {
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

/// How many rows of one record are of use; one at least, so that a record is over only when it gave that many.
fn most_of(program: &Program) -> usize {
    match program {
        Program::Records { most: Some(most), .. } => usize::try_from(*most).unwrap_or(usize::MAX).max(1),
        _ => usize::MAX,
    }
}

/// A program as the Python half takes it: steps, what comes out and by which key, the first step whose
/// drops are kept, side inputs.
fn described<'py>(
    describe: &Describe<'py>,
    chain: &ChainSpec,
    (steps, emit, keep_groups_from): (&[Step], &Emit, Option<u32>),
    open: &[BinaryViewArray],
) -> PyResult<Bound<'py, PyTuple>> {
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
    let sides = describe.sides(&chain.sides, open)?;
    (describe.steps(steps)?, name, order, keep_groups_from, sides).into_pyobject(describe.py)
}

/// The code that is written for a record program, for people; empty where there is none.
pub fn source(py: Python<'_>, chain: &ChainSpec) -> PyResult<String> {
    let Program::Records { steps, emit, keep_groups_from, .. } = &chain.program else {
        return Ok(String::new());
    };
    if Native::of(steps, emit).is_some() {
        return Ok(String::new());
    }
    let arguments = described(&Describe::new(py)?, chain, (steps, emit, *keep_groups_from), &[])?;
    py.import("nestflow.host.driver")?.call_method1("source", arguments)?.extract()
}

/// What a driver says of itself: its function, how it gives rows, and what they hold.
fn read_driver(driver: &Bound<'_, PyAny>) -> PyResult<(Py<PyAny>, Shape, Vec<Part>)> {
    let py = driver.py();
    let shape = match driver.getattr(intern!(py, "layout"))?.extract::<String>()?.as_str() {
        "rows" => Shape::Rows,
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
        self.under_way = Some(UnderWay { input, row: 0, walk: None });
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        let under_way = self.under_way.take();
        let mut under_way = under_way.ok_or_else(|| HostError::Internal("pull without a push".to_owned()))?;
        let input = &under_way.input;
        let native = match self.native {
            Some(native) => {
                native.run(cells(input, "v")?).map_err(|error| HostError::Internal(error.to_string()))?
            }
            None => None,
        };
        let mut output = match native {
            Some(columns) => self.batch((columns, None), input.num_rows())?,
            None => {
                let (stored, counts) = pin::attach(|py| counted(py, || self.run(py, &mut under_way)))?;
                self.counts.add(counts);
                self.batch(stored, under_way.input.num_rows())?
            }
        };
        if let Some(markers) = &mut self.markers {
            output = markers.thin_out(&under_way.input, output)?;
        }
        self.under_way = Some(under_way).filter(|it| it.walk.is_some());
        Ok(output)
    }

    fn more(&self) -> bool {
        self.under_way.is_some()
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        Ok(None)
    }
    fn counted(&mut self) -> Counts {
        self.counts.take()
    }
}
