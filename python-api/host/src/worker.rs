//! What a worker process does once it has an interpreter: the same programs on the same host as in
//! the process that it belongs to, in the surroundings that its Python half has made.

use arrow_array::RecordBatch;
use nestflow_chain::{ChainSpec, Host, HostError, OpenChain};
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::failure::of_failure;
use crate::host::InProcessHost;
use crate::pin;
use crate::program::ours;
use crate::remembered::remember;

/// Makes this process end with the thread that started it; at once if `parent` is not its process any more.
#[pyfunction]
pub(crate) fn end_with_parent(parent: u32) {
    nestflow_workers::end_with_parent(parent);
}

/// Serves the pool at the other end of a socket until it is gone. The descriptor is given away.
/// `owner` is the process of the pool, `around` an object of `nestflow.host.surroundings`, or nothing; `limit`
/// are the bytes that this process may take, where that was said.
#[pyfunction]
#[pyo3(signature = (socket, owner, around = None, limit = None))]
pub(crate) fn run_worker(
    py: Python<'_>,
    socket: i32,
    owner: u32,
    around: Option<Py<PyAny>>,
    limit: Option<usize>,
) -> PyResult<()> {
    remember(limit);
    let host = SurroundedHost { around };
    let served = py.detach(|| nestflow_workers::serve(nestflow_workers::adopt(socket), owner, &host));
    served.map_err(|error| PyRuntimeError::new_err(error.to_string()))
}

/// This process, with what `nestflow.host.surroundings` has put around its functions.
pub struct SurroundedHost {
    /// The object that tells of it and ends it; `None`: there is nothing.
    pub around: Option<Py<PyAny>>,
}

impl Host for SurroundedHost {
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        if let Some(around) = &self.around {
            // Where the surroundings are not as they should be, no function runs.
            pin::attach(|py| failed(around.bind(py).getattr(intern!(py, "failure"))))?;
        }
        InProcessHost.open(chain, sides)
    }

    fn name(&self) -> &'static str {
        InProcessHost.name()
    }

    fn end(&self, _: &mut dyn FnMut() -> bool) -> Result<(), HostError> {
        match &self.around {
            Some(around) => pin::attach(|py| failed(around.bind(py).call_method0(intern!(py, "end")))),
            None => Ok(()),
        }
    }
}

/// The error of a failure of `nestflow.host.errors`; `None` is none.
pub(crate) fn failed(failure: PyResult<Bound<'_, PyAny>>) -> Result<(), HostError> {
    let failure = ours(failure)?;
    if failure.is_none() { Ok(()) } else { Err(of_failure(Ok(failure))) }
}
