//! How errors of the engine leave: one exception with a dict, which the Python half turns into what
//! the user is to see.

use nestflow_runtime::error::Error;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

pyo3::create_exception!(nestflow._native, RunError, pyo3::exceptions::PyException);

/// The exception for an error.
pub fn raised(py: Python<'_>, error: Error) -> PyErr {
    match described(py, &error) {
        Ok(dict) => RunError::new_err(dict.unbind()),
        Err(other) => other,
    }
}

fn described<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("kind", error.kind())?;
    dict.set_item("message", error.to_string())?;
    dict.set_item("step", error.step())?;
    if let Error::User(user) = error {
        dict.set_item("pickled", user.pickled.as_ref().map(|bytes| PyBytes::new(py, bytes)))?;
        dict.set_item("class", &user.class)?;
        dict.set_item("traceback", &user.traceback)?;
        dict.set_item("record", &user.record)?;
    }
    Ok(dict)
}
