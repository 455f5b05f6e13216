//! What the tasks of this process share: its memory and temporary files, and where user functions run.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use nestflow_chain::Host;
use nestflow_embedded::{EmbeddedHost, Settings};
use nestflow_runtime::error::{Error, Result};
use nestflow_runtime::remote::{HostSpec, Interrupt, Process, ProcessSettings};
use nestflow_workers::{Elsewhere, Options, Output, WorkersHost, glibc};

/// One for each way that a JVM was set up: it can have one SparkContext after the other.
static PROCESSES: Mutex<Vec<(ProcessSettings, &'static Process)>> = Mutex::new(Vec::new());

/// The process as the first task with these settings made it.
pub fn process(folder: String, slots: usize, memory: usize) -> Result<&'static Process> {
    let settings = ProcessSettings { folder: PathBuf::from(folder), slots, memory };
    let mut processes = PROCESSES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, process)) = processes.iter().find(|(known, _)| *known == settings) {
        return Ok(process);
    }
    // It lives as long as the JVM; whoever named the folder removes it.
    let made: &'static Process = Box::leak(Box::new(Process::new(settings.clone())?));
    processes.push((settings, made));
    Ok(made)
}

/// Bytes that tasks have taken.
pub fn taken() -> usize {
    let processes = PROCESSES.lock().unwrap_or_else(PoisonError::into_inner);
    processes.iter().map(|(_, process)| process.taken()).sum()
}

/// Where the functions of one task run, and what interrupts them. What their processes print for the task of this
/// name goes to `output`.
pub fn host(
    spec: &HostSpec,
    slots: usize,
    (task, output): (String, Output),
) -> Result<(Arc<dyn Host>, Interrupt)> {
    if let Some(wanted) = spec.glibc.filter(|wanted| glibc().is_none_or(|found| found < *wanted)) {
        return Err(Error::Died(too_old(wanted)));
    }
    if spec.embedded {
        let host = embedded(spec)?;
        let same = host.clone();
        return Ok((Arc::new(host), Box::new(move || same.interrupt())));
    }
    let (host, in_use) = workers(spec, slots, &task, output)?;
    let same = host.clone();
    let interrupt = move || {
        // Kept as long as the task is.
        let _ = &in_use;
        same.kill_busy();
    };
    Ok((if spec.ends { Arc::new(host.ending()) } else { Arc::new(host) }, Box::new(interrupt)))
}

/// The interpreter in this process, each task a user of its own.
fn embedded(spec: &HostSpec) -> Result<EmbeddedHost> {
    static HOSTS: OnceLock<Mutex<HashMap<Settings, EmbeddedHost>>> = OnceLock::new();
    let mut hosts = HOSTS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let settings = Settings {
        program: spec.program.clone(),
        arguments: spec.arguments.clone(),
        environment: spec.environment.clone(),
    };
    if let Some(host) = hosts.get(&settings) {
        return Ok(host.for_another(spec.around.clone(), spec.idle, spec.ends));
    }
    let refused = |reason: String| {
        Error::Plan(format!(
            "functions cannot run in this process (host=\"embedded\"): {reason}; use host=\"workers\""
        ))
    };
    let host = EmbeddedHost::new(&settings).map_err(refused)?;
    let mine = host.for_another(spec.around.clone(), spec.idle, spec.ends);
    hosts.insert(settings, host);
    Ok(mine)
}

/// The worker processes for one program.
struct Workers {
    host: WorkersHost,
    /// Each task that may use one has a handle.
    tasks: Arc<()>,
}

impl Workers {
    fn for_task(&self, name: &str) -> (WorkersHost, Arc<()>) {
        (self.host.for_task(name), self.tasks.clone())
    }

    /// Processes that there are, or will be for the tasks that there are.
    fn wanted(&self) -> usize {
        self.host.count().max(self.tasks())
    }

    fn tasks(&self) -> usize {
        Arc::strong_count(&self.tasks) - 1
    }
}

/// All worker processes.
#[derive(Default)]
struct All {
    /// Those that tasks share.
    shared: HashMap<HostSpec, Workers>,
    /// Each task that has one alone has a handle.
    alone: Arc<()>,
}

/// The worker processes for a program: one pool for all tasks that name the same, each of them a user of
/// its own. All pools together have no more processes than tasks run at a time: to make room, those that
/// have nothing to do for other programs end. Processes that end with a run are for this task alone.
fn workers(spec: &HostSpec, slots: usize, task: &str, output: Output) -> Result<(WorkersHost, Arc<()>)> {
    static ALL: OnceLock<Mutex<All>> = OnceLock::new();
    let mut all = ALL.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let All { shared, alone } = &mut *all;
    let found = match shared.get(spec) {
        _ if spec.ends => (started(spec, slots, output)?.for_task(task), alone.clone()),
        Some(known) => known.for_task(task),
        None => {
            // Those of programs that no task names any more have ended, or end when they were idle.
            shared.retain(|_, known| known.tasks() > 0 || known.host.ready());
            let made = Workers { host: started(spec, slots, output)?, tasks: Arc::new(()) };
            let mine = made.for_task(task);
            shared.insert(spec.clone(), made);
            mine
        }
    };
    let wanted = shared.values().map(Workers::wanted).sum::<usize>() + Arc::strong_count(alone) - 1;
    let mut over = wanted.saturating_sub(slots);
    for other in shared.iter().filter(|(known, _)| *known != spec).map(|(_, other)| other) {
        let idle = other.host.count().saturating_sub(other.tasks());
        over -= other.host.end_idle(idle.min(over));
    }
    Ok(found)
}

fn started(spec: &HostSpec, slots: usize, output: Output) -> Result<WorkersHost> {
    let mut options = Options::new(&spec.program, spec.arguments.iter().map(Into::into).collect());
    options.environment = spec.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    options.workers = slots;
    // Those that end with a task do not before, or nobody would hear what goes wrong then.
    options.idle = if spec.ends { Duration::MAX } else { Duration::from_secs(spec.idle) };
    // One alone starts as soon as the process that would fork it.
    options.spawns = !spec.ends;
    options.output = output;
    let failed = |error: std::io::Error| Error::Died(format!("worker processes cannot be started: {error}"));
    WorkersHost::new(options).map_err(failed)
}

fn too_old(wanted: (u32, u32)) -> String {
    let found = glibc().map_or("none".into(), |(major, minor)| format!("{major}.{minor}"));
    let (major, minor) = wanted;
    format!(
        "the interpreter that came with the job needs glibc {major}.{minor} or newer, and this machine has \
         {found}; PYSPARK_PYTHON names one of the machine's own"
    )
}
