//! Objects from cells, at the speed of the C API.
//!
//! Handles bare object pointers: those of objects that are not all there yet, which nobody has seen.
//! Whatever is rare is left to [`crate::odd`].
#![allow(unsafe_code)]

use std::ptr;

use arrow_array::{Array, BinaryViewArray};
use nestflow_batch::cell::{Cell, Common, Reader, Token};
use nestflow_batch::columns::Number;
use nestflow_batch::tag;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::odd;
use crate::texts::Texts;

/// The object of a value cell.
#[inline]
pub(crate) fn get_value<'py>(py: Python<'py>, cell: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let object = Decoder::new(py, 1).decode(cell);
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
    let mut decoder = Decoder::new(py, rows.len());
    fill_list(py, rows, |row| {
        if column.is_valid(row) {
            return decoder.row(column, row);
        }
        // SAFETY: `missing` is a live object.
        unsafe { ffi::Py_NewRef(missing.as_ptr()) }
    })
}

/// Where a record lies that nobody can change; 0 for others. Only to be compared with.
pub(crate) type Frozen = usize;

/// The objects of some rows that are not null, and for each where it lies if nobody can change it.
pub(crate) fn records<'py>(
    py: Python<'py>,
    column: &BinaryViewArray,
    rows: &[usize],
    frozen: &mut Vec<Frozen>,
) -> PyResult<Bound<'py, PyList>> {
    let mut decoder = Decoder::new(py, rows.len());
    fill_list(py, rows.iter().copied(), |row| {
        decoder.frozen = true;
        let object = decoder.row(column, row);
        frozen.push(if decoder.frozen { object.addr() } else { 0 });
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
    /// Short texts that were decoded before.
    texts: Texts<'py>,
    /// Objects on their way into containers that are not made yet; each a reference of ours.
    stack: Vec<*mut ffi::PyObject>,
    /// Whether no part of what was decoded since it was set can be changed.
    frozen: bool,
}

impl<'py> Decoder<'py> {
    /// For so many cells.
    #[inline]
    fn new(py: Python<'py>, cells: usize) -> Self {
        Decoder { py, texts: Texts::new(cells), stack: Vec::new(), frozen: true }
    }

    /// A new reference to the object of a row, or null with an exception set.
    #[inline]
    fn row(&mut self, column: &BinaryViewArray, row: usize) -> *mut ffi::PyObject {
        match Number::of(column.views()[row]) {
            Some(Number::Int(value)) => int_of(value),
            Some(Number::Float(value)) => float_of(value),
            None => self.decode(column.value(row)),
        }
    }

    /// A new reference, or null with an exception set.
    #[inline]
    fn decode(&mut self, cell: &[u8]) -> *mut ffi::PyObject {
        if let [tag::STR, text @ ..] = cell {
            return self.text(text);
        }
        match Reader::inside(cell) {
            Some((mut reader, tag)) => self.whole_container(&mut reader, tag),
            None => self.decode_other(cell),
        }
    }

    /// A `str`: a new reference, or null with an exception set.
    #[inline]
    fn text(&mut self, text: &[u8]) -> *mut ffi::PyObject {
        let Some(short) = self.texts.short(text) else { return text_of(text) };
        if let Some(known) = self.texts.find(short) {
            return known.clone().into_ptr();
        }
        let made = text_of(text);
        // SAFETY: a live object of ours, or null.
        if let Some(made) = unsafe { Bound::from_borrowed_ptr_or_opt(self.py, made) } {
            self.texts.keep(short, made);
        }
        made
    }

    fn decode_other(&mut self, cell: &[u8]) -> *mut ffi::PyObject {
        match Reader::new(cell).token() {
            Ok(Some(Token::Value(value))) => self.scalar(&value),
            Ok(_) => odd::bad_cell(self.py, "cell without a value"),
            Err(error) => odd::bad_cell(self.py, &error.to_string()),
        }
    }

    /// The object of a cell that is a container, from behind its tag on: a new reference, or null with an
    /// exception set.
    #[inline]
    fn whole_container(&mut self, reader: &mut Reader<'_>, tag: u8) -> *mut ffi::PyObject {
        let object = self.container(reader, tag);
        if object.is_null() || reader.is_done() {
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
                Cell::Str(text) => self.text(text),
                Cell::Int(value) => int_of(*value),
                Cell::Float(value) => float_of(*value),
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
            let item = match reader.common() {
                Some(Common::Close) => break,
                Some(Common::Str(text)) => self.text(text),
                Some(Common::Int(value)) => int_of(value),
                Some(Common::Float(value)) => float_of(value),
                None => match reader.token() {
                    Ok(Some(Token::Value(value))) => self.scalar(&value),
                    Ok(Some(Token::Open(inner))) => self.container(reader, inner),
                    Ok(Some(Token::Close)) => break,
                    Ok(None) => odd::bad_cell(self.py, "container without an end"),
                    Err(error) => odd::bad_cell(self.py, &error.to_string()),
                },
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

/// A new reference to an `int`, or null with an exception set.
#[inline]
fn int_of(value: i64) -> *mut ffi::PyObject {
    // SAFETY: only called by a decoder, which is attached.
    unsafe { ffi::PyLong_FromLongLong(value) }
}

/// A new reference to a `float`, or null with an exception set.
#[inline]
fn float_of(value: f64) -> *mut ffi::PyObject {
    // SAFETY: only called by a decoder, which is attached.
    unsafe { ffi::PyFloat_FromDouble(value) }
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
