//! Cells from objects and objects from cells, at the speed of the C API.
//!
//! The only file that handles bare object pointers. Types are compared by identity, so that a
//! subclass is never taken for its base: it is pickled. Whatever is rare is left to [`crate::odd`].
#![allow(unsafe_code)]

use std::ptr;

use arrow_array::{Array, BinaryViewArray};
use nestflow_batch::cell::{Cell, MAX_DEPTH, Reader, Token};
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

/// # Safety
/// `value` is a live object, and `py` is this thread's.
#[inline]
unsafe fn encode(
    py: Python<'_>,
    value: *mut ffi::PyObject,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Unfit> {
    // SAFETY: as promised by the caller; the types are statics of the interpreter. What the C API
    // returns is checked for null where it can be.
    unsafe {
        let class = ffi::Py_TYPE(value);
        if class == &raw mut ffi::PyUnicode_Type {
            let mut length = 0;
            let utf8 = ffi::PyUnicode_AsUTF8AndSize(value, &raw mut length);
            if utf8.is_null() {
                ffi::PyErr_Clear();
                odd::put_surrogates(&Bound::from_borrowed_ptr(py, value), out, depth > 0)?;
            } else {
                put::put_str(out, std::slice::from_raw_parts(utf8.cast(), length as usize), depth > 0);
            }
        } else if class == &raw mut ffi::PyLong_Type {
            let mut overflow = 0;
            let number = ffi::PyLong_AsLongLongAndOverflow(value, &raw mut overflow);
            if overflow == 0 {
                put::put_i64(out, number);
            } else {
                odd::put_int(&Bound::from_borrowed_ptr(py, value), out)?;
            }
        } else if class == &raw mut ffi::PyTuple_Type {
            check_depth(depth)?;
            put::open(out, tag::TUPLE);
            // Nobody can change a tuple, and `value` is alive: so are its items.
            for index in 0..ffi::PyTuple_Size(value) {
                encode(py, ffi::PyTuple_GetItem(value, index), out, depth + 1)?;
            }
            put::close(out);
        } else if class == &raw mut ffi::PyFloat_Type {
            put::put_f64(out, ffi::PyFloat_AsDouble(value));
        } else if value == ffi::Py_None() {
            put::put_none(out);
        } else if class == &raw mut ffi::PyBool_Type {
            put::put_bool(out, value == ffi::Py_True());
        } else if class == &raw mut ffi::PyBytes_Type {
            let (mut data, mut length) = (ptr::null_mut(), 0);
            if ffi::PyBytes_AsStringAndSize(value, &raw mut data, &raw mut length) < 0 {
                return Err(PyErr::fetch(py).into());
            }
            put::put_bytes(out, std::slice::from_raw_parts(data.cast(), length as usize), depth > 0);
        } else if class == &raw mut ffi::PyList_Type {
            check_depth(depth)?;
            put::open(out, tag::LIST);
            encode_list(py, value, out, depth + 1)?;
            put::close(out);
        } else if class == &raw mut ffi::PyDict_Type {
            check_depth(depth)?;
            put::open(out, tag::DICT);
            // A list of its own: pickling an item may run code that changes the dict.
            let items = Bound::from_owned_ptr_or_err(py, ffi::PyDict_Items(value))?;
            for index in 0..ffi::PyList_Size(items.as_ptr()) {
                let pair = ffi::PyList_GetItem(items.as_ptr(), index);
                encode(py, ffi::PyTuple_GetItem(pair, 0), out, depth + 1)?;
                encode(py, ffi::PyTuple_GetItem(pair, 1), out, depth + 1)?;
            }
            put::close(out);
        } else if class == &raw mut ffi::PySet_Type || class == &raw mut ffi::PyFrozenSet_Type {
            check_depth(depth)?;
            put::open(out, if class == &raw mut ffi::PySet_Type { tag::SET } else { tag::FROZENSET });
            let items = Bound::from_owned_ptr_or_err(py, ffi::PySequence_List(value))?;
            encode_list(py, items.as_ptr(), out, depth + 1)?;
            put::close(out);
        } else {
            odd::put(&Bound::from_borrowed_ptr(py, value), out, depth > 0)?;
        }
    }
    Ok(())
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

/// The object of a value cell.
#[inline]
pub(crate) fn get_value<'py>(py: Python<'py>, cell: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let object = Decoder { py, stack: Vec::new(), frozen: true }.decode(cell);
    // SAFETY: `decode` gives a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, object) }
}

/// The objects of some rows of a column as a list; null cells are `missing`.
pub(crate) fn list_of<'py>(
    py: Python<'py>,
    column: &BinaryViewArray,
    rows: impl ExactSizeIterator<Item = usize>,
    missing: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyList>> {
    let mut decoder = Decoder { py, stack: Vec::new(), frozen: true };
    fill_list(py, rows, |row| {
        if column.is_valid(row) {
            return decoder.decode(column.value(row));
        }
        // SAFETY: `missing` is a live object.
        unsafe { ffi::Py_NewRef(missing.as_ptr()) }
    })
}

/// The objects of some rows that are not null, and for each whether nobody can change it.
pub(crate) fn records<'py>(
    py: Python<'py>,
    column: &BinaryViewArray,
    rows: &[usize],
    frozen: &mut Vec<bool>,
) -> PyResult<Bound<'py, PyList>> {
    let mut decoder = Decoder { py, stack: Vec::new(), frozen: true };
    fill_list(py, rows.iter().copied(), |row| {
        decoder.frozen = true;
        let object = decoder.decode(column.value(row));
        frozen.push(decoder.frozen);
        object
    })
}

