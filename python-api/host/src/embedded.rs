//! What a process that has opened this library beside an interpreter calls: one C function, by which
//! programs are opened on the same host as everywhere else. `runtime/embedded` is the caller's half.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arrow_array::RecordBatch;
use nestflow_chain::wire::decode_chain;
use nestflow_chain::{Host, HostError, OpenChain};
use nestflow_embedded::batch::Passed;
use nestflow_embedded::call::{Reply, answer};
use nestflow_embedded::message::{Answer, Ask, VERSION};
use pyo3::prelude::*;

use crate::pin;
use crate::program::ours;
use crate::worker::{SurroundedHost, failed};

/// The Python half.
const MODULE: &str = "nestflow.host.embedded";
/// What interrupts functions.
const INTERRUPT: &str = "nestflow.host.interrupt";

/// The one function of this library for its process.
///
/// # Safety
/// The arguments are those of `nestflow_embedded::call::call`.
// SAFETY: nobody else in the process has a function of this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nestflow_embedded_call(
    ask: *const u8,
    length: usize,
    batches: *mut Passed,
    count: usize,
    reply: *mut Reply,
) {
    // SAFETY: by the caller's promise.
    unsafe { answer((ask, length), (batches, count), reply, respond) };
}

type Answered = Result<(Answer, Option<RecordBatch>), HostError>;

/// A chain, whose calls are one after the other.
struct Chain {
    user: u64,
    open: Mutex<Option<Box<dyn OpenChain>>>,
    inside: Mutex<Inside>,
    /// What functions find around them, and the object that it is.
    around: Option<String>,
}

/// Who is inside of a chain.
#[derive(Default)]
struct Inside {
    /// What Python calls the thread; 0: none is.
    thread: u64,
    interrupted: bool,
}

fn chains() -> MutexGuard<'static, HashMap<u64, Arc<Chain>>> {
    static CHAINS: OnceLock<Mutex<HashMap<u64, Arc<Chain>>>> = OnceLock::new();
    // A map of handles is whole whatever happened to a thread that held it.
    CHAINS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

fn chain(number: u64) -> Result<Arc<Chain>, HostError> {
    let known = chains().get(&number).cloned();
    known.ok_or_else(|| HostError::Internal(format!("chain {number} is not open")))
}

fn respond(ask: Ask, batches: Vec<RecordBatch>) -> Answered {
    match ask {
        Ask::Start { version: VERSION, path, environment } => {
            find_in(path)?;
            python("start", (environment,))
        }
        Ask::Start { version, .. } => Err(HostError::Internal(format!(
            "the engine speaks version {version}, not {VERSION}: another build"
        ))),
        Ask::Add { path, environment } => python("add", (path, environment)),
        Ask::Open { user, around, idle, program } => open(user, around, idle, &program, batches),
        Ask::Push(number) => {
            let batch = batches.into_iter().next();
            let batch = batch.ok_or_else(|| HostError::Internal("a push without a batch".to_owned()))?;
            chain(number)?.work(|open| open.push(batch).map(|()| None))
        }
        Ask::Pull(number) => chain(number)?.work(|open| open.pull().map(Some)),
        Ask::Finish(number) => chain(number)?.work(|open| open.finish()),
        Ask::Close(number) => {
            // Outside of the lock: what a chain holds may be freed by Python.
            let closed = chains().remove(&number);
            let around = closed.as_ref().and_then(|chain| chain.around.clone());
            drop(closed);
            around.map_or(Ok((Answer::Done, None)), |around| python("leave", (around,)))
        }
        Ask::End { user, around } => end(user, around),
        Ask::Interrupt(user) => {
            interrupt(user);
            Ok((Answer::Done, None))
        }
    }
}

