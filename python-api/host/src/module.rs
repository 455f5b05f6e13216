//! The module `nestflow._host`: what worker processes call, and programs on plain objects.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, BinaryViewArray, RecordBatch, UInt32Array, UInt64Array};
use arrow_schema::{Field, Schema};
use nestflow_batch::columns::{CellBuilder, cell_at, cell_field};
use nestflow_chain::wire::decode_chain;
use nestflow_chain::{Host, HostError, OpenChain, Program};
use nestflow_workers::{Options as WorkersOptions, WorkersHost};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use crate::host::InProcessHost;
use crate::kinds::kinds;
use crate::{exception, fast, objects};

/// What worker processes import.
#[pymodule]
pub mod _host {
    #[pymodule_export]
    use super::{decode, encode, try_program};
    #[pymodule_export]
    use crate::native_functions::{NativeBatchCall, NativeCall, NativeFile};
    #[pymodule_export]
    use crate::own::{Own, append_own};
    #[pymodule_export]
    use crate::worker::{end_with_parent, run_worker};
}

/// The value cells of objects.
#[pyfunction]
fn encode<'py>(records: &Bound<'py, PyList>) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let cells = objects::encode_records(records)?;
    Ok(cells.iter().flatten().map(|cell| PyBytes::new(records.py(), cell)).collect())
}

/// The objects of value cells.
#[pyfunction]
fn decode<'py>(py: Python<'py>, cells: Vec<Bound<'py, PyBytes>>) -> PyResult<Bound<'py, PyList>> {
    let mut column = CellBuilder::with_capacity(cells.len());
    cells.iter().for_each(|cell| column.append(cell.as_bytes()));
    let column = column.finish().map_err(|error| PyValueError::new_err(error.to_string()))?;
    objects::decode_column(py, &column)
}

/// Runs an encoded program in this process: for tests and for looking at a program by itself.
///
/// `sides` holds the records of each open side; each batch holds a list of objects per column
/// (`MISSING` for null; `g` are group numbers). Gives the columns of each batch that comes out as
/// cells, `None` for null, the last from the end of the program, if it has one. With the command
/// line of a worker it runs in one.
#[pyfunction]
#[pyo3(signature = (chain, sides, batches, worker = None))]
fn try_program<'py>(
    py: Python<'py>,
    chain: &[u8],
    sides: Vec<Bound<'py, PyList>>,
    batches: Vec<Bound<'py, PyDict>>,
    worker: Option<Vec<String>>,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let chain = decode_chain(chain).map_err(PyValueError::new_err)?;
    let wide = matches!(chain.program, Program::Sequential { .. });
    let sides = sides.iter().map(|side| batch_of(vec![("v".to_owned(), cell_array(side)?)]));
    let sides = sides.collect::<PyResult<Vec<_>>>()?;
    let batches = batches.iter().map(|batch| input(batch, wide)).collect::<PyResult<Vec<_>>>()?;
    let host: Box<dyn Host> = match worker.as_deref() {
        None => Box::new(InProcessHost),
        Some([program, arguments @ ..]) => {
            let arguments = arguments.iter().map(Into::into).collect();
            Box::new(WorkersHost::new(WorkersOptions {
                workers: 1,
                ..WorkersOptions::new(program, arguments)
            })?)
        }
        Some([]) => return Err(PyValueError::new_err("a worker needs a command line")),
    };
    let outputs = py.detach(|| -> Result<_, HostError> {
        let mut outputs = Vec::new();
        let mut open = host.open(&chain, sides)?;
        let mut due = 0;
        let mut pull = |open: &mut dyn OpenChain| -> Result<(), HostError> {
            outputs.push(open.pull()?);
            while open.more() {
                outputs.push(open.pull()?);
            }
            Ok(())
        };
        for batch in batches {
            open.push(batch)?;
            due += 1;
            if due == open.credits() {
                pull(open.as_mut())?;
                due -= 1;
            }
        }
        for _ in 0..due {
            pull(open.as_mut())?;
        }
        outputs.extend(open.finish()?);
        drop(open);
        drop(host);
        Ok(outputs)
    });
    let outputs = outputs.map_err(|error| raise(py, error))?;
    outputs.iter().map(|batch| output(py, batch)).collect()
}

fn raise(py: Python<'_>, error: HostError) -> PyErr {
    match error {
        HostError::User(error) => exception(py, &error),
        other => PyValueError::new_err(other.to_string()),
    }
}

fn input(columns: &Bound<'_, PyDict>, wide: bool) -> PyResult<RecordBatch> {
    let mut arrays = Vec::new();
    for (name, column) in columns.iter() {
        let name: String = name.extract()?;
        let array: ArrayRef = match (name.as_str(), wide) {
            ("g", true) => Arc::new(UInt64Array::from(column.extract::<Vec<u64>>()?)),
            ("g", false) => Arc::new(UInt32Array::from(column.extract::<Vec<u32>>()?)),
            _ => Arc::new(cells(column.cast::<PyList>()?)?),
        };
        arrays.push((name, array));
    }
    batch_of(arrays)
}

fn batch_of(columns: Vec<(String, ArrayRef)>) -> PyResult<RecordBatch> {
    let field = |(name, array): &(String, ArrayRef)| {
        if array.as_binary_view_opt().is_some() {
            return cell_field(name);
        }
        Field::new(name, array.data_type().clone(), false)
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).map_err(|error| PyValueError::new_err(error.to_string()))
}

fn cell_array(records: &Bound<'_, PyList>) -> PyResult<ArrayRef> {
    Ok(Arc::new(cells(records)?))
}

fn cells(records: &Bound<'_, PyList>) -> PyResult<BinaryViewArray> {
    let missing = &kinds(records.py())?.missing;
    let mut cells = CellBuilder::default();
    for record in records.iter() {
        if record.is(missing) {
            cells.append_null();
        } else {
            fast::append_value(&record, &mut cells)?;
        }
    }
    cells.finish().map_err(|error| PyValueError::new_err(error.to_string()))
}

fn output<'py>(py: Python<'py>, batch: &RecordBatch) -> PyResult<Bound<'py, PyDict>> {
    let columns = PyDict::new(py);
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let list = if let Some(cells) = column.as_binary_view_opt() {
            let cells = (0..cells.len()).map(|row| cell_at(cells, row).map(|cell| PyBytes::new(py, cell)));
            PyList::new(py, cells)?
        } else if let Some(numbers) = column.as_primitive_opt::<UInt32Type>() {
            PyList::new(py, numbers.values())?
        } else {
            PyList::new(py, column.as_primitive::<UInt64Type>().values())?
        };
        columns.set_item(field.name(), list)?;
    }
    Ok(columns)
}
