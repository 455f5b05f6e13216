//! The threads that run tasks. They live as long as the engine, so that a host can pin what it needs
//! per thread; each has a small runtime for DataFusion's streams.
//!
//! A task that does not end after a cancel (user code inside a C call, say) is abandoned: its thread
//! is not waited for, a new one takes its place, and it ends with the task. Whoever can stop user
//! code finds such threads by their system handle.

use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use tokio::runtime::Runtime;

use crate::error::{Error, Result};
use crate::internal;

/// A task, given the runtime of its thread.
pub type Job = Box<dyn FnOnce(&Runtime) -> Result<()> + Send>;

/// How often a waiting run looks up.
const TICK: Duration = Duration::from_millis(20);
/// How long a cancelled run waits for its tasks.
const PATIENCE: Duration = Duration::from_millis(60);

type Work = Box<dyn FnOnce(&Runtime) + Send>;

/// A pool of threads.
pub struct Threads {
    queue: Sender<(u64, Work)>,
    work: Receiver<(u64, Work)>,
    members: Mutex<Vec<Member>>,
    /// Numbers for threads and for runs.
    next: AtomicU64,
}

/// A thread of the pool, or one that was abandoned and has not ended yet.
struct Member {
    /// What the system calls it.
    handle: u64,
    /// What no other thread is ever called.
    thread: ThreadId,
    /// The run whose task it works on; 0 is none.
    run: Arc<AtomicU64>,
    abandoned: Arc<AtomicBool>,
}

impl Threads {
    /// So many threads.
    pub fn new(count: usize) -> Result<Threads> {
        let (queue, work) = unbounded();
        let threads = Threads { queue, work, members: Mutex::default(), next: AtomicU64::new(1) };
        (0..count.max(1)).try_for_each(|_| threads.add())?;
        Ok(threads)
    }

    fn members(&self) -> MutexGuard<'_, Vec<Member>> {
        // A list of handles is whole whatever happened to a thread that held it.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| internal!("no runtime for a task thread: {error}"))?;
        let (work, run, abandoned) =
            (self.work.clone(), Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (of, gone) = (run.clone(), abandoned.clone());
        let name = format!("nestflow-task-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let thread = std::thread::Builder::new().name(name).stack_size(16 << 20).spawn(move || {
            while let Ok((run, job)) = work.recv() {
                of.store(run, Ordering::Release);
                job(&runtime);
                of.store(0, Ordering::Release);
                if gone.load(Ordering::Acquire) {
                    break;
                }
            }
        });
        let thread = thread.map_err(|error| internal!("no task thread: {error}"))?;
        let (handle, thread) = (thread.as_pthread_t(), thread.thread().id());
        self.members().push(Member { handle, thread, run, abandoned });
        Ok(())
    }

    /// Abandoned threads that still run a task, by their system handle and their own.
    pub fn stuck(&self) -> Vec<(u64, ThreadId)> {
        let mut members = self.members();
        let over = |member: &Member| {
            member.abandoned.load(Ordering::Acquire) && member.run.load(Ordering::Acquire) == 0
        };
        members.retain(|member| !over(member));
        let stuck = members.iter().filter(|member| member.abandoned.load(Ordering::Acquire));
        stuck.map(|member| (member.handle, member.thread)).collect()
    }

    /// Gives up the threads that work for a run, and puts new ones in their places.
    fn abandon(&self, run: u64) -> Result<()> {
        let mut lost = 0;
        for member in self.members().iter().filter(|member| member.run.load(Ordering::Acquire) == run) {
            member.abandoned.store(true, Ordering::Release);
            lost += 1;
        }
        (0..lost).try_for_each(|_| self.add())
    }

    /// Runs tasks to their end. The first error cancels the others and is returned. `tick` is called
    /// on this thread with the number of tasks that are done; its error cancels too.
    pub fn run(
        &self,
        jobs: Vec<Job>,
        cancelled: &Arc<AtomicBool>,
        tick: &mut dyn FnMut(usize) -> Result<()>,
    ) -> Result<()> {
        let count = jobs.len();
        let run = self.next.fetch_add(1, Ordering::Relaxed);
        let (done, results) = unbounded();
        for job in jobs {
            let done = done.clone();
            let guarded = move |runtime: &Runtime| {
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(runtime)));
                let result =
                    result.unwrap_or_else(|panic| Err(Error::panicked("a task panicked", panic.as_ref())));
                // Nobody listens any more where the run was abandoned.
                let _ = done.send(result);
            };
            self.queue.send((run, Box::new(guarded))).map_err(|_| internal!("no task threads"))?;
        }
        let mut finished = 0;
        let mut first_error: Option<Error> = None;
        let mut cancelled_at: Option<Instant> = None;
        while finished < count {
            match results.recv_timeout(TICK) {
                Ok(Ok(())) => finished += 1,
                Ok(Err(error)) => {
                    finished += 1;
                    // What a cancel causes elsewhere is not the cause.
                    match (&first_error, &error) {
                        (None, _) | (Some(Error::Interrupted), _) => first_error = Some(error),
                        _ => {}
                    }
                    cancelled.store(true, Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(internal!("task threads ended")),
            }
            if let Err(error) = tick(finished) {
                first_error = Some(error);
                cancelled.store(true, Ordering::Relaxed);
            }
            if cancelled.load(Ordering::Relaxed) {
                let since = *cancelled_at.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE && matches!(first_error, Some(Error::Interrupted) | None) {
                    self.abandon(run)?;
                    return Err(Error::Interrupted);
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}
