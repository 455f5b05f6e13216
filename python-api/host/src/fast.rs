//! Cells from objects, at the speed of the C API.
//!
//! Handles bare object pointers, as [`crate::decode`] does for the way back. Types are compared by identity, so that a
//! subclass is never taken for its base: it is pickled. Whatever is rare is left to [`crate::odd`].
#![allow(unsafe_code)]

use std::ptr;

use nestflow_batch::cell::MAX_DEPTH;
use nestflow_batch::columns::{CellBuilder, Number};
use nestflow_batch::put;
use nestflow_batch::tag;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::odd;

/// Why a cell was not written.
pub(crate) enum Unfit {
    /// Nested too deeply to be a cell of its own kind.
    Deep,
    /// Python raised.
    Raised(PyErr),
}

impl From<PyErr> for Unfit {
    fn from(error: PyErr) -> Self {
        Unfit::Raised(error)
    }
}

/// Appends the value cell of an object.
#[inline]
pub(crate) fn put_value(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
    let start = out.len();
    // SAFETY: the pointer of a `Bound` is a live object, and its token shows that we are attached.
    match unsafe { encode(value.py(), value.as_ptr(), out, 0) } {
        Ok(()) => Ok(()),
        Err(Unfit::Raised(error)) => Err(error),
        Err(Unfit::Deep) => {
            // Pickle knows what contains itself, and goes deeper.
            out.truncate(start);
            odd::put_pickle(value, out, false)
        }
    }
}

/// A row with the value cell of an object.
#[inline]
pub(crate) fn append_value(value: &Bound<'_, PyAny>, cells: &mut CellBuilder) -> PyResult<()> {
    if append_common(value, cells, true) {
        return Ok(());
    }
    put_value(value, cells.buffer())?;
    cells.commit();
    Ok(())
}

/// A row with a text, or a number that 64 bits hold; `false`, and no row, for all else. Such cells are keys too, but
/// for those of a `float`.
#[inline]
pub(crate) fn append_common(value: &Bound<'_, PyAny>, cells: &mut CellBuilder, floats: bool) -> bool {
    let value = value.as_ptr();
    // SAFETY: the pointer of a `Bound` is a live object, and we are attached; the types are statics of the
    // interpreter. What the C API returns is checked where it can fail, and points into the object.
    unsafe {
        let class = ffi::Py_TYPE(value);
        if class == &raw mut ffi::PyUnicode_Type {
            let Some(utf8) = utf8(value) else { return false };
            cells.append_tagged(tag::STR, utf8);
        } else if class == &raw mut ffi::PyLong_Type {
            let Some(number) = small_int(value) else { return false };
            cells.append_number(Number::Int(number));
        } else if floats && class == &raw mut ffi::PyFloat_Type {
            cells.append_number(Number::Float(ffi::PyFloat_AsDouble(value)));
        } else {
            return false;
        }
    }
    true
}

/// The bytes of a text, unless it holds lone surrogates.
///
/// # Safety
/// `text` is a `str` that lives as long as what is returned is used, and this thread is attached.
#[inline]
unsafe fn utf8<'a>(text: *mut ffi::PyObject) -> Option<&'a [u8]> {
    let mut length = 0;
    // SAFETY: as promised by the caller; pointer and length are those of bytes within the object.
    unsafe {
        let utf8 = ffi::PyUnicode_AsUTF8AndSize(text, &raw mut length);
        if utf8.is_null() {
            ffi::PyErr_Clear();
            return None;
        }
        Some(std::slice::from_raw_parts(utf8.cast(), length as usize))
    }
}

/// The number, if 64 bits hold it.
///
/// # Safety
/// `number` is a live `int`, and this thread is attached.
#[inline]
unsafe fn small_int(number: *mut ffi::PyObject) -> Option<i64> {
    let mut overflow = 0;
    // SAFETY: as promised by the caller.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(number, &raw mut overflow) };
    (overflow == 0).then_some(number)
}

