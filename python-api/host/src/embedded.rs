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
    /// What Python calls the thread that is inside; 0: none is.
    thread: AtomicU64,
    /// What functions find around them, and the object that it is.
    around: Option<String>,
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
        self.thread.store(pin::thread(), Ordering::Release);
        let done = work(open.as_mut());
        self.thread.store(0, Ordering::Release);
        let batch = done?;
        Ok((Answer::Given { more: open.more(), enough: open.enough(), counts: open.counted() }, batch))
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
    let thread = AtomicU64::new(pin::thread());
    let chain = Arc::new(Chain { user, open: Mutex::new(None), thread, around });
    chains().insert(number, chain.clone());
    (number, chain)
}

fn open(user: u64, around: Option<String>, idle: u64, program: &[u8], sides: Vec<RecordBatch>) -> Answered {
    let program = decode_chain(program).map_err(HostError::Internal)?;
    // Functions are loaded now.
    let (number, chain) = entered(user, around.clone());
    let opened =
        surroundings(around, idle).and_then(|around| SurroundedHost { around }.open(&program, sides));
    chain.thread.store(0, Ordering::Release);
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
    let (number, _) = entered(user, None);
    let ended = pin::attach(|py| {
        let module = ours(py.import(MODULE))?;
        failed(module.call_method1("end", (around,))).map(|()| (Answer::Done, None))
    });
    chains().remove(&number);
    ended
}

/// Interrupts what the chains of a user run, on a thread of its own: whoever asks must not wait for the
/// interpreter's lock.
fn interrupt(user: u64) {
    static BUSY: AtomicBool = AtomicBool::new(false);
    let chains = chains();
    let theirs = chains.values().filter(|chain| chain.user == user);
    let threads: Vec<u64> =
        theirs.map(|chain| chain.thread.load(Ordering::Acquire)).filter(|thread| *thread != 0).collect();
    drop(chains);
    if threads.is_empty() || BUSY.swap(true, Ordering::AcqRel) {
        return;
    }
    let spawned = std::thread::Builder::new().name("nestflow-interrupt".into()).spawn(move || {
        let interrupted = pin::attach(|py| {
            let module = ours(py.import("nestflow.host.interrupt"))?;
            ours(module.call_method1("interrupt", (threads,))).map(drop)
        });
        // Where it fails, the next try may not.
        let _ = interrupted;
        BUSY.store(false, Ordering::Release);
    });
    if spawned.is_err() {
        BUSY.store(false, Ordering::Release);
    }
}
