//! Programs as the Python half of the host takes them: plain tuples of `nestflow.host.program`.

use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryViewArray, RecordBatch};
use nestflow_chain::{CallSite, ChainSpec, Function, HostError, Side, SideFrom, SideShape, Step, StepKind};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use crate::decode;
use crate::failure::internal;
use crate::remembered::remembered;

/// Makes the Python side of a program.
pub(crate) struct Describe<'py> {
    pub(crate) py: Python<'py>,
    module: Bound<'py, PyModule>,
}

impl<'py> Describe<'py> {
    pub(crate) fn new(py: Python<'py>) -> PyResult<Self> {
        Ok(Describe { py, module: py.import("nestflow.host.program")? })
    }

    /// A `UserFunction`.
    pub(crate) fn function(&self, function: &Function) -> PyResult<Bound<'py, PyAny>> {
        let pickled = PyBytes::new(self.py, &function.pickled);
        self.module.getattr("UserFunction")?.call1((&function.name, pickled))
    }

    /// A `Step` of any kind.
    pub(crate) fn step(
        &self,
        kind: &str,
        functions: &[&Function],
        site: &CallSite,
        sides: &[u32],
    ) -> PyResult<Bound<'py, PyAny>> {
        let functions = functions.iter().map(|f| self.function(f)).collect::<PyResult<Vec<_>>>()?;
        let site =
            self.module.getattr("Site")?.call1((&site.file, site.line, &site.function, &site.transform))?;
        let sides = PyTuple::new(self.py, sides)?;
        self.module.getattr("Step")?.call1((kind, PyTuple::new(self.py, functions)?, site, sides))
    }

    /// The steps of a record program.
    pub(crate) fn steps(&self, steps: &[Step]) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(self.py);
        for Step { kind, site, sides } in steps {
            let (name, functions) = match kind {
                StepKind::Map(function) => ("map", vec![function]),
                StepKind::FlatMap(function) => ("flat_map", vec![function]),
                StepKind::Filter(function) => ("filter", vec![function]),
                StepKind::Foreach(function) => ("foreach", vec![function]),
                StepKind::KeyBy { key, value: None } => ("key_by", vec![key]),
                StepKind::KeyBy { key, value: Some(value) } => ("key_by", vec![key, value]),
                StepKind::Split => ("split", vec![]),
            };
            list.append(self.step(name, &functions, site, sides)?)?;
        }
        Ok(list)
    }

    /// The side inputs; `open` holds the batches of those that are given when the chain is opened.
    pub(crate) fn sides(&self, sides: &[Side], open: &[BinaryViewArray]) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(self.py);
        let mut open = open.iter();
        for Side { shape, from } in sides {
            let shape = match shape {
                SideShape::Value => "value",
                SideShape::Sequence => "sequence",
            };
            let (records, column) = match from {
                SideFrom::Column(column) => (None, i64::from(*column)),
                SideFrom::Open => {
                    let records = match open.next() {
                        Some(cells) => self.records(cells)?,
                        None => PyList::empty(self.py),
                    };
                    (Some(records), 0)
                }
            };
            list.append(self.module.getattr("Side")?.call1((shape, records, column))?)?;
        }
        Ok(list)
    }

    /// The records of a column; markers are none.
    fn records(&self, cells: &BinaryViewArray) -> PyResult<Bound<'py, PyList>> {
        remembered(self.py, cells, || {
            let rows: Vec<usize> = (0..cells.len()).filter(|&row| cells.is_valid(row)).collect();
            let mut frozen = Vec::with_capacity(rows.len());
            let list = decode::records(self.py, cells, &rows, &mut frozen)?;
            Ok((list, frozen.into_iter().all(|frozen| frozen != 0)))
        })
    }
}

/// The cells of the open sides.
pub(crate) fn open_cells(sides: &[RecordBatch]) -> Result<Vec<BinaryViewArray>, HostError> {
    sides.iter().map(|batch| cells(batch, "v").cloned()).collect()
}

/// A column of cells.
pub(crate) fn cells<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a BinaryViewArray, HostError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_binary_view_opt());
    column.ok_or_else(|| HostError::Internal(format!("a batch for a host lacks the cell column {name}")))
}

/// The side inputs of a chain that come by column, and how each is shown.
pub(crate) fn by_column(chain: &ChainSpec) -> Vec<(String, SideShape)> {
    let columns = chain.sides.iter().filter_map(|side| match side.from {
        SideFrom::Column(column) => Some((column, side.shape)),
        SideFrom::Open => None,
    });
    let mut columns: Vec<_> = columns.collect();
    columns.sort_by_key(|(column, _)| *column);
    columns.into_iter().map(|(column, shape)| (format!("x{column}"), shape)).collect()
}

/// An exception of our own Python code while a program is opened or run.
pub(crate) fn ours<T>(result: PyResult<T>) -> Result<T, HostError> {
    result.map_err(|error| internal(&error))
}
