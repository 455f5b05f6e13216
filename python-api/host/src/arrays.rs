//! Arrays of NumPy as cells without a pickle each: what says what they are, and their bytes.
//!
//! Only plain ones: of exactly that class, in C order, of numbers in the machine's order of bytes (which is little
//! endian). All others, those of other orders or of objects, are pickled. NumPy is never imported for it:
//! without it there are no arrays, and cells of them are read where it is.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyString, PyTuple, PyType};

/// What such a cell begins with; no pickle does.
const MARK: u8 = 1;
/// Booleans, integers, floats, complex numbers.
const KINDS: &[u8] = b"biufc";

static ARRAY: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The class of arrays, if NumPy is here.
fn class<'py>(py: Python<'py>) -> Option<&'py Bound<'py, PyType>> {
    if ARRAY.get(py).is_none() {
        let modules =
            py.import(intern!(py, "sys")).and_then(|sys| sys.getattr(intern!(py, "modules"))).ok()?;
        let numpy = modules.get_item(intern!(py, "numpy")).ok()?;
        let class = numpy.getattr(intern!(py, "ndarray")).ok()?.cast_into::<PyType>().ok()?;
        // Another thread may have been faster, with the same.
        let _ = ARRAY.set(py, class.unbind());
    }
    ARRAY.get(py).map(|class| class.bind(py))
}

/// The bytes of a value's cell, if it is a plain array.
pub(crate) fn bytes_of(value: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u8>>> {
    let py = value.py();
    if !class(py).is_some_and(|class| value.get_type().is(class)) {
        return Ok(None);
    }
    let (shape, kind) = (value.getattr(intern!(py, "shape"))?, value.getattr(intern!(py, "dtype"))?);
    let kind = kind.getattr(intern!(py, "str"))?.cast_into::<PyString>()?;
    let kind = kind.to_str()?.as_bytes();
    let shape: Vec<u64> = shape.extract()?;
    let plain = matches!(kind, [b'<' | b'|', of, ..] if KINDS.contains(of)) && cfg!(target_endian = "little");
    let flags = value.getattr(intern!(py, "flags"))?;
    if !plain || shape.len() > 64 || !flags.getattr(intern!(py, "c_contiguous"))?.is_truthy()? {
        return Ok(None);
    }
    let data = value.call_method0(intern!(py, "tobytes"))?.cast_into::<PyBytes>()?;
    let data = data.as_bytes();
    let mut bytes = Vec::with_capacity(3 + kind.len() + 8 * shape.len() + data.len());
    bytes.extend([MARK, kind.len() as u8, shape.len() as u8]);
    bytes.extend(kind);
    shape.iter().for_each(|length| bytes.extend(length.to_le_bytes()));
    bytes.extend(data);
    Ok(Some(bytes))
}

/// The array of a cell's bytes; `None`: they are a pickle.
pub(crate) fn array_of<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
    let [MARK, kind, lengths, rest @ ..] = bytes else { return Ok(None) };
    let damaged = || PyValueError::new_err("damaged data: an array that is cut off");
    let (kind, rest) = rest.split_at_checked(*kind as usize).ok_or_else(damaged)?;
    let (lengths, data) = rest.split_at_checked(8 * *lengths as usize).ok_or_else(damaged)?;
    let shape = lengths
        .chunks_exact(8)
        .map(|bytes| bytes.iter().rev().fold(0, |sum: u64, &b| (sum << 8) | u64::from(b)));
    let shape = PyTuple::new(py, shape.collect::<Vec<_>>())?;
    if class(py).is_none() {
        py.import("numpy")?;
    }
    let class = class(py).ok_or_else(|| PyValueError::new_err("there is no NumPy to read an array with"))?;
    // Its own memory, and writable, as that of an array that was unpickled.
    let kind = PyString::new(py, &String::from_utf8_lossy(kind));
    class.call1((shape, kind, PyByteArray::new(py, data))).map(Some)
}
