//! The host that chooses: tiny work stays in this process, where it starts at once; what takes long
//! goes to worker processes, which do not share one interpreter lock.
//!
//! A program is known by what it consists of, over all tasks and runs of a session. Its time in this
//! process is added up; once that is worth the start of processes, they are started in the
//! background, and a little later the program moves to them. Programs that keep nothing between
//! batches move even while they are open; others with their next task.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arrow::array::RecordBatch;
use nestflow_chain::{ChainSpec, Host, HostError, OpenChain, Program};
use nestflow_host::InProcessHost;
use nestflow_workers::WorkersHost;

/// Nanoseconds of all programs together after which worker processes are started.
const WARM_UP: u64 = 30_000_000;
/// Nanoseconds of a program in this process after which it moves.
const MOVE: u64 = 120_000_000;
/// Programs that are remembered; beyond, all is forgotten, and learned again.
const REMEMBERED: usize = 4096;

/// Runs programs here or in workers.
pub struct AutoHost {
    workers: WorkersHost,
    count: usize,
    warm: Arc<AtomicBool>,
    all: Arc<AtomicU64>,
    spent: Mutex<HashMap<u64, Arc<AtomicU64>>>,
}

impl AutoHost {
    /// A choice between this process and so many workers.
    pub fn new(workers: WorkersHost, count: usize) -> AutoHost {
        AutoHost { workers, count, warm: Arc::default(), all: Arc::default(), spent: Mutex::default() }
    }

    fn spent(&self, chain: &ChainSpec) -> Arc<AtomicU64> {
        let mut hasher = DefaultHasher::new();
        chain.hash(&mut hasher);
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= REMEMBERED {
            spent.clear();
        }
        spent.entry(hasher.finish()).or_default().clone()
    }
}

impl Host for AutoHost {
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        let spent = self.spent(chain);
        if spent.load(Ordering::Relaxed) >= MOVE {
            return self.workers.open(chain, sides);
        }
        let stays = matches!(chain.program, Program::Sequential { .. });
        Ok(Box::new(Undecided {
            open: InProcessHost.open(chain, sides.clone())?,
            to_move: (!stays).then(|| (chain.clone(), sides)),
            workers: self.workers.clone(),
            count: self.count,
            warm: self.warm.clone(),
            all: self.all.clone(),
            spent,
            here: true,
        }))
    }

    fn name(&self) -> &'static str {
        "auto"
    }
}

/// A program that began here.
struct Undecided {
    open: Box<dyn OpenChain>,
    /// What it takes to open it elsewhere; `None`: it has moved, or cannot.
    to_move: Option<(ChainSpec, Vec<RecordBatch>)>,
    workers: WorkersHost,
    count: usize,
    warm: Arc<AtomicBool>,
    all: Arc<AtomicU64>,
    spent: Arc<AtomicU64>,
    /// Whether it runs in this process.
    here: bool,
}

impl Undecided {
    fn learn(&self, since: Instant) {
        let nanos = since.elapsed().as_nanos() as u64;
        self.spent.fetch_add(nanos, Ordering::Relaxed);
        let all = self.all.fetch_add(nanos, Ordering::Relaxed) + nanos;
        if all >= WARM_UP && !self.warm.swap(true, Ordering::Relaxed) {
            // Without them, whoever needs one starts it, and is told what is wrong.
            let _ = self.workers.start_early(self.count);
        }
    }
}

impl OpenChain for Undecided {
    fn credits(&self) -> usize {
        self.open.credits()
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        if self.spent.load(Ordering::Relaxed) >= MOVE
            && let Some((chain, sides)) = self.to_move.take()
        {
            // This process has answered all: its credit is one batch, and that one was pulled.
            self.open = self.workers.open(&chain, sides)?;
            self.here = false;
        }
        let since = Instant::now();
        let pushed = self.open.push(input);
        if self.here {
            self.learn(since);
        }
        pushed
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        self.open.pull()
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        self.open.finish()
    }
}
