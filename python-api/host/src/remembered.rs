//! The objects of open side inputs, remembered for the next tasks of a worker: these are given the same arrays
//! again, and need not decode them again. Only objects that nobody can change: a task must not see what
//! another one has done to its side inputs.
//!
//! Only where somebody says so: elsewhere each task has arrays of its own, which would only be kept alive.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use arrow_array::{Array, BinaryViewArray};
use pyo3::prelude::*;
use pyo3::types::PyList;

/// So many, and bytes of cells: objects take a multiple of it.
const MOST: usize = 8;
const BYTES: usize = 256 << 20;
/// And this part of what the process may take, if that is less.
const PART: usize = 16;

/// The bytes of cells whose objects are remembered here, where any are.
static ROOM: OnceLock<usize> = OnceLock::new();

/// Arrays and their objects, the latest last. An array that is here is at its place in memory, and
/// nothing else can be.
type Known = VecDeque<(BinaryViewArray, Py<PyList>)>;

fn known() -> MutexGuard<'static, Known> {
    static KNOWN: Mutex<Known> = Mutex::new(VecDeque::new());
    // A list is whole whatever happened to a thread that held it.
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on, the arrays of side inputs come again in this process, which may take so many bytes.
pub(crate) fn remember(limit: Option<usize>) {
    ROOM.get_or_init(|| limit.map_or(BYTES, |limit| BYTES.min(limit / PART)));
}

/// The objects of an array: those that it had before, or what `decode` makes of it, which says too whether
/// nobody can change them.
pub(crate) fn remembered<'py>(
    py: Python<'py>,
    cells: &BinaryViewArray,
    decode: impl FnOnce() -> PyResult<(Bound<'py, PyList>, bool)>,
) -> PyResult<Bound<'py, PyList>> {
    let found = known().iter().find(|(array, _)| is_same(array, cells)).map(|(_, list)| list.clone_ref(py));
    if let Some(list) = found {
        return Ok(list.into_bound(py));
    }
    let bytes = size(cells);
    let Some(room) = ROOM.get().filter(|room| bytes <= **room) else { return Ok(decode()?.0) };
    // First, so that old and new objects are not there at the same time.
    make_room(room - bytes);
    let (list, frozen) = decode()?;
    if frozen {
        known().push_back((cells.clone(), list.clone().unbind()));
    }
    Ok(list)
}

/// Forgets the oldest, until one more may come and the others have no more than so many bytes.
fn make_room(most: usize) {
    let mut known = known();
    let mut bytes: usize = known.iter().map(|(array, _)| size(array)).sum();
    while known.len() >= MOST || bytes > most {
        let Some((oldest, _)) = known.pop_front() else { break };
        bytes -= size(&oldest);
    }
}

fn is_same(one: &BinaryViewArray, other: &BinaryViewArray) -> bool {
    let nulls =
        |array: &BinaryViewArray| array.nulls().map(|nulls| (nulls.buffer().as_ptr(), nulls.offset()));
    one.len() == other.len() && one.views().as_ptr() == other.views().as_ptr() && nulls(one) == nulls(other)
}

fn size(array: &BinaryViewArray) -> usize {
    16 * array.len() + array.data_buffers().iter().map(|data| data.len()).sum::<usize>()
}
