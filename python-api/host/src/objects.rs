//! Records of the client as cells and back: what `parallelize` stores and `get` returns.

use arrow_array::{Array, BinaryViewArray};
use nestflow_batch::columns::CellBuilder;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::kinds::kinds;
use crate::{decode, fast};

/// The records of a list as value cells.
pub fn encode_records(records: &Bound<'_, PyList>) -> PyResult<BinaryViewArray> {
    let mut cells = CellBuilder::with_capacity(records.len());
    for record in records.iter() {
        fast::append_value(&record, &mut cells)?;
    }
    cells.finish().map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The records of a column of value cells; nulls are left out.
pub fn decode_column<'py>(py: Python<'py>, cells: &BinaryViewArray) -> PyResult<Bound<'py, PyList>> {
    let rows: Vec<usize> = (0..cells.len()).filter(|&row| cells.is_valid(row)).collect();
    decode::list_of(py, cells, rows.into_iter(), kinds(py)?.missing.bind(py))
}
