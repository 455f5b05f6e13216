//! What user functions count while they run: `nestflow.host.counting` keeps it, and gives it here.

use nestflow_chain::{Counts, HostError};
use pyo3::prelude::*;

use crate::kinds::kinds;
use crate::program::ours;

/// Runs user functions, and takes what they counted. What fails has counted nothing.
pub(crate) fn counted<R>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<R, HostError>,
) -> Result<(R, Counts), HostError> {
    let kinds = ours(kinds(py))?;
    let outer = ours(kinds.enter.bind(py).call0())?;
    let result = work();
    let counts = ours(kinds.leave.bind(py).call1((outer,)))?;
    let counts = if counts.is_none() { Counts::default() } else { Counts(ours(counts.extract())?) };
    Ok((result?, counts))
}
