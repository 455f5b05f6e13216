//! One task, driven from outside: whoever drives it asks for the next step, gives blocks when they
//! are asked for, and takes those that come out.
//!
//! Life of a task: `step` answers `Need(i)` until `end` was called for each input, in order; then the
//! task runs on a thread of its own, and `step` answers what it puts out, until `Done` or its error.
//! No call waits longer than it is told. Dropped at any time, it is cancelled and waited for, in this order:
//! whoever is to stop knows so before anybody waits for it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use nestflow_chain::{CountingHost, Host, Tally};

use super::frames::Form;
use super::inputs::Inputs;
use super::job::{Report, StagePart, TaskPart};
use super::outputs::{Event, TaskBlocks};
use super::process::Process;
use crate::error::{Error, Result};
use crate::executor::{Progress, Task, TaskEnv, run_task};
use crate::internal;
use crate::io::{Files, TaskOutput, Written};
use crate::memory::Pool;
use crate::plan::flat::FlatOp;

/// Blocks that may wait to be taken.
const AHEAD: usize = 2;
/// How long a task that is given up may go on by itself, until its user functions are interrupted.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often that is tried, so long apart.
const ATTEMPTS: u32 = 50;

/// Instead of the number of a channel: what user functions counted, as the last block of a task.
pub const COUNTS: u32 = u32::MAX;

/// Interrupts the user functions of a task.
pub type Interrupt = Box<dyn Fn() + Send>;

/// What a task needs or has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The blocks of this input.
    Need(u32),
    /// A block for a channel, of so many bytes, waits to be taken; for [`COUNTS`] it is JSON.
    Block(u32, usize),
    /// Nothing in the time it was given.
    Nothing,
    /// Nothing more.
    Done,
}

/// One input of a task.
pub struct Input {
    inputs: Arc<Inputs>,
    number: usize,
}

impl Input {
    /// Takes a block.
    pub fn push(&self, bytes: Vec<u8>) -> Result<()> {
        self.inputs.push(self.number, bytes)
    }
}

/// A task.
pub struct TaskDriver {
    inputs: Arc<Inputs>,
    /// Inputs that have ended.
    ended: u32,
    /// What it takes to start.
    ready: Option<(Task, TaskEnv)>,
    events: Receiver<Event>,
    sender: Option<Sender<Event>>,
    waiting: Option<Vec<u8>>,
    done: bool,
    /// Its thread, and what is disconnected when that has nothing more to do.
    thread: Option<(JoinHandle<()>, Receiver<()>)>,
    interrupt: Interrupt,
    cancelled: Arc<AtomicBool>,
    progress: Arc<Progress>,
    tally: Arc<Tally>,
}

impl std::fmt::Debug for TaskDriver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskDriver").field("done", &self.done).finish_non_exhaustive()
    }
}

impl TaskDriver {
    /// A task of a stage, over `files`, with its share of the process's memory. `host` runs its user functions.
    pub fn new(
        process: &Process,
        pool: Arc<dyn Pool>,
        part: &StagePart,
        task: &[u8],
        files: Arc<dyn Files>,
        host: Arc<dyn Host>,
        interrupt: Interrupt,
    ) -> Result<TaskDriver> {
        let own = TaskPart::decode(task)?;
        let mut stage = part.stage.clone();
        for (id, blocks) in own.literals {
            match stage.nodes.get_mut(id).map(|node| &mut node.op) {
                Some(FlatOp::Literal(of)) => *of = blocks,
                _ => return Err(internal!("node {id} is no literal")),
            }
        }
        let stage = Arc::new(stage);
        let forms: HashMap<u64, Form> = part.forms.iter().cloned().collect();
        let inputs =
            Arc::new(Inputs::new(part.inputs.clone(), forms.clone(), pool.clone(), process.folder()?));
        let (sender, events) = bounded(AHEAD);
        let (cancelled, progress) = (Arc::new(AtomicBool::new(false)), Arc::new(Progress::default()));
        let blocks = TaskBlocks {
            inputs: inputs.clone(),
            events: sender.clone(),
            stage: stage.clone(),
            first: part.first.clone(),
            forms,
        };
        let tally = Arc::new(Tally::default());
        let texts: HashMap<u32, TaskOutput> = part.texts.iter().cloned().collect();
        let env = TaskEnv {
            context: process.context(pool.clone())?,
            compress: part.compress,
            pool,
            blocks: Arc::new(blocks),
            host: Arc::new(CountingHost { host, tally: tally.clone() }),
            files,
            outputs: Arc::new(move |_, number| texts.get(&(number as u32)).cloned()),
            written: Arc::new(reporter(&part.first, &sender)),
            cancelled: cancelled.clone(),
            progress: progress.clone(),
        };
        let task = Task {
            stage,
            exchanges: Arc::new(part.exchanges.clone()),
            ordinal: own.ordinal,
            leaves: own.leaves,
        };
        Ok(TaskDriver {
            inputs,
            ended: 0,
            ready: Some((task, env)),
            events,
            sender: Some(sender),
            waiting: None,
            done: false,
            thread: None,
            interrupt,
            cancelled,
            progress,
            tally,
        })
    }

