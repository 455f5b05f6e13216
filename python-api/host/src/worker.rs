//! What a worker process does once it has an interpreter: the same programs on the same host as in
//! the process that it belongs to.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::host::InProcessHost;

/// Serves the pool at the other end of a socket until it is gone. The descriptor is given away.
#[pyfunction]
pub(crate) fn run_worker(py: Python<'_>, socket: i32, parent: u32) -> PyResult<()> {
    nestflow_workers::end_with_parent(parent);
    let served =
        py.detach(|| nestflow_workers::serve(nestflow_workers::adopt(socket), parent, &InProcessHost));
    served.map_err(|error| PyRuntimeError::new_err(error.to_string()))
}
