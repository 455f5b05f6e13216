//! One Python thread state per engine thread, for the thread's whole life.
//!
//! Without it, each attach of a thread that Python does not know makes and destroys a state: five
//! times as slow, and what libraries keep in `threading.local` would die between two batches.
#![allow(unsafe_code)]

use std::cell::Cell;

use nestflow_chain::HostError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;

use crate::gate;

static WATCH: PyOnceLock<()> = PyOnceLock::new();

struct Pinned {
    ensured: ffi::PyGILState_STATE,
    saved: *mut ffi::PyThreadState,
}

/// The state of this thread; let go when the thread ends.
struct Slot(Cell<Option<Pinned>>);

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(pinned) = self.0.take() else { return };
        // States are left to an interpreter that ends.
        let Some(_inside) = gate::enter() else { return };
        // SAFETY: the state was made by this thread and is detached: every attach since then has
        // ended before the thread did. The interpreter ends only after this thread has left.
        unsafe {
            ffi::PyEval_RestoreThread(pinned.saved);
            ffi::PyGILState_Release(pinned.ensured);
        }
    }
}

thread_local! {
    static SLOT: Slot = const { Slot(Cell::new(None)) };
}

/// What Python calls this thread.
pub(crate) fn thread() -> u64 {
    // SAFETY: asks the system for a number of this thread; needs no state of Python's.
    let thread = unsafe { ffi::PyThread_get_thread_ident() };
    thread as u64
}

/// [`Python::attach`] with the thread's own lasting state; fails where the interpreter is ending.
pub(crate) fn attach<R>(
    work: impl for<'py> FnOnce(Python<'py>) -> Result<R, HostError>,
) -> Result<R, HostError> {
    let inside = gate::enter_to_run(thread());
    let _inside = inside.ok_or_else(|| HostError::Died("the interpreter is shutting down".to_owned()))?;
    // SAFETY: asks for the state of this thread; null where Python does not know the thread.
    if unsafe { ffi::PyGILState_GetThisThreadState() }.is_null() {
        pin();
    }
    Python::attach(work)
}

/// Lets other threads have the lock that wait for it; to be called between chunks.
pub(crate) fn offer(py: Python<'_>) {
    py.detach(|| ());
}

fn pin() {
    // A thread that is ending has no slot any more: it does without.
    let _ = SLOT.try_with(|slot| {
        // SAFETY: the thread has no state, so that this makes one and attaches it; saving it
        // detaches again and leaves it to the slot.
        let pinned = unsafe {
            let ensured = ffi::PyGILState_Ensure();
            watch_shutdown();
            Pinned { ensured, saved: ffi::PyEval_SaveThread() }
        };
        slot.0.set(Some(pinned));
    });
}

fn watch_shutdown() {
    Python::attach(|py| {
        WATCH.get_or_init(py, || {
            let hook = PyCFunction::new_closure(py, None, None, |arguments, _| gate::shut(arguments.py()));
            let registered = hook.and_then(|hook| py.import("atexit")?.call_method1("register", (hook,)));
            if let Err(error) = registered {
                error.write_unraisable(py, None);
            }
        });
    });
}
