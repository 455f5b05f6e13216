//! Sessions: one local engine each, known by number.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arrow::array::{Array, AsArray, BinaryViewArray, RecordBatch};
use nestflow_host::InProcessHost;
use nestflow_runtime::error::{Error, Result};
use nestflow_runtime::local::{Local, Options, Report};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::failure::raised;
use crate::{logs, machine};

type Sessions = HashMap<u64, Arc<Local>>;

fn sessions() -> MutexGuard<'static, Sessions> {
    static SESSIONS: OnceLock<Mutex<Sessions>> = OnceLock::new();
    let sessions = SESSIONS.get_or_init(Mutex::default);
    // A map of handles is whole whatever happened to a thread that held it.
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

fn session(number: u64) -> Result<Arc<Local>> {
    let known = sessions().get(&number).cloned();
    known.ok_or_else(|| Error::Plan("this pipeline is closed".into()))
}

/// Opens a session.
pub fn open(options: &Bound<'_, PyDict>) -> PyResult<u64> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let py = options.py();
    let number = |name: &str| -> PyResult<Option<usize>> {
        options.get_item(name)?.map(|value| value.extract()).transpose()
    };
    let scratch = match options.get_item("tmp_dir")? {
        Some(folder) => folder.extract::<PathBuf>()?,
        None => std::env::temp_dir(),
    };
    let options = Options {
        memory_limit: number("memory_limit")?.unwrap_or_else(machine::default_memory_limit),
        threads: number("threads")?.unwrap_or_else(machine::cores),
        scratch,
    };
    let engine = Local::new(options, Arc::new(InProcessHost)).map_err(|error| raised(py, error))?;
    // No other process reads what this host's functions return.
    py.import("nestflow.host.pickles")?.setattr("stays_here", true)?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    sessions().insert(number, Arc::new(engine));
    Ok(number)
}

/// Closes a session; closing twice is harmless.
pub fn close(number: u64) {
    let engine = sessions().remove(&number);
    drop(engine);
}

/// Executes a plan while this thread watches for signals.
pub fn run<'py>(
    py: Python<'py>,
    number: u64,
    plan: &[u8],
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let engine = session(number).map_err(|error| raised(py, error))?;
    let cancelled = Arc::new(AtomicBool::new(false));
    let progress = progress.map(Bound::unbind);
    // What the user's own callback or signal handler raised; it is raised again as it is.
    let mut raised_here: Option<PyErr> = None;
    let result = py.detach(|| {
        let mut watch = |report: &Report| -> Result<()> {
            let watched = Python::attach(|py| {
                py.check_signals()?;
                logs::hand_over(py)?;
                match &progress {
                    Some(callback) => callback.call1(py, (told(py, report)?,)).map(drop),
                    None => Ok(()),
                }
            });
            watched.map_err(|error| {
                raised_here = Some(error);
                Error::Interrupted
            })
        };
        engine.run(plan, &cancelled, &mut watch)
    });
    logs::hand_over(py)?;
    if raised_here.is_some() || matches!(result, Err(Error::Interrupted)) {
        // What still runs in this interpreter works for nobody.
        py.import("nestflow.host.interrupt")?.call_method0("interrupt")?;
    }
    match (result, raised_here) {
        (Ok(report), _) => summary(py, &report),
        (Err(_), Some(error)) => Err(error),
        (Err(error), None) => Err(raised(py, error)),
    }
}

fn told<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    if let Some(stage) = report.stages.last() {
        dict.set_item("stage", report.stages.len())?;
        dict.set_item("stages", report.planned)?;
        dict.set_item("name", &stage.label)?;
        dict.set_item("tasks_done", stage.finished)?;
        dict.set_item("tasks", stage.tasks)?;
        dict.set_item("rows", stage.rows_in)?;
    }
    Ok(dict)
}

fn summary<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyDict>> {
    let stages = PyList::empty(py);
    for stage in &report.stages {
        let dict = PyDict::new(py);
        dict.set_item("name", &stage.label)?;
        dict.set_item("tasks", stage.tasks)?;
        dict.set_item("rows", stage.rows_in)?;
        dict.set_item("rows_out", stage.rows_out)?;
        dict.set_item("bytes", stage.bytes_out)?;
        dict.set_item("seconds", stage.seconds)?;
        stages.append(dict)?;
    }
    let dict = PyDict::new(py);
    dict.set_item("stages", stages)?;
    Ok(dict)
}

/// The batches of a kept dataset.
pub fn kept(number: u64, cache: u64) -> Result<Vec<RecordBatch>> {
    session(number)?.kept(cache)
}

/// Forgets a kept dataset.
pub fn release(number: u64, cache: u64) {
    if let Ok(engine) = session(number) {
        engine.release(cache);
    }
}

/// Rows `(k1, …, kd, value)`; markers are left out.
pub fn rows<'py>(py: Python<'py>, batches: &[RecordBatch]) -> PyResult<Bound<'py, PyList>> {
    let all = PyList::empty(py);
    for batch in batches {
        let cells = |index: usize| batch.column(index).as_binary_view();
        let levels = (batch.num_columns() - 1) / 2;
        let mut columns = Vec::new();
        for level in 0..levels {
            columns.push((Present::new(py, cells(2 * level))?, Present::new(py, cells(2 * level + 1))?));
        }
        let mut records = Present::new(py, cells(2 * levels))?;
        for index in 0..batch.num_rows() {
            let mut row = Vec::with_capacity(levels + 1);
            for (keys, given) in &mut columns {
                let key = keys.next(index)?;
                row.extend(given.next(index)?.or(key));
            }
            if let Some(record) = records.next(index)? {
                row.push(record);
                all.append(PyTuple::new(py, row)?)?;
            }
        }
    }
    Ok(all)
}

/// The objects of a column, asked for row by row; nulls have none.
struct Present<'py> {
    cells: BinaryViewArray,
    objects: Bound<'py, PyList>,
    next: usize,
}

impl<'py> Present<'py> {
    fn new(py: Python<'py>, cells: &BinaryViewArray) -> PyResult<Present<'py>> {
        Ok(Present { cells: cells.clone(), objects: nestflow_host::decode_column(py, cells)?, next: 0 })
    }

    fn next(&mut self, row: usize) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.cells.is_null(row) {
            return Ok(None);
        }
        self.next += 1;
        self.objects.get_item(self.next - 1).map(Some)
    }
}
