//! Functions of the JSON form, and of libraries that were not made for nestflow: a text in, a text out.
//!
//! The interpreter's lock is released during the call, and only then.

use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::abi::{Entry, Free, NativeFile, Texts};
use super::read::{Answer, Reader};
use super::shape::{Shape, Shapes};
use super::write::Writer;

/// How a function hands over its result.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// One text, `{"value": …, "err": …}`.
    Envelope,
    /// A struct of two texts: the value and the error.
    Pair,
    /// One text: the value.
    Value,
}

/// A function of a library; `nestflow.native` adds what does not concern the call.
#[pyclass(frozen, subclass, dict, module = "nestflow._host")]
pub(crate) struct NativeCall {
    name: String,
    library: String,
    entry: Entry,
    lost: Arc<AtomicBool>,
    form: Form,
    free: Option<Free>,
    argument: Shapes,
    result: Shapes,
    integer_keys: bool,
}

#[pymethods]
impl NativeCall {
    /// A function of a library by its symbol. `form` is `envelope`, `pair` or `value`, `free` what texts
    /// are given back with; `name` and `library` are for messages.
    #[new]
    #[pyo3(signature = (file, symbol, form, free, name, library, argument, result, integer_keys))]
    #[expect(clippy::too_many_arguments, reason = "called from one place, in Python")]
    fn new(
        file: &NativeFile,
        symbol: &str,
        form: &str,
        free: Option<&str>,
        name: String,
        library: String,
        argument: Option<Vec<Shape>>,
        result: Option<Vec<Shape>>,
        integer_keys: bool,
    ) -> PyResult<NativeCall> {
        let form = match form {
            "envelope" => Form::Envelope,
            "pair" => Form::Pair,
            "value" => Form::Value,
            _ => return Err(PyValueError::new_err(format!("there is no form {form}"))),
        };
        Ok(NativeCall {
            name,
            library,
            entry: file.entry(symbol, form == Form::Pair)?,
            lost: file.lost(),
            form,
            free: file.free(free)?,
            argument: Shapes::new(argument),
            result: Shapes::new(result),
            integer_keys,
        })
    }

    /// Calls the function with an object; fields of an object may be given by name.
    #[pyo3(signature = (*arguments, **fields))]
    fn __call__<'py>(
        &self,
        py: Python<'py>,
        arguments: &Bound<'py, PyTuple>,
        fields: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let argument = match (arguments.len(), fields) {
            (1, None) => arguments.get_item(0)?,
            (0, fields) => fields.map_or_else(|| PyDict::new(py), Bound::clone).into_any(),
            _ => {
                let text = format!("{} takes one argument, or the fields of one by name", self.name);
                return Err(PyTypeError::new_err(text));
            }
        };
        let mut text = Vec::with_capacity(256);
        Writer::new(&self.argument, &mut text)
            .put(&argument, self.argument.whole())
            .map_err(|misfit| misfit.raise(&self.name))?;
        text.push(0);
        let text =
            CStr::from_bytes_with_nul(&text).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let texts = self.call(py, text)?;
        let (value, err) = self.answer(py, &texts).map_err(|error| self.unreadable(py, &error, &argument))?;
        match err {
            Some(err) => Err(self.failed(py, &err, &argument)),
            None => Ok(value.unwrap_or_else(|| py.None().into_bound(py))),
        }
    }

    /// Calls the function with a JSON text, and gives the text of its value, or `None` for a null pointer.
    fn on_text<'py>(&self, py: Python<'py>, argument: Bound<'py, PyAny>) -> PyResult<Option<String>> {
        let text = CString::new(argument.extract::<&str>()?);
        let text = text.map_err(|_| PyValueError::new_err("a text with a zero byte is no JSON"))?;
        let texts = self.call(py, &text)?;
        let (value, err) = match (texts.err(), self.form) {
            (Some(err), _) => (None, Some(err)),
            (None, Form::Pair | Form::Value) => (texts.value()?.map(str::to_owned), None),
            (None, Form::Envelope) => {
                let text = self.envelope(&texts).and_then(|text| self.reader(py, text).inside());
                text.map_err(|error| self.unreadable(py, &error, &argument))?
            }
        };
        err.map_or(Ok(value), |err| Err(self.failed(py, &err, &argument)))
    }

    #[getter(__name__)]
    fn name(&self) -> &str {
        &self.name
    }

    fn __repr__(&self) -> String {
        format!("<native function {} of {}>", self.name, self.library)
    }
}

impl NativeCall {
    fn call(&self, py: Python<'_>, argument: &CStr) -> PyResult<Texts> {
        check_lost(&self.lost, &self.library)?;
        Ok(py.detach(|| self.entry.call(argument, self.free)))
    }

    fn answer<'py>(&self, py: Python<'py>, texts: &Texts) -> PyResult<Answer<'py>> {
        if let Some(err) = texts.err() {
            return Ok((None, Some(err)));
        }
        if self.form == Form::Envelope {
            return self.reader(py, self.envelope(texts)?).envelope();
        }
        // A null pointer is null.
        Ok((texts.value()?.map(|text| self.reader(py, text).whole()).transpose()?, None))
    }

    /// The text of an envelope, without which success cannot be told from failure.
    fn envelope<'a>(&self, texts: &'a Texts) -> PyResult<&'a str> {
        texts.value()?.ok_or_else(|| PyValueError::new_err("a null pointer"))
    }

    fn reader<'a, 'py>(&'a self, py: Python<'py>, text: &'a str) -> Reader<'a, 'py> {
        Reader::new(py, &self.result, self.integer_keys, text)
    }

    fn unreadable(&self, py: Python<'_>, error: &PyErr, argument: &Bound<'_, PyAny>) -> PyErr {
        let message = format!("its result cannot be read: {}", error.value(py));
        let failed = self.failed(py, &message, argument);
        failed.set_cause(py, Some(error.clone_ref(py)));
        failed
    }

    fn failed(&self, py: Python<'_>, message: &str, argument: &Bound<'_, PyAny>) -> PyErr {
        failure(py, message, &self.name, &self.library, argument)
    }
}

/// An error where a library cannot be called any more.
pub(super) fn check_lost(lost: &AtomicBool, library: &str) -> PyResult<()> {
    if lost.load(Ordering::Relaxed) {
        return Err(PyRuntimeError::new_err(format!(
            "{library} was opened before this process was forked, and the threads of Go were not forked with \
             it: open it in the new process only, or start that one by spawning"
        )));
    }
    Ok(())
}

/// The exception for what a library complains of.
pub(super) fn failure(
    py: Python<'_>,
    message: &str,
    name: &str,
    library: &str,
    argument: &Bound<'_, PyAny>,
) -> PyErr {
    let made = py.import(intern!(py, "nestflow.errors")).and_then(|errors| {
        errors.getattr(intern!(py, "NativeFunctionError"))?.call1((message, name, library, argument))
    });
    made.map_or_else(|error| error, PyErr::from_value)
}
