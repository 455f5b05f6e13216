//! The host that chooses: tiny work stays in this process, where it starts at once; what takes long
//! goes to worker processes, which do not share one interpreter's lock.
//!
//! It chooses for each task of a stage, by what the program has cost so far, before the task's
//! chain is opened; an opened chain never moves. Of a program that nothing is known about, one task
//! begins here, and the others hold their first batch back until that one's has been measured:
//! here they would only wait for the same lock. What is known is kept for later stages and runs.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use nestflow_chain::{Ahead, ChainSpec, Counts, Host, HostError, OpenChain};

use crate::estimate::{Load, Measured};
use crate::process::thread_time;

/// How often a task that holds its first batch back looks at what the first task has spent.
const LOOK: Duration = Duration::from_millis(5);
/// A task that knows nothing better by then begins here.
const PATIENCE: Duration = Duration::from_millis(500);
/// Nanoseconds of a program here that are worth a start in the background.
const AGAIN: u64 = 100_000_000;
/// Programs that are remembered; beyond, all is forgotten, and learned again.
const REMEMBERED: usize = 4096;
/// What a pickled function holds that calls a library of others: such a library may end the process
/// that it is in, so its place is elsewhere. (It names the module that finds the library again.)
const DANGER: &[u8] = b"nestflow.native.library";

/// Hosts elsewhere, which take time to begin.
pub trait Elsewhere: Host {
    /// Whether chains can be opened without waiting for a start.
    fn ready(&self) -> bool;

    /// Begins to start in the background.
    fn start(&self, count: usize);
}

/// Runs programs here or elsewhere.
pub struct AutoHost {
    here: Arc<dyn Host>,
    there: Arc<dyn Elsewhere>,
    stage: Mutex<(u64, Ahead)>,
    known: Mutex<HashMap<u64, Arc<Known>>>,
}

/// What is known of a program, to all tasks that run it.
#[derive(Default)]
struct Known {
    state: Mutex<State>,
    /// Told when the first batch has been measured, or its task has given up.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    measured: Measured,
    /// The task that began, and the batch that it is at.
    first: Option<(Instant, u64, Load)>,
    /// The stage that it runs in, and the bytes of it that are behind the program.
    stage: u64,
    done: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AutoHost {
    /// A choice between two hosts.
    pub fn new(here: Arc<dyn Host>, there: Arc<dyn Elsewhere>) -> AutoHost {
        AutoHost { here, there, stage: Mutex::default(), known: Mutex::default() }
    }

    /// What is known of a program; `None` if it must not run here at all.
    fn known(&self, chain: &ChainSpec) -> Option<Arc<Known>> {
        let mut scan = Scan::default();
        chain.hash(&mut scan);
        if scan.dangerous {
            return None;
        }
        let mut known = lock(&self.known);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        Some(known.entry(scan.finish()).or_default().clone())
    }
}

/// Hashes a program, and looks whether there is something dangerous in it.
#[derive(Default)]
struct Scan {
    hasher: DefaultHasher,
    dangerous: bool,
}

impl Hasher for Scan {
    fn write(&mut self, bytes: &[u8]) {
        self.dangerous = self.dangerous || bytes.windows(DANGER.len()).any(|part| part == DANGER);
        self.hasher.write(bytes);
    }

    fn finish(&self) -> u64 {
        self.hasher.finish()
    }
}

impl Host for AutoHost {
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        let (stage, ahead) = *lock(&self.stage);
        let Some(known) = self.known(chain) else {
            self.there.start(ahead.at_a_time.min(ahead.tasks));
            return self.there.open(chain, sides);
        };
        if self.here.is_parallel() {
            return self.here.open(chain, sides);
        }
        {
            let mut state = lock(&known.state);
            if state.stage != stage {
                (state.stage, state.done) = (stage, 0);
            }
        }
        let closed =
            Closed { here: self.here.clone(), there: self.there.clone(), chain: chain.clone(), sides };
        Ok(Box::new(Chosen {
            chain: Phase::Closed(Box::new(closed)),
            watch: Watch {
                known,
                ahead,
                is_first: false,
                is_here: true,
                left: thread_time(),
                elsewhere: Duration::ZERO,
            },
            under_way: Default::default(),
        }))
    }

    fn name(&self) -> &'static str {
        "auto"
    }

    fn prepare(&self, ahead: Ahead) {
        let mut stage = lock(&self.stage);
        *stage = (stage.0 + 1, ahead);
        self.here.prepare(ahead);
        self.there.prepare(ahead);
    }
}

/// What it takes to open a chain.
struct Closed {
    here: Arc<dyn Host>,
    there: Arc<dyn Elsewhere>,
    chain: ChainSpec,
    sides: Vec<RecordBatch>,
}

enum Phase {
    /// Nothing was pushed yet.
    Closed(Box<Closed>),
    Open(Box<dyn OpenChain>),
}

/// A chain that is opened with its first batch, and stays where it is then.
struct Chosen {
    chain: Phase,
    watch: Watch,
    under_way: VecDeque<(u64, Load)>,
}