#[inline]
fn fill_list<'py>(
    py: Python<'py>,
    rows: impl ExactSizeIterator<Item = usize>,
    mut object: impl FnMut(usize) -> *mut ffi::PyObject,
) -> PyResult<Bound<'py, PyList>> {
    // SAFETY: a list of the length of `rows`, each slot filled once with a reference of its own; a
    // list with empty slots, which an error leaves, may be dropped.
    unsafe {
        let list = Bound::from_owned_ptr_or_err(py, ffi::PyList_New(rows.len() as ffi::Py_ssize_t))?;
        for (index, row) in rows.enumerate() {
            let item = object(row);
            if item.is_null() {
                return Err(PyErr::fetch(py));
            }
            ffi::PyList_SetItem(list.as_ptr(), index as ffi::Py_ssize_t, item);
        }
        Ok(list.cast_into_unchecked())
    }
}

/// Makes objects of cells, one after another.
struct Decoder<'py> {
    py: Python<'py>,
    /// Objects on their way into containers that are not made yet; each a reference of ours.
    stack: Vec<*mut ffi::PyObject>,
    /// Whether no part of what was decoded since it was set can be changed.
    frozen: bool,
}

impl Decoder<'_> {
    /// A new reference, or null with an exception set.
    #[inline]
    fn decode(&mut self, cell: &[u8]) -> *mut ffi::PyObject {
        if let [tag::STR, text @ ..] = cell {
            return text_of(text);
        }
        self.decode_other(cell)
    }

    fn decode_other(&mut self, cell: &[u8]) -> *mut ffi::PyObject {
        let mut reader = Reader::new(cell);
        let object = match reader.token() {
            Ok(Some(Token::Value(value))) => return self.scalar(&value),
            Ok(Some(Token::Open(tag))) => self.container(&mut reader, tag),
            Ok(_) => return odd::bad_cell(self.py, "cell without a value"),
            Err(error) => return odd::bad_cell(self.py, &error.to_string()),
        };
        if object.is_null() || matches!(reader.token(), Ok(None)) {
            return object;
        }
        // SAFETY: the object is ours, and nobody has seen it.
        unsafe { ffi::Py_DECREF(object) };
        odd::bad_cell(self.py, "cell with bytes after its end")
    }

    /// A new reference to the object of a cell that is no container; null with an exception set.
    #[inline]
    fn scalar(&mut self, cell: &Cell<'_>) -> *mut ffi::PyObject {
        // SAFETY: we are attached; pointers and lengths are those of live slices; each call
        // returns a new reference, or null with an exception set.
        unsafe {
            match cell {
                Cell::Str(text) => text_of(text),
                Cell::Int(value) => ffi::PyLong_FromLongLong(*value),
                Cell::Float(value) => ffi::PyFloat_FromDouble(*value),
                Cell::None => ffi::Py_NewRef(ffi::Py_None()),
                Cell::Bool(value) => ffi::PyBool_FromLong((*value).into()),
                Cell::Bytes(value) => {
                    ffi::PyBytes_FromStringAndSize(value.as_ptr().cast(), value.len() as ffi::Py_ssize_t)
                }
                other => self.odd(other),
            }
        }
    }

    fn odd(&mut self, cell: &Cell<'_>) -> *mut ffi::PyObject {
        self.frozen &= !matches!(cell, Cell::Object(_));
        odd::get(self.py, cell).map_or_else(|error| odd::give_up(self.py, error), Bound::into_ptr)
    }

    /// A new reference to the container that was just opened; null with an exception set. Readers
    /// refuse cells nested deeper than this may recurse.
    fn container(&mut self, reader: &mut Reader<'_>, tag: u8) -> *mut ffi::PyObject {
        let first = self.stack.len();
        self.frozen &= matches!(tag, tag::TUPLE | tag::FROZENSET);
        loop {
            let item = match reader.token() {
                Ok(Some(Token::Value(value))) => self.scalar(&value),
                Ok(Some(Token::Open(inner))) => self.container(reader, inner),
                Ok(Some(Token::Close)) => break,
                Ok(None) => odd::bad_cell(self.py, "container without an end"),
                Err(error) => odd::bad_cell(self.py, &error.to_string()),
            };
            if item.is_null() {
                self.give_back(first);
                return item;
            }
            self.stack.push(item);
        }
        self.close(first, tag)
    }

    /// The container of the objects from `first` on.
    #[inline]
    fn close(&mut self, first: usize, tag: u8) -> *mut ffi::PyObject {
        let length = (self.stack.len() - first) as ffi::Py_ssize_t;
        // SAFETY: we are attached; `SetItem` takes over one reference to each item, and the slots
        // exist; all else borrows. Whatever returns null has set an exception.
        unsafe {
            let made = match tag {
                tag::TUPLE => ffi::PyTuple_New(length),
                tag::LIST => ffi::PyList_New(length),
                tag::DICT => self.dict(first),
                _ => self.set(first, tag),
            };
            if made.is_null() || !matches!(tag, tag::TUPLE | tag::LIST) {
                self.give_back(first);
                return made;
            }
            for (index, item) in (0..).zip(self.stack.drain(first..)) {
                if tag == tag::TUPLE {
                    ffi::PyTuple_SetItem(made, index, item);
                } else {
                    ffi::PyList_SetItem(made, index, item);
                }
            }
            made
        }
    }

    fn dict(&self, first: usize) -> *mut ffi::PyObject {
        // SAFETY: as in `close`.
        unsafe {
            let dict = ffi::PyDict_New();
            for pair in self.stack[first..].chunks_exact(2) {
                if !dict.is_null() && ffi::PyDict_SetItem(dict, pair[0], pair[1]) < 0 {
                    ffi::Py_DECREF(dict);
                    return ptr::null_mut();
                }
            }
            dict
        }
    }

    fn set(&self, first: usize, tag: u8) -> *mut ffi::PyObject {
        // SAFETY: as in `close`.
        unsafe {
            let set = ffi::PySet_New(ptr::null_mut());
            for &item in &self.stack[first..] {
                if !set.is_null() && ffi::PySet_Add(set, item) < 0 {
                    ffi::Py_DECREF(set);
                    return ptr::null_mut();
                }
            }
            if tag == tag::SET || set.is_null() {
                return set;
            }
            let frozen = ffi::PyFrozenSet_New(set);
            ffi::Py_DECREF(set);
            frozen
        }
    }

    /// Lets go of the objects from `first` on.
    fn give_back(&mut self, first: usize) {
        for item in self.stack.drain(first..) {
            // SAFETY: each is a reference of ours.
            unsafe { ffi::Py_DECREF(item) };
        }
    }
}

/// A new `str`, or null with an exception set.
#[inline]
fn text_of(text: &[u8]) -> *mut ffi::PyObject {
    // SAFETY: only called by a decoder, which is attached; pointer and length are those of a slice.
    unsafe {
        ffi::PyUnicode_DecodeUTF8(
            text.as_ptr().cast(),
            text.len() as ffi::Py_ssize_t,
            c"surrogatepass".as_ptr(),
        )
    }
}