    /// The next step; waits at most so long for it.
    pub fn step(&mut self, wait: Duration) -> Result<Step> {
        if self.done {
            return Ok(Step::Done);
        }
        if (self.ended as usize) < self.inputs.count() {
            return Ok(Step::Need(self.ended));
        }
        if let Some(block) = &self.waiting {
            return Err(internal!("a block of {} bytes was not taken", block.len()));
        }
        self.start()?;
        match self.events.recv_timeout(wait) {
            Ok(Event::Block(channel, bytes)) => {
                let length = bytes.len();
                self.waiting = Some(bytes);
                Ok(Step::Block(channel, length))
            }
            Ok(Event::End(result)) => {
                self.done = true;
                result?;
                self.last_words()
            }
            Err(RecvTimeoutError::Timeout) => Ok(Step::Nothing),
            Err(RecvTimeoutError::Disconnected) => {
                self.done = true;
                Err(internal!("the thread of a task ended without a word"))
            }
        }
    }

    /// What there is to say when all has been done.
    fn last_words(&mut self) -> Result<Step> {
        let counts = self.tally.take();
        if counts.0.is_empty() {
            return Ok(Step::Done);
        }
        let text = serde_json::to_vec(&counts)?;
        let length = text.len();
        self.waiting = Some(text);
        Ok(Step::Block(COUNTS, length))
    }

    /// Takes the block that the last step told of.
    pub fn take(&mut self) -> Result<Vec<u8>> {
        self.waiting.take().ok_or_else(|| internal!("there is no block to take"))
    }

    /// Where the blocks of the input that is needed go. To put one there may wait for memory, and needs
    /// the task no more.
    pub fn input(&self, input: u32) -> Result<Input> {
        self.expects(input)?;
        Ok(Input { inputs: self.inputs.clone(), number: input as usize })
    }

    /// There are no more blocks of this input.
    pub fn end(&mut self, input: u32) -> Result<()> {
        self.expects(input)?;
        self.ended += 1;
        Ok(())
    }

    fn expects(&self, input: u32) -> Result<()> {
        match input == self.ended && (input as usize) < self.inputs.count() {
            true => Ok(()),
            false => Err(internal!("input {input} was not asked for")),
        }
    }

    /// What asks the task to stop; from any thread.
    pub fn canceller(&self) -> Arc<AtomicBool> {
        self.cancelled.clone()
    }

    /// What it has done so far.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    fn start(&mut self) -> Result<()> {
        let (Some((task, env)), Some(sender)) = (self.ready.take(), self.sender.take()) else {
            return Ok(());
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| internal!("no runtime for a task thread: {error}"))?;
        let (busy, gone) = bounded(0);
        let name = format!("nestflow-task-{}.{}", task.stage.id, task.ordinal);
        let thread = std::thread::Builder::new().name(name).stack_size(16 << 20).spawn(move || {
            let run = || {
                env.check_cancelled()?;
                runtime.block_on(run_task(&task, &env))?;
                // What functions do at last belongs to the task.
                env.host.end(&mut || env.check_cancelled().is_ok())?;
                env.check_cancelled()
            };
            let result = catch_unwind(AssertUnwindSafe(run));
            // All that the task holds goes before its end is told.
            let result =
                result.unwrap_or_else(|panic| Err(Error::panicked("a task panicked", panic.as_ref())));
            drop(task);
            drop(env);
            let _ = sender.send(Event::End(result));
            drop(busy);
        });
        self.thread = Some((thread.map_err(|error| internal!("no task thread: {error}"))?, gone));
        Ok(())
    }

    /// Cancels the task and waits for its end, at most for a while; whether it has ended.
    pub fn close(&mut self) -> bool {
        self.give_up(PATIENCE, ATTEMPTS)
    }

    /// The same with so much patience before each of so many attempts to interrupt it.
    pub(super) fn give_up(&mut self, patience: Duration, attempts: u32) -> bool {
        self.cancelled.store(true, Ordering::Relaxed);
        // Who still steps has nothing more to wait for.
        self.done = true;
        self.ready = None;
        self.sender = None;
        let Some((thread, gone)) = self.thread.take() else { return true };
        // Whoever waits to hand a block over is told that nobody takes it.
        self.events = crossbeam::channel::never();
        let ended = || gone.recv_timeout(patience) == Err(RecvTimeoutError::Disconnected);
        let interrupted = || {
            (self.interrupt)();
            ended()
        };
        (ended() || (0..attempts).any(|_| interrupted())) && thread.join().is_ok()
    }
}

impl Drop for TaskDriver {
    fn drop(&mut self) {
        if !self.close() {
            tracing::warn!("a task that was given up is still inside a user function");
        }
    }
}

/// Tells the client of the parts that a task has written.
fn reporter(
    first: &[u32],
    events: &Sender<Event>,
) -> impl Fn(u32, usize, Written) -> Result<()> + Send + Sync + use<> {
    let (first, events) = (first.to_vec(), events.clone());
    move |stage, output, written| {
        let channel = *first.get(output).ok_or_else(|| internal!("stage {stage} has no output {output}"))?;
        let report = Report { stage, output: output as u32, written }.encode()?;
        events.send(Event::Block(channel, report)).map_err(|_| Error::Interrupted)
    }
}