/// # Safety
/// `value` is a live object, and `py` is this thread's.
#[inline]
unsafe fn encode(
    py: Python<'_>,
    value: *mut ffi::PyObject,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Unfit> {
    // SAFETY: as promised by the caller.
    unsafe { if put_plain(value, out, depth > 0) { Ok(()) } else { encode_other(py, value, out, depth) } }
}

/// Appends the cell of a scalar that is written without running any code; `false`, with nothing
/// written, for all else.
///
/// # Safety
/// `value` is a live object, and this thread is attached.
#[inline]
unsafe fn put_plain(value: *mut ffi::PyObject, out: &mut Vec<u8>, nested: bool) -> bool {
    // SAFETY: as promised by the caller; the types are statics of the interpreter. What the C API
    // returns is checked where it can fail, and points into the object.
    unsafe {
        let class = ffi::Py_TYPE(value);
        if class == &raw mut ffi::PyUnicode_Type {
            let Some(utf8) = utf8(value) else { return false };
            put::put_str(out, utf8, nested);
        } else if class == &raw mut ffi::PyLong_Type {
            let Some(number) = small_int(value) else { return false };
            put::put_i64(out, number);
        } else if class == &raw mut ffi::PyFloat_Type {
            put::put_f64(out, ffi::PyFloat_AsDouble(value));
        } else if value == ffi::Py_None() {
            put::put_none(out);
        } else if class == &raw mut ffi::PyBool_Type {
            put::put_bool(out, value == ffi::Py_True());
        } else if class == &raw mut ffi::PyBytes_Type {
            let (mut data, mut length) = (ptr::null_mut(), 0);
            if ffi::PyBytes_AsStringAndSize(value, &raw mut data, &raw mut length) < 0 {
                ffi::PyErr_Clear();
                return false;
            }
            put::put_bytes(out, std::slice::from_raw_parts(data.cast(), length as usize), nested);
        } else {
            return false;
        }
    }
    true
}

/// # Safety
/// `value` is a live object, and `py` is this thread's.
unsafe fn encode_other(
    py: Python<'_>,
    value: *mut ffi::PyObject,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Unfit> {
    // SAFETY: as promised by the caller; the types are statics of the interpreter. What the C API
    // returns is checked for null where it can be.
    unsafe {
        let class = ffi::Py_TYPE(value);
        if class == &raw mut ffi::PyTuple_Type {
            check_depth(depth)?;
            put::open(out, tag::TUPLE);
            // Nobody can change a tuple, and `value` is alive: so are its items.
            for index in 0..ffi::PyTuple_Size(value) {
                encode(py, ffi::PyTuple_GetItem(value, index), out, depth + 1)?;
            }
            put::close(out);
        } else if class == &raw mut ffi::PyDict_Type {
            check_depth(depth)?;
            put::open(out, tag::DICT);
            let start = out.len();
            // Where there is no lock, other threads may change it while we read.
            if cfg!(Py_GIL_DISABLED) || !put_plain_dict(value, out) {
                out.truncate(start);
                // A list of its own: pickling an item may run code that changes the dict.
                let items = Bound::from_owned_ptr_or_err(py, ffi::PyDict_Items(value))?;
                for index in 0..ffi::PyList_Size(items.as_ptr()) {
                    let pair = ffi::PyList_GetItem(items.as_ptr(), index);
                    encode(py, ffi::PyTuple_GetItem(pair, 0), out, depth + 1)?;
                    encode(py, ffi::PyTuple_GetItem(pair, 1), out, depth + 1)?;
                }
            }
            put::close(out);
        } else if class == &raw mut ffi::PyList_Type {
            check_depth(depth)?;
            put::open(out, tag::LIST);
            if cfg!(Py_GIL_DISABLED) {
                // Other threads may change it while we read: a list of its own.
                let items = ffi::PyList_GetSlice(value, 0, ffi::PyList_Size(value));
                let items = Bound::from_owned_ptr_or_err(py, items)?;
                encode_list(py, items.as_ptr(), out, depth + 1)?;
            } else {
                encode_list(py, value, out, depth + 1)?;
            }
            put::close(out);
        } else if class == &raw mut ffi::PySet_Type || class == &raw mut ffi::PyFrozenSet_Type {
            check_depth(depth)?;
            put::open(out, if class == &raw mut ffi::PySet_Type { tag::SET } else { tag::FROZENSET });
            let items = Bound::from_owned_ptr_or_err(py, ffi::PySequence_List(value))?;
            encode_list(py, items.as_ptr(), out, depth + 1)?;
            put::close(out);
        } else if class == &raw mut ffi::PyUnicode_Type {
            odd::put_surrogates(&Bound::from_borrowed_ptr(py, value), out, depth > 0)?;
        } else if class == &raw mut ffi::PyLong_Type {
            odd::put_int(&Bound::from_borrowed_ptr(py, value), out)?;
        } else {
            odd::put(&Bound::from_borrowed_ptr(py, value), out, depth > 0)?;
        }
    }
    Ok(())
}

/// Appends the items of a dict of plain scalars; `false`, with some of them written, for any other.
///
/// # Safety
/// `dict` is a live dict, and this thread holds the interpreter's lock.
#[inline]
unsafe fn put_plain_dict(dict: *mut ffi::PyObject, out: &mut Vec<u8>) -> bool {
    let (mut place, mut key, mut value) = (0, ptr::null_mut(), ptr::null_mut());
    // SAFETY: as promised by the caller. Between two steps nothing runs that could change the dict:
    // we hold the lock, and plain scalars are written without running code.
    unsafe {
        while ffi::PyDict_Next(dict, &raw mut place, &raw mut key, &raw mut value) != 0 {
            if !(put_plain(key, out, true) && put_plain(value, out, true)) {
                return false;
            }
        }
    }
    true
}

fn check_depth(depth: usize) -> Result<(), Unfit> {
    if depth < MAX_DEPTH { Ok(()) } else { Err(Unfit::Deep) }
}

/// # Safety
/// `list` is a live list, and `py` is this thread's.
unsafe fn encode_list(
    py: Python<'_>,
    list: *mut ffi::PyObject,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Unfit> {
    let mut index = 0;
    // SAFETY: `list` is a live list; its length is asked anew for each item, and items are owned
    // while they are written, because pickling one may run code that changes the list. Writing
    // text and numbers runs no code.
    unsafe {
        while index < ffi::PyList_Size(list) {
            let item = ffi::PyList_GetItem(list, index);
            let class = ffi::Py_TYPE(item);
            if class == &raw mut ffi::PyUnicode_Type || class == &raw mut ffi::PyLong_Type {
                encode(py, item, out, depth)?;
            } else {
                encode(py, Bound::from_borrowed_ptr(py, item).as_ptr(), out, depth)?;
            }
            index += 1;
        }
    }
    Ok(())
}

/// An item of a list that nobody else can reach: one that a driver made for us.
#[inline]
pub(crate) fn list_item<'a, 'py>(
    list: &'a Bound<'py, PyList>,
    index: usize,
) -> PyResult<Borrowed<'a, 'py, PyAny>> {
    // SAFETY: the item lives as long as it is in the list, and while `list` is borrowed nobody
    // takes it out: drivers have returned or pause, and user code never sees the list.
    unsafe {
        let item = ffi::PyList_GetItem(list.as_ptr(), index as ffi::Py_ssize_t);
        Borrowed::from_ptr_or_err(list.py(), item)
    }
}
