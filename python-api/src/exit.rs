//! What is left to do when the interpreter ends: runs and what they left behind come to an end first,
//! then worker processes and temporary files go.

use std::time::Duration;

use nestflow_host::gate;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyCFunction;

use crate::{pools, session};

/// How long to wait for threads that let go of temporary files.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes all this happen. Python's own end is the last moment at which it can happen in good order.
pub fn register(py: Python<'_>) -> PyResult<()> {
    static REGISTERED: PyOnceLock<()> = PyOnceLock::new();
    if REGISTERED.set(py, ()).is_err() {
        return Ok(());
    }
    let end = PyCFunction::new_closure(py, None, None, |arguments, _| {
        gate::shut(arguments.py())?;
        arguments.py().detach(|| {
            // Tasks that wait for a worker end with it.
            pools::close_all();
            session::close_all();
            session::wait_for_files(PATIENCE);
        });
        PyResult::Ok(())
    })?;
    py.import("atexit")?.call_method1("register", (end,))?;
    Ok(())
}
