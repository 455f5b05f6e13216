//! Keys and sort keys from objects: natively where `nestflow_batch` knows the kind, otherwise from
//! what `nestflow.host.keys` says that the object is equal to.

use nestflow_batch::columns::CellBuilder;
use nestflow_batch::key::{self, KeyForm, key_of, put_order_component};
use nestflow_batch::{put, tag};
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PySet, PyTuple};

use crate::fast;
use crate::kinds::{Kinds, kinds};

/// How deeply keys may be nested, what makes up the state of an object included.
const DEEPEST: usize = 150;

/// Appends a key, and beside it the value as it was given where the key does not tell it.
#[inline]
pub(crate) fn put_key(
    value: &Bound<'_, PyAny>,
    keys: &mut CellBuilder,
    shown: &mut CellBuilder,
    scratch: &mut Vec<u8>,
) -> PyResult<()> {
    if fast::append_common(value, keys, false) {
        shown.append_null();
        return Ok(());
    }
    let start = keys.buffer().len();
    fast::put_value(value, keys.buffer())?;
    if tag::is_same_in_both_forms(keys.buffer()[start]) {
        keys.commit();
        shown.append_null();
        return Ok(());
    }
    scratch.clear();
    scratch.extend_from_slice(&keys.buffer()[start..]);
    keys.abandon();
    let form = key_of(scratch, keys.buffer()).map_err(damaged)?;
    match form {
        KeyForm::Same => keys.append(scratch),
        KeyForm::Rewritten | KeyForm::Changed => keys.commit(),
        KeyForm::NeedsHost => {
            put_identity(value, keys.buffer(), false, false, 0)?;
            keys.commit();
        }
    }
    match form {
        KeyForm::Same | KeyForm::Rewritten => shown.append_null(),
        KeyForm::Changed | KeyForm::NeedsHost => shown.append(scratch),
    }
    Ok(())
}

/// Appends a sort key: ascending unless `sort.DESC` says otherwise.
pub(crate) fn put_order(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    reverse: bool,
    scratch: &mut Vec<u8>,
) -> PyResult<()> {
    if is_plain(kinds(value.py())?, value, 0) {
        scratch.clear();
        fast::put_value(value, scratch)?;
        let mut key = Vec::new();
        match key_of(scratch, &mut key).map_err(damaged)? {
            KeyForm::Same => put_order_component(out, scratch, false),
            KeyForm::Rewritten | KeyForm::Changed => put_order_component(out, &key, false),
            KeyForm::NeedsHost => put_components(value, out, (false, reverse), 0)?,
        }
        return Ok(());
    }
    put_components(value, out, (false, reverse), 0)
}

/// Whether it is nothing but scalars in tuples and lists: neither directed nor of an odd class.
fn is_plain(kinds: &Kinds, value: &Bound<'_, PyAny>, depth: usize) -> bool {
    if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        return depth < DEEPEST && tuple.iter().all(|item| is_plain(kinds, &item, depth + 1));
    }
    if let Ok(list) = value.cast_exact::<PyList>() {
        return depth < DEEPEST && list.iter().all(|item| is_plain(kinds, &item, depth + 1));
    }
    kinds.is_native(value)
}

fn put_components(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    (descending, reverse): (bool, bool),
    depth: usize,
) -> PyResult<()> {
    if is_directed(value)? {
        let py = value.py();
        // What is turned around as a whole afterwards is turned around here too.
        let descending = value.getattr(intern!(py, "reverse"))?.is_truthy()? != reverse;
        return put_components(&value.getattr(intern!(py, "key"))?, out, (descending, reverse), depth + 1);
    }
    if holds_directed(value, depth)? {
        for item in value.try_iter()? {
            put_components(&item?, out, (descending, reverse), depth + 1)?;
        }
        return Ok(());
    }
    let mut component = Vec::new();
    put_identity(value, &mut component, false, true, depth)?;
    put_order_component(out, &component, descending);
    Ok(())
}

/// Whether it is an `ASC` or a `DESC`.
fn is_directed(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    value.get_type().hasattr(intern!(value.py(), "__nestflow_order__"))
}

