//! The client's half of the Spark engine: a plan becomes a job that is described in JSON, text outputs
//! begin and end, and kept blocks become rows. Knows neither pyspark nor the JVM.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use nestflow_runtime::error::{Error, Result};
use nestflow_runtime::io::{Link, RemoteStorage, Storage, refused};
use nestflow_runtime::plan::logical::LogicalPlan;
use nestflow_runtime::planner;
use nestflow_runtime::remote::{Plan, Settings, plan_job, rows_of};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::failure::raised;
use crate::session::rows;

/// A run's number, its description, the bytes that the description points into, and what it keeps.
type Planned<'py> = (u64, String, Bound<'py, PyBytes>, String);

/// Runs that have begun and not ended.
fn runs() -> MutexGuard<'static, HashMap<u64, Plan>> {
    static RUNS: OnceLock<Mutex<HashMap<u64, Plan>>> = OnceLock::new();
    RUNS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file systems that the driver's JVM knows: a function of operation, path and what else there is.
struct Asking(Py<PyAny>);

impl Link for Asking {
    fn ask(&self, operation: &str, path: &str, other: &str) -> Result<Option<String>> {
        Python::attach(|py| {
            let answer = self.0.call1(py, (operation, path, other));
            answer.and_then(|answer| answer.extract(py)).map_err(|error: PyErr| {
                if error.is_instance_of::<PyKeyboardInterrupt>(py) {
                    return Error::Interrupted;
                }
                let text = error.value(py).to_string();
                let source = refused(&text).unwrap_or_else(|| std::io::Error::other(text));
                Error::Io { path: path.into(), source }
            })
        })
    }
}

fn given(settings: &str, ask: Py<PyAny>) -> Result<(Settings, Arc<dyn Storage>)> {
    let settings: Settings = serde_json::from_str(settings).map_err(Error::from)?;
    let storage = RemoteStorage::new(Asking(ask));
    let storage: Arc<dyn Storage> = match &settings.temporary {
        Some(path) => Arc::new(storage.with_copies(path)?),
        None => Arc::new(storage),
    };
    Ok((settings, storage))
}

/// What a run would be planned by.
pub fn planning(plan: &LogicalPlan, settings: &str, ask: Py<PyAny>) -> Result<planner::Settings> {
    let (settings, storage) = given(settings, ask)?;
    nestflow_runtime::remote::planning(plan, &settings, &storage)
}

/// Plans a run over the files that `ask` knows of.
#[pyfunction]
pub fn spark_plan<'py>(
    py: Python<'py>,
    plan: &[u8],
    settings: &str,
    ask: Py<PyAny>,
) -> PyResult<Planned<'py>> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let planned = py.detach(|| -> Result<(Plan, String, String)> {
        let (settings, storage) = given(settings, ask)?;
        let plan = plan_job(plan, &settings, &storage)?;
        let description = serde_json::to_string(&plan.job).map_err(Error::from)?;
        let keeps = serde_json::to_string(&plan.keeps).map_err(Error::from)?;
        Ok((plan, description, keeps))
    });
    let (mut plan, description, keeps) = planned.map_err(|error| raised(py, error))?;
    let bytes = PyBytes::new(py, &std::mem::take(&mut plan.bytes));
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    runs().insert(number, plan);
    Ok((number, description, bytes, keeps))
}

/// Ends a run: of what it wrote, what its tasks reported appears; without reports, it never was.
#[pyfunction]
pub fn spark_end(py: Python<'_>, run: u64, reports: Option<&[u8]>) -> PyResult<()> {
    let Some(plan) = runs().remove(&run) else { return Ok(()) };
    let ended = py.detach(|| match reports {
        Some(reports) => plan.commit(reports),
        None => {
            drop(plan);
            Ok(())
        }
    });
    ended.map_err(|error| raised(py, error))
}

/// The rows of a kept dataset from its blocks.
#[pyfunction]
pub fn spark_rows<'py>(py: Python<'py>, blocks: &[u8], depth: u32) -> PyResult<Bound<'py, PyList>> {
    let batches = py.detach(|| rows_of(blocks, depth)).map_err(|error| raised(py, error))?;
    rows(py, &batches)
}
