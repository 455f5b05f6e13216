//! The worker processes of this process: pipelines that would start the same ones share them.
//!
//! They are ended when they were idle for a while, and when the interpreter ends. A forked process
//! starts its own.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nestflow_workers::{Options, WorkersHost};
use pyo3::prelude::*;

/// What a worker process runs: given the paths of modules, it starts as `python -m` would.
const WORKER: &str = "import json, runpy, sys; sys.path[:] = json.loads(sys.argv.pop(1)); \
                      runpy.run_module('nestflow.host.worker', run_name='__main__', alter_sys=False)";

/// What a worker takes from this process when it starts.
#[derive(PartialEq)]
struct Key {
    process: u32,
    python: String,
    module_path: String,
    folder: Option<PathBuf>,
    environment: u64,
    workers: usize,
    memory: usize,
    kit: Option<String>,
}

type Pools = Vec<(Key, WorkersHost)>;

fn pools() -> MutexGuard<'static, Pools> {
    static POOLS: Mutex<Pools> = Mutex::new(Vec::new());
    // A list of handles is whole whatever happened to a thread that held it.
    POOLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The workers that are wanted.
#[derive(Clone)]
pub struct Wanted {
    /// The command of their interpreter.
    pub python: String,
    /// How many there may be.
    pub workers: usize,
    /// Bytes that each may take for data.
    pub memory: usize,
}

/// Workers that find the modules that this process finds, and what the kit brings, if there is one.
pub fn workers(py: Python<'_>, wanted: Wanted, kit: Option<&str>) -> PyResult<WorkersHost> {
    let (key, options) = description(py, wanted, kit)?;
    let mut pools = pools();
    // Those of a process that this one was forked from are not ours to end.
    let idle = |(other, host): &mut (Key, WorkersHost)| {
        *other != key && other.process == key.process && host.is_last()
    };
    let unused: Pools = pools.extract_if(.., idle).collect();
    if !unused.is_empty() {
        // This waits for their end.
        std::thread::Builder::new().name("nestflow-close".into()).spawn(move || drop(unused))?;
    }
    if let Some((_, host)) = pools.iter().find(|(other, _)| *other == key) {
        return Ok(host.for_another());
    }
    let host = WorkersHost::new(options)?;
    let mine = host.for_another();
    pools.push((key, host));
    Ok(mine)
}

/// The same, for a run that nobody shares them with.
pub fn own_workers(py: Python<'_>, wanted: Wanted, kit: &str) -> PyResult<WorkersHost> {
    let (_, mut options) = description(py, wanted, Some(kit))?;
    // Not before the run has ended, or nobody would hear what goes wrong at their end.
    options.idle = Duration::MAX;
    Ok(WorkersHost::new(options)?)
}

/// How workers are started, and what tells them from others.
fn description(py: Python<'_>, wanted: Wanted, kit: Option<&str>) -> PyResult<(Key, Options)> {
    let Wanted { python, workers, memory } = wanted;
    let path = py.import("nestflow.host.modules")?.call_method0("search_path")?;
    let path = py.import("json")?.call_method1("dumps", (path,))?;
    let mut environment = DefaultHasher::new();
    std::env::vars_os().collect::<Vec<_>>().hash(&mut environment);
    let key = Key {
        process: std::process::id(),
        python,
        module_path: path.extract()?,
        folder: std::env::current_dir().ok(),
        environment: environment.finish(),
        workers,
        memory,
        kit: kit.map(str::to_owned),
    };
    let classes = py.import("nestflow.host.pickles")?.call_method0("folder")?.extract::<String>()?;
    let arguments = ["-c".to_owned(), WORKER.to_owned(), key.module_path.clone()];
    let mut options = Options::new(&key.python, arguments.into_iter().map(Into::into).collect());
    options.workers = workers;
    options.spawns = true;
    options.folder = key.folder.clone();
    options.environment.push(("NESTFLOW_CLASSES".into(), classes.into()));
    options.environment.push(("NESTFLOW_WORKER_MEMORY".into(), memory.to_string().into()));
    // Equal text has the same hash in all workers, and each has one core.
    for (name, value) in [("PYTHONHASHSEED", "0"), ("OMP_NUM_THREADS", "1")] {
        if std::env::var_os(name).is_none() {
            options.environment.push((name.into(), value.into()));
        }
    }
    if let Some(kit) = kit {
        options.environment.push(("NESTFLOW_KIT".into(), kit.into()));
    }
    Ok((key, options))
}

/// Ends all worker processes; for the end of this one.
pub fn close_all() {
    let mine = |(key, _): &mut (Key, WorkersHost)| key.process == std::process::id();
    let pools: Pools = pools().extract_if(.., mine).collect();
    pools.iter().for_each(|(_, host)| host.close());
}
