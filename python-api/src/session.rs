//! Sessions: one local engine each, known by number.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::{Array, AsArray, BinaryViewArray, RecordBatch};
use crossbeam::channel::{Receiver, TryRecvError};
use nestflow_chain::Host;
use nestflow_host::gate::{self, Inside};
use nestflow_host::{InProcessHost, SurroundedHost};
use nestflow_runtime::error::{Error, Result};
use nestflow_runtime::local::{Local, Options, Report};
use nestflow_runtime::plan::logical::LogicalPlan;
use nestflow_runtime::planner;
use nestflow_workers::{AutoHost, WorkersHost};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::failure::raised;
use crate::pools::Wanted;
use crate::{exit, logs, machine, pools};

/// How often a thread that is inside user code is interrupted again.
const PURSUIT: Duration = Duration::from_millis(20);

/// An engine, and the worker processes of its host, if it may have some.
struct Session {
    engine: Local,
    workers: Option<WorkersHost>,
    /// Other interpreters, if there is a command for them.
    wanted: Option<Wanted>,
    /// The last kit that a run brought, and its workers.
    kit: Mutex<Option<(String, WorkersHost)>>,
    /// The process that opened it, and that its threads and files are of.
    process: u32,
}

/// How long closing waits for interrupted user code.
const FAREWELL: Duration = Duration::from_secs(1);

/// The temporary files of each process's sessions, for as long as a thread uses them.
type Traces = Vec<(u32, Receiver<()>)>;

type Sessions = HashMap<u64, Arc<Session>>;

fn sessions() -> MutexGuard<'static, Sessions> {
    static SESSIONS: OnceLock<Mutex<Sessions>> = OnceLock::new();
    let sessions = SESSIONS.get_or_init(Mutex::default);
    // A map of handles is whole whatever happened to a thread that held it.
    sessions.lock().unwrap_or_else(PoisonError::into_inner)
}

fn traces() -> MutexGuard<'static, Traces> {
    static TRACES: Mutex<Traces> = Mutex::new(Vec::new());
    TRACES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until the temporary files of closed sessions are gone.
pub fn wait_for_files(patience: Duration) {
    let until = Instant::now() + patience;
    for (process, trace) in std::mem::take(&mut *traces()) {
        if process == std::process::id() {
            let _ = trace.recv_deadline(until);
        }
    }
}

/// The right to come back into the interpreter after a wait.
pub fn enter() -> PyResult<Inside> {
    gate::enter().ok_or_else(|| PyRuntimeError::new_err("the interpreter is shutting down"))
}

fn session(number: u64) -> Result<Arc<Session>> {
    let known = sessions().get(&number).cloned();
    let known = known.ok_or_else(|| Error::Plan("this pipeline is closed".into()))?;
    if known.process != std::process::id() {
        return Err(Error::Plan("this pipeline is of the process that this one was forked from".into()));
    }
    Ok(known)
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
    let named = options;
    let options = Options {
        memory_limit: number("memory_limit")?.unwrap_or_else(machine::default_memory_limit),
        threads: number("threads")?.unwrap_or_else(machine::cores),
        scratch,
    };
    let _inside = enter()?;
    exit::register(py)?;
    let (workers, told) = (options.threads, number("worker_memory_limit")?);
    let memory = told.unwrap_or_else(|| machine::default_worker_limit(workers));
    let wanted = python(py)?.map(|python| Wanted { python, workers, memory });
    let (host, workers) = host(named, wanted.clone())?;
    let engine = Local::new(options, host).map_err(|error| raised(py, error))?;
    // Where no other process reads what functions return, classes need not travel.
    py.import("nestflow.host.pickles")?.call_method1("travel", (workers.is_some(),))?;
    let mut traces = traces();
    traces.retain(|(_, trace)| trace.try_recv() == Err(TryRecvError::Empty));
    traces.push((std::process::id(), engine.trace()));
    drop(traces);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let kit = Mutex::default();
    let session = Session { engine, workers, wanted, kit, process: std::process::id() };
    sessions().insert(number, Arc::new(session));
    Ok(number)
}

/// What a run in a session would be planned by.
pub fn planning(number: u64, plan: &LogicalPlan) -> Result<planner::Settings> {
    session(number)?.engine.planning(plan)
}

