//! The threads that run tasks. They live as long as the engine, so that a host can pin what it needs
//! per thread; each has a small runtime for DataFusion's streams.
//!
//! A task that does not end after a cancel (user code inside a C call, say) is abandoned: its thread
//! is not waited for, and a new one takes its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam::channel::{RecvTimeoutError, Sender, unbounded};
use tokio::runtime::Runtime;

use crate::error::{Error, Result};
use crate::internal;

/// A task, given the runtime of its thread.
pub type Job = Box<dyn FnOnce(&Runtime) -> Result<()> + Send>;

/// How often a waiting run looks up.
const TICK: Duration = Duration::from_millis(40);
/// How long a cancelled run waits for its tasks.
const PATIENCE: Duration = Duration::from_millis(100);

/// A pool of threads.
pub struct Threads {
    queue: Sender<Box<dyn FnOnce(&Runtime) + Send>>,
    more: Box<dyn Fn() -> Result<()> + Send + Sync>,
    count: usize,
}

impl Threads {
    /// So many threads.
    pub fn new(count: usize) -> Result<Threads> {
        let (queue, work) = unbounded::<Box<dyn FnOnce(&Runtime) + Send>>();
        let number = AtomicUsize::new(0);
        let more = move || {
            let work = work.clone();
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.map_err(|error| internal!("no runtime for a task thread: {error}"))?;
            let name = format!("nestflow-task-{}", number.fetch_add(1, Ordering::Relaxed));
            let thread = std::thread::Builder::new().name(name).stack_size(16 << 20);
            let spawned = thread.spawn(move || {
                while let Ok(job) = work.recv() {
                    job(&runtime);
                }
            });
            spawned.map(drop).map_err(|error| internal!("no task thread: {error}"))
        };
        (0..count.max(1)).try_for_each(|_| more())?;
        Ok(Threads { queue, more: Box::new(more), count })
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
        let (done, results) = unbounded();
        for job in jobs {
            let done = done.clone();
            let guarded = move |runtime: &Runtime| {
                let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(runtime)));
                let result = result.unwrap_or_else(|panic| Err(internal!("a task panicked: {}", text_of(&panic))));
                // Nobody listens any more where the run was abandoned.
                let _ = done.send(result);
            };
            self.queue.send(Box::new(guarded)).map_err(|_| internal!("no task threads"))?;
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
                    (finished..count.min(finished + self.count)).try_for_each(|_| (self.more)())?;
                    return Err(Error::Interrupted);
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a text".into())
}
