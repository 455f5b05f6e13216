//! The workers of one engine: started ahead in the background, lent to one program at a time.
//!
//! Whoever needs a worker while all are busy gets a new one, so that a program that is opened while
//! another one is open can never wait for it; beyond the number to keep they end when given back.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nestflow_chain::HostError;

use crate::process::{Process, Settings, Worker};

/// How long dismissed workers have to end by themselves when the pool closes.
const FAREWELL: Duration = Duration::from_millis(500);

/// A pool; its last handle ends the processes.
pub(crate) struct Pool {
    settings: Settings,
    /// The process that made the pool: a fork of it has no say over the workers.
    owner: u32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Worker>,
    busy: HashMap<u64, Process>,
    dismissed: Vec<Process>,
    /// Workers that are being started ahead, and programs that wait for them.
    starting: usize,
    waiting: usize,
    number: u64,
    interrupted: bool,
    closed: bool,
}

/// A worker that is lent.
pub(crate) struct Loan {
    pub(crate) worker: Worker,
    number: u64,
}

impl Pool {
    pub(crate) fn new(settings: Settings) -> Arc<Pool> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Arc::new(Pool { settings, owner: std::process::id(), state, changed })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts workers in the background, as many as are kept and not there yet.
    pub(crate) fn start_ahead(self: &Arc<Pool>) {
        let missing = {
            let mut state = self.state();
            let there = state.idle.len() + state.busy.len() + state.starting;
            let missing = self.settings.count.saturating_sub(there);
            state.starting += missing;
            missing
        };
        for _ in 0..missing {
            let pool = Arc::clone(self);
            let started = std::thread::Builder::new().name("nestflow-start".to_owned()).spawn(move || {
                let worker = pool.started();
                pool.arrived(worker.ok());
            });
            if started.is_err() {
                self.arrived(None);
            }
        }
    }

    fn started(&self) -> Result<Worker, HostError> {
        let mut worker = Worker::start(&self.settings)?;
        worker.ready()?;
        Ok(worker)
    }

    /// A worker that was started ahead is there. One that is not is no error: whoever needs it starts
    /// it again and is told.
    fn arrived(&self, worker: Option<Worker>) {
        let mut state = self.state();
        state.starting -= 1;
        if !state.closed {
            state.idle.extend(worker);
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Whether a worker could be had at once.
    pub(crate) fn has_idle(&self) -> bool {
        !self.state().idle.is_empty()
    }

    /// A worker of one's own.
    pub(crate) fn take(&self) -> Result<Loan, HostError> {
        let mut state = self.state();
        let worker = loop {
            if state.interrupted || state.closed {
                return Err(HostError::Died("interrupted".to_owned()));
            }
            match state.idle.pop() {
                Some(worker) if worker.process.ended().is_none() => break Some(worker),
                Some(_) => {}
                None if state.starting <= state.waiting => break None,
                None => {
                    state.waiting += 1;
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                    state.waiting -= 1;
                }
            }
        };
        state.number += 1;
        let number = state.number;
        let is_new = worker.is_none();
        let worker = worker.map_or_else(|| Worker::start(&self.settings), Ok)?;
        // It counts as busy while it starts, so that an interrupt ends it too.
        state.busy.insert(number, worker.process.clone());
        drop(state);
        let mut loan = Loan { worker, number };
        if is_new && let Err(error) = loan.worker.ready() {
            self.end(loan);
            return Err(error);
        }
        Ok(loan)
    }

    /// Takes a worker back that has nothing to do.
    pub(crate) fn give_back(&self, loan: Loan) {
        let mut state = self.state();
        state.busy.remove(&loan.number);
        state.dismissed.retain(|process| process.ended().is_none());
        if state.closed || state.interrupted || state.idle.len() + state.busy.len() >= self.settings.count {
            let process = loan.worker.dismiss();
            state.dismissed.push(process);
        } else {
            state.idle.push(loan.worker);
        }
    }

    /// Ends a worker whatever it does.
    pub(crate) fn end(&self, loan: Loan) {
        self.state().busy.remove(&loan.number);
        loan.worker.process.kill();
    }

    /// Ends all workers that are lent, and lends none until `resume`.
    pub(crate) fn interrupt(&self) {
        let mut state = self.state();
        state.interrupted = true;
        let busy: Vec<_> = state.busy.values().cloned().collect();
        drop(state);
        busy.iter().for_each(Process::kill);
    }

    /// Lends workers again.
    pub(crate) fn resume(&self) {
        self.state().interrupted = false;
    }

    /// Ends all workers.
    pub(crate) fn close(&self) {
        if self.owner != std::process::id() {
            return;
        }
        let mut state = self.state();
        state.closed = true;
        let mut ending = std::mem::take(&mut state.dismissed);
        ending.extend(std::mem::take(&mut state.idle).into_iter().map(Worker::dismiss));
        let busy: Vec<_> = state.busy.values().cloned().collect();
        drop(state);
        busy.iter().for_each(Process::kill);
        for process in ending {
            process.bury(FAREWELL);
        }
    }
}