/// The command of this interpreter.
fn python(py: Python<'_>) -> PyResult<Option<String>> {
    let python = py.import("sys")?.getattr("executable")?.extract::<Option<String>>()?;
    // A program that only embeds the interpreter has no command for another one.
    Ok(python.filter(|path| !path.is_empty()))
}

/// The host of a run that brings a kit, and the workers that it is: a kit is what they are told of it,
/// and whether they end with the run, or the surroundings that it has become in this process.
fn with_kit(session: &Session, kit: &Bound<'_, PyAny>) -> PyResult<(Arc<dyn Host>, Option<WorkersHost>)> {
    let py = kit.py();
    let Ok((kit, ends)) = kit.extract::<(String, bool)>() else {
        return Ok((Arc::new(SurroundedHost { around: Some(kit.clone().unbind()) }), None));
    };
    let nobody = || PyValueError::new_err("there is no Python to run worker processes with");
    let wanted = session.wanted.clone().ok_or_else(nobody)?;
    let mut known = session.kit.lock().unwrap_or_else(PoisonError::into_inner);
    if ends {
        *known = None;
        let workers = pools::own_workers(py, wanted, &kit)?;
        return Ok((Arc::new(workers.clone().ending()), Some(workers)));
    }
    if let Some((_, workers)) = known.as_ref().filter(|(name, _)| *name == kit) {
        return Ok((Arc::new(workers.clone()), Some(workers.clone())));
    }
    let count = wanted.workers;
    let workers = pools::workers(py, wanted, Some(&kit))?;
    workers.start_early(count)?;
    // What travels between processes carries its classes along.
    py.import("nestflow.host.pickles")?.call_method1("travel", (true,))?;
    *known = Some((kit, workers.clone()));
    Ok((Arc::new(workers.clone()), Some(workers)))
}

/// The host that the option `host` names, with its workers.
fn host(named: &Bound<'_, PyDict>, wanted: Option<Wanted>) -> PyResult<(Arc<dyn Host>, Option<WorkersHost>)> {
    let name = match named.get_item("host")? {
        Some(name) => name.extract::<String>()?,
        None => "auto".to_owned(),
    };
    match (name.as_str(), wanted) {
        ("workers", Some(wanted)) => {
            let count = wanted.workers;
            let workers = pools::workers(named.py(), wanted, None)?;
            workers.start_early(count)?;
            Ok((Arc::new(workers.clone()), Some(workers)))
        }
        ("workers", None) => Err(PyValueError::new_err("there is no Python to run worker processes with")),
        // With one thread there is nothing to gain.
        ("auto", Some(wanted)) if wanted.workers > 1 => {
            let workers = pools::workers(named.py(), wanted, None)?;
            Ok((Arc::new(AutoHost::new(Arc::new(InProcessHost), Arc::new(workers.clone()))), Some(workers)))
        }
        _ => Ok((Arc::new(InProcessHost), None)),
    }
}

/// Closes a session; closing twice is harmless.
pub fn close(number: u64) {
    let Some(session) = sessions().remove(&number) else { return };
    if session.process != std::process::id() {
        // Its folder and its worker processes are in use where this one was forked from.
        std::mem::forget(session);
        return;
    }
    // At the interpreter's end, a thread that is still in user code would be torn down in the middle
    // of it: those that can be interrupted are waited for.
    let began = Instant::now();
    while !session.engine.stuck().is_empty() && began.elapsed() < FAREWELL {
        #[expect(clippy::disallowed_methods, reason = "nobody says when a C call returns")]
        std::thread::sleep(PURSUIT / 4);
    }
}

/// Closes all sessions; for the end of the process.
pub fn close_all() {
    let all: Vec<u64> = sessions().keys().copied().collect();
    all.into_iter().for_each(close);
}

