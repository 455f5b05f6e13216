//! Who is inside the interpreter, so that it can end: a thread that comes back into one that is being
//! torn down is ended by Python in the middle of Rust frames, which is a crash.
//!
//! Everybody enters here before they attach. At the interpreter's end the gate is shut: nobody gets
//! in any more, runs see it and end, user code is interrupted as by Ctrl-C, and the end waits until
//! everybody is out. Code that does not come back from a call is left behind by ending the process.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How long the interpreter's end waits for those that are inside.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks, and interrupts.
const TICK: Duration = Duration::from_millis(10);

/// The process that somebody last entered in: a forked one has none of the threads.
static PROCESS: AtomicU32 = AtomicU32::new(0);

struct Gate {
    shut: bool,
    inside: Vec<Visitor>,
}

struct Visitor {
    number: u64,
    process: u32,
    thread: ThreadId,
    /// What Python calls a thread that runs user code and may be interrupted.
    interruptible: Option<u64>,
}

/// Told when somebody leaves.
static LEFT: Condvar = Condvar::new();

fn gate() -> MutexGuard<'static, Gate> {
    static GATE: Mutex<Gate> = Mutex::new(Gate { shut: false, inside: Vec::new() });
    // A list is whole whatever happened to a thread that held it.
    GATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to attach, and the duty of the interpreter to wait.
#[derive(Debug)]
pub struct Inside(u64);

impl Drop for Inside {
    fn drop(&mut self) {
        gate().inside.retain(|visitor| visitor.number != self.0);
        LEFT.notify_all();
    }
}

impl Inside {
    /// To be called before coming back from a wait outside: where the gate is shut, ends the stay,
    /// drops what was brought along, and never returns. A stay within another of the same thread goes
    /// on, since that one has to end.
    pub fn or_park<T>(self, luggage: T) -> (Inside, T) {
        let me = std::thread::current().id();
        let last = gate().inside.iter().filter(|visitor| visitor.thread == me).count() == 1;
        if last && is_shut() {
            drop((luggage, self));
            loop {
                std::thread::park();
            }
        }
        (self, luggage)
    }
}

/// Enters; nobody does where the interpreter is about to end.
pub fn enter() -> Option<Inside> {
    visit(None)
}

/// Enters to run user code in a thread that Python knows by this number.
pub(crate) fn enter_to_run(thread: u64) -> Option<Inside> {
    visit(Some(thread))
}

fn visit(interruptible: Option<u64>) -> Option<Inside> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (number, process) = (NEXT.fetch_add(1, Ordering::Relaxed), std::process::id());
    let thread = std::thread::current().id();
    PROCESS.store(process, Ordering::Relaxed);
    let mut gate = gate();
    if gate.shut {
        return None;
    }
    gate.inside.push(Visitor { number, process, thread, interruptible });
    Some(Inside(number))
}

/// Whether the interpreter is about to end.
pub fn is_shut() -> bool {
    gate().shut
}

/// Shuts the gate and waits until nobody is inside; user code that does not end is left behind with
/// the whole process. For the interpreter's `atexit`.
pub fn shut(py: Python<'_>) -> PyResult<()> {
    let process = std::process::id();
    if PROCESS.load(Ordering::Relaxed) != process {
        // Nobody has entered here; where this process was forked, the lock may be held by nobody.
        return Ok(());
    }
    let (me, began) = (std::thread::current().id(), Instant::now());
    let interrupt = py.import("nestflow.host.interrupt")?;
    interrupt.call_method0("hush")?;
    loop {
        let (empty, threads) = {
            let mut gate = gate();
            gate.shut = true;
            let others = || gate.inside.iter().filter(|it| it.process == process && it.thread != me);
            (others().next().is_none(), others().filter_map(|it| it.interruptible).collect::<Vec<_>>())
        };
        if empty {
            interrupt.call_method0("forgive")?;
            return Ok(());
        }
        interrupt.call_method1("interrupt", (threads,))?;
        py.detach(|| drop(LEFT.wait_timeout(gate(), TICK)));
        // Who does not want to wait says so with another Ctrl-C.
        if began.elapsed() > PATIENCE || py.check_signals().is_err() {
            interrupt.call_method0("end_process")?;
        }
    }
}
