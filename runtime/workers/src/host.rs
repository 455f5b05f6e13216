//! The host of user functions in worker processes.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::ThreadId;
use std::time::Duration;

use arrow_array::RecordBatch;
use nestflow_chain::wire::encode_chain;
use nestflow_chain::{CallSite, ChainSpec, Counts, Function, Host, HostError, OpenChain, Program, StepKind};

use crate::auto::Elsewhere;
use crate::options::Options;
use crate::pool::Pool;
use crate::ship::{Packed, Parcel};
use crate::worker::{Reply, Worker};

/// Batches under way: one that the worker works on, one that waits, one on its way back.
const CREDITS: usize = 3;

/// Runs chains in worker processes. Clones share the processes.
#[derive(Clone)]
pub struct WorkersHost {
    pool: Arc<Pool>,
    user: u64,
    task: Arc<str>,
}

impl WorkersHost {
    /// A pool without workers yet.
    pub fn new(options: Options) -> io::Result<WorkersHost> {
        Pool::new(options).map(|pool| WorkersHost { user: pool.new_user(), pool, task: Arc::default() })
    }

    /// The same processes for another user: none is used by two at a time.
    pub fn for_another(&self) -> WorkersHost {
        WorkersHost { pool: self.pool.clone(), user: self.pool.new_user(), task: self.task.clone() }
    }

    /// The same for a task of this name, which is told with the lines that its functions print.
    pub fn for_task(&self, name: &str) -> WorkersHost {
        WorkersHost { task: name.into(), ..self.for_another() }
    }

    /// Whether this is the only handle on the processes.
    pub fn is_last(&self) -> bool {
        Arc::strong_count(&self.pool) == 1
    }

    /// How many processes there are.
    pub fn count(&self) -> usize {
        self.pool.count()
    }

    /// Ends up to so many processes that have nothing to do, so that others may be started; says how many.
    /// Does not wait for their end.
    pub fn end_idle(&self, most: usize) -> usize {
        self.pool.end_idle(most)
    }

    /// Starts workers ahead of their first use; does not wait until they are ready.
    pub fn start_early(&self, count: usize) -> io::Result<()> {
        self.pool.start_early(count)
    }

    /// Ends the workers that have open chains of this user, in the middle of user functions: for a run that is
    /// interrupted. Whoever waits for them gets [`HostError::Died`].
    pub fn kill_busy(&self) {
        self.pool.kill_busy(self.user);
    }

    /// The same for chains that these threads opened, who get no others: for a run that is over while
    /// its user may have another.
    pub fn give_up(&self, threads: &[ThreadId]) {
        self.pool.give_up(threads);
    }

    /// The same host, whose processes end with each run: they have something to do at last.
    pub fn ending(self) -> EndingHost {
        EndingHost(self)
    }

    /// Ends all workers in good order and waits for it: before this process ends.
    pub fn close(&self) {
        self.pool.close();
    }
}

impl Host for WorkersHost {
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        let program = encode_chain(chain).map_err(HostError::Internal)?;
        let sides = sides.iter().map(|side| self.pool.side(side));
        let sides = sides.collect::<Result<_, _>>().map_err(HostError::Internal)?;
        let cannot =
            |error: io::Error| HostError::Internal(format!("no worker process can be started: {error}"));
        let worker = match &chain.program {
            Program::Sequential { instances: Some(most), .. } => {
                let mut hasher = DefaultHasher::new();
                chain.program.hash(&mut hasher);
                self.pool.lease_one_of(self.user, hasher.finish(), *most as usize)
            }
            _ => self.pool.lease(self.user),
        };
        let worker = worker.map_err(cannot)?;
        let opened = worker.open((self.user, &self.task), &program, sides);
        let (number, replies) = opened.map_err(|_| died(&worker, &steps_of(&chain.program), None))?;
        Ok(Box::new(Remote {
            worker,
            number,
            replies,
            steps: steps_of(&chain.program),
            under_way: VecDeque::new(),
            pushed: 0,
            elsewhere: Duration::ZERO,
            more: false,
            enough: false,
            counts: Counts::default(),
        }))
    }

    fn name(&self) -> &'static str {
        "workers"
    }
}

/// Workers that end with the run that they are for.
pub struct EndingHost(WorkersHost);

impl Host for EndingHost {
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        self.0.open(chain, sides)
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn end(&self, go_on: &mut dyn FnMut() -> bool) -> Result<(), HostError> {
        self.0.pool.finish(go_on)
    }
}