impl Chain {
    /// Does something with the chain, and gives what it gave and counted.
    fn work(
        &self,
        work: impl FnOnce(&mut dyn OpenChain) -> Result<Option<RecordBatch>, HostError>,
    ) -> Answered {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.as_mut().ok_or_else(|| HostError::Internal("this chain is closed".to_owned()))?;
        self.enter();
        let done = work(open.as_mut());
        self.leave();
        let batch = done?;
        Ok((Answer::Given { more: open.more(), enough: open.enough(), counts: open.counted() }, batch))
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this thread runs may be interrupted from here on.
    fn enter(&self) {
        let thread = pin::thread();
        *self.inside() = Inside { thread, interrupted: false };
    }

    /// It may not be any more: the thread is going to do something for others, which no late interrupt is
    /// to meet.
    fn leave(&self) {
        if !std::mem::take(&mut *self.inside()).interrupted {
            return;
        }
        // Where one is late, it comes now, and ends the first call. An interpreter that ends has none to come.
        let _ = pin::attach(|py| {
            let settle = || py.import(INTERRUPT)?.call_method0("settle");
            ours(settle().or_else(|_| settle())).map(drop)
        });
    }

    /// Interrupts what runs. Who leaves waits until this is done, outside of the interpreter.
    fn interrupt(&self, py: Python<'_>) -> PyResult<()> {
        let mut inside = self.inside();
        if inside.thread == 0 {
            return Ok(());
        }
        inside.interrupted = true;
        py.import(INTERRUPT)?.call_method1("interrupt", ([inside.thread],)).map(drop)
    }
}

/// Lets the interpreter find modules, the Python half of this library among them, where one that was started
/// with its environment would.
fn find_in(path: Vec<String>) -> Result<(), HostError> {
    pin::attach(|py| ours(py.import("sys").and_then(|sys| sys.setattr("path", path))))
}

fn python<A>(function: &str, arguments: A) -> Answered
where
    A: for<'py> pyo3::call::PyCallArgs<'py>,
{
    pin::attach(|py| {
        let module = ours(py.import(MODULE))?;
        ours(module.call_method1(function, arguments)).map(|_| (Answer::Done, None))
    })
}

/// A chain of a user, not open yet, which this thread is inside of: what it runs may be interrupted.
fn entered(user: u64, around: Option<String>) -> (u64, Arc<Chain>) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let chain = Arc::new(Chain { user, open: Mutex::new(None), inside: Mutex::default(), around });
    chain.enter();
    chains().insert(number, chain.clone());
    (number, chain)
}

fn open(user: u64, around: Option<String>, idle: u64, program: &[u8], sides: Vec<RecordBatch>) -> Answered {
    let program = decode_chain(program).map_err(HostError::Internal)?;
    // Functions are loaded now.
    let (number, chain) = entered(user, around.clone());
    let opened =
        surroundings(around, idle).and_then(|around| SurroundedHost { around }.open(&program, sides));
    chain.leave();
    match opened {
        Ok(opened) => {
            let credits = opened.credits() as u32;
            *chain.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(opened);
            Ok((Answer::Opened { chain: number, credits }, None))
        }
        Err(error) => {
            respond(Ask::Close(number), Vec::new())?;
            Err(error)
        }
    }
}

/// The object of a kit that is in use from now on; others are not, unless they have chains.
fn surroundings(around: Option<String>, idle: u64) -> Result<Option<Py<PyAny>>, HostError> {
    pin::attach(|py| {
        let module = ours(py.import(MODULE))?;
        let around = ours(module.call_method1("enter", (around, idle)))?;
        Ok((!around.is_none()).then(|| around.unbind()))
    })
}

/// Leaves the surroundings of a kit, unless they have chains. Its hooks are functions of the user like those of
/// a chain.
fn end(user: u64, around: String) -> Answered {
    let (number, chain) = entered(user, None);
    let ended = pin::attach(|py| {
        let module = ours(py.import(MODULE))?;
        failed(module.call_method1("end", (around,))).map(|()| (Answer::Done, None))
    });
    chain.leave();
    chains().remove(&number);
    ended
}

/// Interrupts what the chains of a user run, on a thread of its own: whoever asks must not wait for the
/// interpreter's lock.
fn interrupt(user: u64) {
    static BUSY: AtomicBool = AtomicBool::new(false);
    let theirs: Vec<Arc<Chain>> = chains().values().filter(|chain| chain.user == user).cloned().collect();
    if theirs.is_empty() || BUSY.swap(true, Ordering::AcqRel) {
        return;
    }
    let spawned = std::thread::Builder::new().name("nestflow-interrupt".into()).spawn(move || {
        // Where it fails, the next try may not.
        let _ = pin::attach(|py| theirs.iter().try_for_each(|chain| ours(chain.interrupt(py))));
        // What a chain holds may be freed by Python.
        drop(theirs);
        BUSY.store(false, Ordering::Release);
    });
    if spawned.is_err() {
        BUSY.store(false, Ordering::Release);
    }
}