/// Executes a plan while this thread watches for signals.
pub fn run<'py>(
    py: Python<'py>,
    number: u64,
    plan: &[u8],
    progress: Option<Bound<'py, PyAny>>,
    kit: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let inside = enter()?;
    let session = session(number).map_err(|error| raised(py, error))?;
    let (host, of_kit) = kit.map(|kit| with_kit(&session, &kit)).transpose()?.unzip();
    let cancelled = Arc::new(AtomicBool::new(false));
    let progress = progress.map(Bound::unbind);
    // What the user's own callback or signal handler raised; it is raised again as it is.
    let mut raised_here: Option<PyErr> = None;
    let (result, (_inside, session)) = py.detach(|| {
        let mut watch = |report: &Report| -> Result<()> {
            if gate::is_shut() {
                return Err(Error::Interrupted);
            }
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
        let result = session.engine.run(plan, host, &cancelled, &mut watch);
        (result, inside.or_park(session))
    });
    logs::hand_over(py)?;
    if raised_here.is_some() || matches!(result, Err(Error::Interrupted)) {
        pursue(session, of_kit.flatten());
    }
    match (result, raised_here) {
        (Ok(report), _) => summary(py, &report),
        (Err(_), Some(error)) => Err(error),
        (Err(error), None) => Err(raised(py, error)),
    }
}

/// Interrupts what still runs, here or in workers, for a run that is over, until nothing does: a
/// thread may only be on its way into user code. Does not wait.
fn pursue(session: Arc<Session>, of_kit: Option<WorkersHost>) {
    let (mut here, mut threads): (Vec<_>, Vec<_>) = session.engine.stuck().into_iter().unzip();
    // The next run must not meet the workers of this one.
    let workers: Vec<_> = session.workers.clone().into_iter().chain(of_kit).collect();
    workers.iter().for_each(|workers| workers.give_up(&threads));
    let pursuer = std::thread::Builder::new().name("nestflow-interrupt".into());
    let pursued = pursuer.spawn(move || {
        while !threads.is_empty() {
            // Where the interpreter is ending, that does it.
            let Some(_inside) = gate::enter() else { break };
            let interrupted = Python::try_attach(|py| {
                py.import("nestflow.host.interrupt")?.call_method1("interrupt", (here,)).map(drop)
            });
            if !matches!(interrupted, Some(Ok(()))) {
                break;
            }
            #[expect(clippy::disallowed_methods, reason = "nobody says when a C call returns")]
            std::thread::sleep(PURSUIT);
            (here, threads) = session.engine.stuck().into_iter().unzip();
            workers.iter().for_each(|workers| workers.give_up(&threads));
        }
        // Some may have ended before they were interrupted.
        if let Some(_inside) = gate::enter() {
            let _ = Python::try_attach(|py| {
                py.import("nestflow.host.interrupt")?.call_method0("settle").map(drop)
            });
        }
    });
    if let Err(error) = pursued {
        tracing::warn!("user functions of an interrupted run go on: {error}");
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
        dict.set_item("spilled", stage.spilled)?;
        dict.set_item("host_seconds", stage.host_seconds)?;
        dict.set_item("seconds", stage.seconds)?;
        stages.append(dict)?;
    }
    let dict = PyDict::new(py);
    dict.set_item("counters", report.counts.0.clone())?;
    dict.set_item("stages", stages)?;
    Ok(dict)
}

/// The batches of a kept dataset.
pub fn kept(number: u64, cache: u64) -> Result<Vec<RecordBatch>> {
    session(number)?.engine.kept(cache)
}

/// Forgets a kept dataset.
pub fn release(number: u64, cache: u64) {
    if let Ok(session) = session(number) {
        session.engine.release(cache);
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
            columns.push(Present::new(py, &shown(cells(2 * level), cells(2 * level + 1)))?);
        }
        let mut records = Present::new(py, cells(2 * levels))?;
        for index in 0..batch.num_rows() {
            let mut row = Vec::with_capacity(levels + 1);
            for keys in &mut columns {
                row.extend(keys.next(index)?);
            }
            if let Some(record) = records.next(index)? {
                row.push(record);
                all.append(PyTuple::new(py, row)?)?;
            }
        }
    }
    Ok(all)
}

/// The keys to show: those given, where the key cells do not tell them.
fn shown(keys: &BinaryViewArray, given: &BinaryViewArray) -> BinaryViewArray {
    if given.null_count() == given.len() {
        return keys.clone();
    }
    given.iter().zip(keys).map(|(given, key)| given.or(key)).collect()
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
