//! Python's exceptions as host errors, and back again where they reach the user.

use nestflow_chain::{HostError, UserError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

/// What `nestflow.host.errors` made of an exception.
pub(crate) fn of_failure(failure: PyResult<Bound<'_, PyAny>>) -> HostError {
    type Fields = (String, String, Option<Vec<u8>>, String, String, String);
    let fields = failure.and_then(|failure| failure.cast::<PyTuple>()?.extract::<Fields>());
    match fields {
        Ok((class, message, pickled, traceback, step, record)) => {
            HostError::User(Box::new(UserError { pickled, class, message, traceback, step, record }))
        }
        Err(error) => internal(&error),
    }
}

/// The error of an exception that a driver raised; `at` is how far it came in which records.
#[cold]
pub(crate) fn raised<'py>(
    py: Python<'py>,
    error: &PyErr,
    driver: &Bound<'py, PyAny>,
    at: Option<(&Bound<'py, PyAny>, &Bound<'py, PyList>)>,
) -> HostError {
    let arguments = (error.clone_ref(py).into_value(py), driver, at.map(|at| at.0), at.map(|at| at.1));
    let errors = py.import("nestflow.host.errors");
    of_failure(errors.and_then(|errors| errors.call_method1("raised", arguments)))
}

/// The error of a value that could not be stored as part of a row, in a role: `value`, `key`,
/// `order`.
#[cold]
pub(crate) fn unfit<'py>(
    py: Python<'py>,
    error: &PyErr,
    driver: &Bound<'py, PyAny>,
    part: usize,
    value: &Bound<'py, PyAny>,
    role: &str,
) -> HostError {
    let arguments = (error.clone_ref(py).into_value(py), driver, part, value, role);
    let errors = py.import("nestflow.host.errors");
    of_failure(errors.and_then(|errors| errors.call_method1("unfit", arguments)))
}

/// An exception of our own Python code.
pub(crate) fn internal(error: &PyErr) -> HostError {
    HostError::Internal(format!("python host: {error}"))
}

/// The exception that the user is to see: their own class where it can be made again, with the step
/// and the record in its notes and the remote traceback as its cause.
pub fn exception(py: Python<'_>, error: &UserError) -> PyErr {
    let pickled = error.pickled.as_ref().map(|pickled| PyBytes::new(py, pickled));
    let arguments = (pickled, &error.class, &error.message, &error.traceback, &error.step, &error.record);
    let made = py
        .import("nestflow.host.errors")
        .and_then(|errors| errors.call_method1("rebuild", arguments))
        .map(PyErr::from_value);
    made.unwrap_or_else(|failed| failed)
}

/// An exception while a program was opened: a function that cannot be loaded.
pub(crate) fn unloadable(py: Python<'_>, error: &PyErr) -> HostError {
    let errors = py.import("nestflow.host.errors");
    of_failure(
        errors.and_then(|errors| errors.call_method1("unloadable", (error.clone_ref(py).into_value(py),))),
    )
}