impl Elsewhere for WorkersHost {
    fn ready(&self) -> bool {
        self.pool.has_workers()
    }

    fn start(&self, count: usize) {
        // Without them, whoever needs one starts it, and is told what is wrong.
        let _ = self.pool.start_early(count);
    }
}

/// A chain that is open in a worker.
struct Remote {
    worker: Arc<Worker>,
    number: u32,
    replies: Receiver<Reply>,
    steps: String,
    /// The first and last record of each batch under way, counted from 1.
    under_way: VecDeque<(u64, u64)>,
    pushed: u64,
    elsewhere: Duration,
    /// Whether the oldest batch under way was answered in part.
    more: bool,
    /// Whether the worker has said that more records change nothing.
    enough: bool,
    /// What was counted for the results pulled so far.
    counts: Counts,
}

impl Remote {
    /// The worker's next answer.
    fn reply(&mut self) -> Result<Reply, HostError> {
        match self.replies.recv() {
            Ok(Reply::Failed(failure)) => Err(failure.into()),
            Ok(reply) => Ok(reply),
            Err(_) => Err(self.died()),
        }
    }

    fn died(&self) -> HostError {
        // An answer that was still on its way says more: the chain had failed before.
        if let Some(Reply::Failed(failure)) = self.replies.iter().last() {
            return failure.into();
        }
        died(&self.worker, &self.steps, self.under_way.front().copied())
    }
}

impl OpenChain for Remote {
    fn credits(&self) -> usize {
        CREDITS
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        let first = self.pushed + 1;
        self.pushed += input.num_rows() as u64;
        self.under_way.push_back((first, self.pushed));
        let batch = Packed::of(&input).map_err(HostError::Internal)?;
        self.worker.push(self.number, batch).map_err(|_| self.died())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        let Reply::Pulled(parcel, took, (more, enough), counts) = self.reply()? else {
            return Err(out_of_turn());
        };
        self.counts.add(counts);
        self.elsewhere += took;
        (self.more, self.enough) = (more, enough);
        if more {
            // The worker makes the next part while this one is used, and no more than that.
            self.worker.more(self.number).map_err(|_| self.died())?;
        } else {
            self.under_way.pop_front();
        }
        open(parcel)
    }

    fn more(&self) -> bool {
        self.more
    }

    fn enough(&self) -> bool {
        self.enough
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        self.worker.finish(self.number).map_err(|_| self.died())?;
        let Reply::Finished(rest, counts) = self.reply()? else { return Err(out_of_turn()) };
        self.counts.add(counts);
        rest.map(open).transpose()
    }

    fn counted(&mut self) -> Counts {
        self.counts.take()
    }

    fn elsewhere(&self) -> Duration {
        self.elsewhere
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.worker.close(self.number);
    }
}

fn open(parcel: Parcel) -> Result<RecordBatch, HostError> {
    parcel.open().map_err(HostError::Internal)
}

fn out_of_turn() -> HostError {
    HostError::Internal("a worker answered something that was not asked".to_owned())
}

fn died(worker: &Worker, steps: &str, records: Option<(u64, u64)>) -> HostError {
    let (how, tail) = worker.obituary();
    let records = records
        .map_or(String::new(), |(first, last)| format!(" on the records {first} to {last} of its task"));
    let tail = if tail.is_empty() { tail } else { format!("; it printed last:{tail}") };
    HostError::Died(format!("worker process {} {how} while it ran {steps}{records}{tail}", worker.process))
}

/// The steps of a program as people know them.
fn steps_of(program: &Program) -> String {
    let step = |functions: &[&Function], site: &CallSite| {
        let names: Vec<_> = functions.iter().map(|function| function.name.as_str()).collect();
        format!(
            "{}({}) at {}:{} in {}",
            site.transform,
            names.join(", "),
            site.file,
            site.line,
            site.function
        )
    };
    match program {
        Program::Records { steps, .. } => {
            let steps = steps.iter().map(|it| match &it.kind {
                StepKind::Map(f) | StepKind::FlatMap(f) | StepKind::Filter(f) | StepKind::Foreach(f) => {
                    step(&[f], &it.site)
                }
                StepKind::KeyBy { key, value } => {
                    step(&std::iter::once(key).chain(value).collect::<Vec<_>>(), &it.site)
                }
                StepKind::Split => step(&[], &it.site),
            });
            steps.collect::<Vec<_>>().join(", then ")
        }
        Program::Fold { step: function, site, .. } | Program::Combine { function, site } => {
            step(&[function], site)
        }
        Program::Sequential { site, .. } => step(&[], site),
    }
}