impl Chosen {
    /// The chain, opened for a batch like this if it is not.
    fn opened(&mut self, records: u64, load: Load) -> Result<&mut Box<dyn OpenChain>, HostError> {
        if let Phase::Closed(closed) = &mut self.chain {
            self.watch.is_here = self.watch.choose_here(closed.there.as_ref(), records, load);
            let sides = std::mem::take(&mut closed.sides);
            let open = if self.watch.is_here {
                closed.here.open(&closed.chain, sides)?
            } else {
                closed.there.open(&closed.chain, sides)?
            };
            self.chain = Phase::Open(open);
        }
        match &mut self.chain {
            Phase::Open(open) => Ok(open),
            Phase::Closed(_) => Err(HostError::Internal("a chain did not open".to_owned())),
        }
    }
}

impl OpenChain for Chosen {
    fn credits(&self) -> usize {
        match &self.chain {
            Phase::Open(open) => open.credits(),
            Phase::Closed(_) => 1,
        }
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        let (records, load) = (input.num_rows() as u64, load(&input));
        self.opened(records, load)?;
        self.under_way.push_back((records, load));
        let since = self.watch.comes_back(records);
        let pushed = self.opened(records, load)?.push(input);
        self.watch.leaves(since);
        pushed
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        let (records, input) = self.under_way.pop_front().unwrap_or_default();
        let since = self.watch.comes_back(0);
        let open = self.opened(records, input)?;
        let output = open.pull()?;
        let (elsewhere, more) = (open.elsewhere(), open.more());
        self.watch.leaves(since);
        // What is only a part counts as output; its records are done with the last one.
        let (records, input) = if more {
            self.under_way.push_front((records, input));
            (0, Load::default())
        } else {
            (records, input)
        };
        self.watch.answered(records, input, load(&output), elsewhere);
        Ok(output)
    }

    fn more(&self) -> bool {
        matches!(&self.chain, Phase::Open(open) if open.more())
    }

    fn enough(&self) -> bool {
        matches!(&self.chain, Phase::Open(open) if open.enough())
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        self.opened(0, Load::default())?.finish()
    }

    fn counted(&mut self) -> Counts {
        match &mut self.chain {
            Phase::Open(open) => open.counted(),
            Phase::Closed(_) => Counts::default(),
        }
    }
}

/// How a task learns from others, and others from it.
struct Watch {
    known: Arc<Known>,
    ahead: Ahead,
    /// Whether others wait for what this one costs.
    is_first: bool,
    is_here: bool,
    /// The time of this thread when the last call ended.
    left: Duration,
    /// What was told of time elsewhere.
    elsewhere: Duration,
}

impl Watch {
    fn choose_here(&mut self, there: &dyn Elsewhere, records: u64, load: Load) -> bool {
        let Watch { known, ahead, .. } = self;
        let since = Instant::now();
        let mut state = lock(&known.state);
        let here = loop {
            let far = |measured: &Measured| measured.favours_workers(*ahead, state.done, there.ready());
            if ahead.tasks < 2 || records == 0 {
                break true;
            } else if state.measured.records > 0 {
                break !far(&state.measured);
            } else if let Some((began, records, input)) = state.first {
                // It takes at least as long as it has.
                let mut least = Measured { input, output: input, records, ..Measured::default() };
                least.here.add(began.elapsed(), records);
                if far(&least) {
                    break false;
                }
            } else {
                state.first = Some((Instant::now(), records, load));
                self.is_first = true;
                break true;
            }
            if since.elapsed() > PATIENCE {
                break true;
            }
            state = known.changed.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        };
        // What already took as long as a start does will come again: then they are ready.
        let soon =
            state.measured.here.nanos > AGAIN && state.measured.favours_workers(*ahead, state.done, true);
        drop(state);
        if !here || soon {
            there.start(ahead.at_a_time.min(ahead.tasks));
        }
        // Waiting takes no time of the task's own.
        self.left = thread_time();
        here
    }

    /// A call begins, with so many records of which it is the first.
    fn comes_back(&self, records: u64) -> Duration {
        let now = thread_time();
        lock(&self.known.state).measured.rest.add(now.saturating_sub(self.left), records);
        now
    }

    /// A call ends.
    fn leaves(&mut self, since: Duration) {
        self.left = thread_time();
        self.spent(self.left.saturating_sub(since), 0);
    }

    fn spent(&self, took: Duration, records: u64) {
        let mut state = lock(&self.known.state);
        let cost = if self.is_here { &mut state.measured.here } else { &mut state.measured.there };
        cost.add(took, records);
    }

    fn answered(&mut self, records: u64, input: Load, output: Load, elsewhere: Duration) {
        self.spent(elsewhere.saturating_sub(self.elsewhere), records);
        self.elsewhere = elsewhere;
        let mut state = lock(&self.known.state);
        state.done += input.bytes;
        state.measured.records += records;
        state.measured.input.add(input);
        state.measured.output.add(output);
        drop(state);
        // A part of a result says nothing of what a record costs.
        if records > 0 {
            self.gives_way();
        }
    }

    /// Nobody has to wait for this one.
    fn gives_way(&mut self) {
        if std::mem::take(&mut self.is_first) {
            lock(&self.known.state).first = None;
            self.known.changed.notify_all();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.gives_way();
    }
}

/// What a batch has to carry.
fn load(batch: &RecordBatch) -> Load {
    let mut load = Load::default();
    for column in batch.columns() {
        load.cells += column.len() as u64;
        load.bytes += match column.as_binary_view_opt() {
            // The low half of a view's first word is the length of its cell.
            Some(cells) => cells.views().iter().map(|view| u64::from(*view as u32)).sum(),
            None => 4 * column.len() as u64,
        };
    }
    load
}
