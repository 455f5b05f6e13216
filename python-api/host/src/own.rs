//! What a function gives while it goes on, taken as it is then, whatever happens to it afterwards: a status
//! that is emitted and then changed, a list that a generator fills again. Rows gather before they are stored,
//! and would all be seen in their last state.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator, PyList, PyTuple};

use crate::kinds::{Kinds, kinds};

/// What is nested deeper, or contains itself, Python copies.
const DEEPEST: usize = 8;

/// Appends a record to rows.
#[pyfunction]
pub(crate) fn append_own<'py>(rows: &Bound<'py, PyList>, record: Bound<'py, PyAny>) -> PyResult<()> {
    rows.append(own(kinds(rows.py())?, record, 0)?)
}

/// An iterator of what another one gives.
#[pyclass(frozen, module = "nestflow._host")]
pub(crate) struct Own(Py<PyIterator>);

#[pymethods]
impl Own {
    #[new]
    fn new(records: &Bound<'_, PyAny>) -> PyResult<Own> {
        Ok(Own(records.try_iter()?.unbind()))
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let next = self.0.bind(py).clone().next().transpose()?;
        next.map(|record| own(kinds(py)?, record, 0)).transpose()
    }
}

/// The record itself if nobody can change it, else a copy.
fn own<'py>(kinds: &Kinds, record: Bound<'py, PyAny>, depth: usize) -> PyResult<Bound<'py, PyAny>> {
    if kinds.is_native(&record) {
        return Ok(record);
    }
    let py = record.py();
    let part = |item| own(kinds, item, depth + 1);
    if depth < DEEPEST {
        if let Ok(tuple) = record.cast_exact::<PyTuple>() {
            if tuple.iter_borrowed().all(|item| kinds.is_native(&item)) {
                return Ok(record);
            }
            let items = tuple.iter().map(part).collect::<PyResult<Vec<_>>>()?;
            return Ok(PyTuple::new(py, items)?.into_any());
        }
        if let Ok(list) = record.cast_exact::<PyList>() {
            let items = list.iter().map(part).collect::<PyResult<Vec<_>>>()?;
            return Ok(PyList::new(py, items)?.into_any());
        }
        if let Ok(dict) = record.cast_exact::<PyDict>() {
            let copy = PyDict::new(py);
            for (key, value) in dict.iter() {
                copy.set_item(key, part(value)?)?;
            }
            return Ok(copy.into_any());
        }
    }
    kinds.copied.bind(py).call1((record,))
}
