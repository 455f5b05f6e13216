//! The objects of open side inputs, remembered for the next tasks of a worker: these are given the same arrays
//! again, and need not decode them again.
//!
//! Only where somebody says so: elsewhere each task has arrays of its own, which would only be kept alive.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow_array::{Array, BinaryViewArray};
use pyo3::prelude::*;
use pyo3::types::PyList;

/// So many, and bytes of cells, but for the last one: objects take a multiple of it.
const MOST: usize = 8;
const BYTES: usize = 256 << 20;

static REMEMBERS: AtomicBool = AtomicBool::new(false);

/// Arrays and their objects, the latest last. An array that is here is at its place in memory, and
/// nothing else can be.
type Known = VecDeque<(BinaryViewArray, Py<PyList>)>;

fn known() -> MutexGuard<'static, Known> {
    static KNOWN: Mutex<Known> = Mutex::new(VecDeque::new());
    // A list is whole whatever happened to a thread that held it.
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, the arrays of side inputs come again in this process.
pub(crate) fn remember() {
    REMEMBERS.store(true, Ordering::Relaxed);
}

/// The objects of an array: those that it had before, or what `decode` makes of it.
pub(crate) fn remembered<'py>(
    py: Python<'py>,
    cells: &BinaryViewArray,
    decode: impl FnOnce() -> PyResult<Bound<'py, PyList>>,
) -> PyResult<Bound<'py, PyList>> {
    if !REMEMBERS.load(Ordering::Relaxed) {
        return decode();
    }
    let found = known().iter().find(|(array, _)| is_same(array, cells)).map(|(_, list)| list.clone_ref(py));
    if let Some(list) = found {
        return Ok(list.into_bound(py));
    }
    let list = decode()?;
    let mut known = known();
    known.push_back((cells.clone(), list.clone().unbind()));
    let mut bytes: usize = known.iter().map(|(array, _)| size(array)).sum();
    let mut forgotten = Vec::new();
    while known.len() > MOST || (known.len() > 1 && bytes > BYTES) {
        let Some(oldest) = known.pop_front() else { break };
        bytes -= size(&oldest.0);
        forgotten.push(oldest);
    }
    // Objects may run code of the user's at their end.
    drop(known);
    drop(forgotten);
    Ok(list)
}

fn is_same(one: &BinaryViewArray, other: &BinaryViewArray) -> bool {
    let nulls =
        |array: &BinaryViewArray| array.nulls().map(|nulls| (nulls.buffer().as_ptr(), nulls.offset()));
    one.len() == other.len() && one.views().as_ptr() == other.views().as_ptr() && nulls(one) == nulls(other)
}

fn size(array: &BinaryViewArray) -> usize {
    16 * array.len() + array.data_buffers().iter().map(|data| data.len()).sum::<usize>()
}