/// Whether it is a tuple or list with an `ASC` or `DESC` anywhere in it.
fn holds_directed(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<bool> {
    check_depth(value.py(), depth)?;
    if value.cast::<PyTuple>().is_err() && value.cast::<PyList>().is_err() {
        return Ok(false);
    }
    for item in value.try_iter()? {
        let item = item?;
        if is_directed(&item)? || holds_directed(&item, depth + 1)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Appends the key cell of any value; `ordering` refuses what has an order that only its class
/// knows.
fn put_identity(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    nested: bool,
    ordering: bool,
    depth: usize,
) -> PyResult<()> {
    check_depth(value.py(), depth)?;
    let deeper = depth + 1;
    if value.is_exact_instance_of::<PyTuple>() || value.is_exact_instance_of::<PyList>() {
        put::open(out, if value.is_exact_instance_of::<PyTuple>() { tag::TUPLE } else { tag::LIST });
        for item in value.try_iter()? {
            put_identity(&item?, out, true, ordering, deeper)?;
        }
        put::close(out);
        return Ok(());
    }
    if value.is_exact_instance_of::<PySet>() || value.is_exact_instance_of::<PyFrozenSet>() {
        put::open(out, tag::FROZENSET);
        let start = out.len();
        for item in value.try_iter()? {
            put_identity(&item?, out, true, ordering, deeper)?;
        }
        key::sort_items(out, start, false).map_err(damaged)?;
        put::close(out);
        return Ok(());
    }
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        put::open(out, tag::DICT);
        let start = out.len();
        for (name, item) in dict.iter() {
            put_identity(&name, out, true, ordering, deeper)?;
            put_identity(&item, out, true, ordering, deeper)?;
        }
        key::sort_items(out, start, true).map_err(damaged)?;
        put::close(out);
        return Ok(());
    }
    if put_native(value, out, nested)? {
        return Ok(());
    }
    put_canonical(value, out, nested, ordering, deeper)
}

/// `false`, with nothing written, for kinds whose key only Python can tell.
fn put_native(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, nested: bool) -> PyResult<bool> {
    if !kinds(value.py())?.is_native(value) {
        return Ok(false);
    }
    let (mut cell, mut key) = (Vec::new(), Vec::new());
    fast::put_value(value, &mut cell)?;
    let key = match key_of(&cell, &mut key).map_err(damaged)? {
        KeyForm::Same => cell,
        KeyForm::Rewritten | KeyForm::Changed => key,
        KeyForm::NeedsHost => return Ok(false),
    };
    if nested {
        put::put_item(out, &key)
    } else {
        out.extend_from_slice(&key)
    }
    Ok(true)
}

/// Asks Python what the value is equal to, and writes that.
fn put_canonical(
    value: &Bound<'_, PyAny>,
    out: &mut Vec<u8>,
    nested: bool,
    ordering: bool,
    depth: usize,
) -> PyResult<()> {
    let py = value.py();
    let kinds = kinds(py)?;
    let canonical = kinds.canonical.bind(py).call1((value, ordering))?;
    let class = canonical.get_type();
    if class.is(&kinds.identity) {
        let mut parts = Vec::new();
        put_identity(&canonical.getattr(intern!(py, "parts"))?, &mut parts, false, false, depth)?;
        put::put_object_key(out, &parts, nested);
        return Ok(());
    }
    if class.is(&kinds.beyond) {
        type Fields = (bool, Vec<u8>, f64, u64, String);
        let (negative, magnitude, fraction, extra, text): Fields = canonical.extract()?;
        key::put_beyond_key(out, negative, &magnitude, fraction, extra, &text);
        return Ok(());
    }
    put_identity(&canonical, out, nested, ordering, depth)
}

fn check_depth(py: Python<'_>, depth: usize) -> PyResult<()> {
    if depth < DEEPEST {
        return Ok(());
    }
    let text = format!("a key is nested more than {DEEPEST} levels deep, or contains itself");
    Err(PyErr::from_value(kinds(py)?.unfit.bind(py).call1((text,))?))
}

fn damaged(error: nestflow_batch::cell::CellError) -> PyErr {
    PyValueError::new_err(format!("damaged data: {error}"))
}
