//! Tasks by number. A number is never used twice, so that one whose task is gone is told from one
//! that never was.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use nestflow_chain::Host;
use nestflow_runtime::error::{Error, Result};
use nestflow_runtime::io::Files;
use nestflow_runtime::memory::Pool;
use nestflow_runtime::remote::{Interrupt, LentPool, Process, Progress, StagePart, TaskDriver};

use crate::guard::Fault;
use crate::lender::SparkMemory;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// How long closing waits for calls that are still inside, and how often it looks.
const LAST: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(2);

/// A task, and what may be asked of it while a step is under way.
pub struct Task {
    /// Nothing once it is closed. Locked for moments, and by a step, which calls nobody: never while Spark
    /// is asked for memory.
    driver: Mutex<Option<TaskDriver>>,
    cancelled: Arc<AtomicBool>,
    progress: Arc<Progress>,
    /// Where its memory is borrowed; weak, since the memory ends with the driver.
    lent: Option<Weak<LentPool>>,
}

impl Task {
    fn locked(&self) -> MutexGuard<'_, Option<TaskDriver>> {
        // After a panic its state may be anything, but no worse than an error: it only drops.
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the driver, one call after the other; nothing of a task that is closed.
    pub fn driver<T>(&self, ask: impl FnOnce(&mut TaskDriver) -> Result<T>) -> Result<Option<T>> {
        self.locked().as_mut().map(ask).transpose()
    }

    /// Asks it to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Gives up what it has borrowed and not used, without a wait.
    pub fn press(&self) -> usize {
        self.lent.as_ref().and_then(Weak::upgrade).map_or(0, |lent| lent.press())
    }

    /// Rows in, rows out, bytes out, bytes spilled, nanoseconds that it waited for user functions.
    pub fn progress(&self) -> [i64; 5] {
        let done = &self.progress;
        [&done.rows_in, &done.rows_out, &done.bytes_out, &done.spilled, &done.host_nanos]
            .map(|count| count.load(Ordering::Relaxed) as i64)
    }

    /// Waits until no call is inside, at most for a while; whether that is so.
    fn left(self: &Arc<Task>) -> bool {
        let until = Instant::now() + LAST;
        while Arc::strong_count(self) > 1 {
            if Instant::now() > until {
                return false;
            }
            std::thread::park_timeout(LOOK);
        }
        true
    }
}

fn tasks() -> MutexGuard<'static, HashMap<u64, Arc<Task>>> {
    static TASKS: OnceLock<Mutex<HashMap<u64, Arc<Task>>>> = OnceLock::new();
    TASKS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a task; with a lender, it borrows its memory there.
pub fn create(
    process: &Process,
    lender: Option<SparkMemory>,
    part: &StagePart,
    task: &[u8],
    files: Arc<dyn Files>,
    (host, interrupt): (Arc<dyn Host>, Interrupt),
) -> Result<u64> {
    let share = process.task_pool();
    let lent = lender.map(|lender| Arc::new(LentPool::new(share.clone(), Arc::new(lender))));
    let pool = lent.clone().map_or(share, |lent| lent as Arc<dyn Pool>);
    let lent = lent.as_ref().map(Arc::downgrade);
    let driver = TaskDriver::new(process, pool, part, task, files, host, interrupt)?;
    let (cancelled, progress) = (driver.canceller(), driver.progress().clone());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let driver = Mutex::new(Some(driver));
    tasks().insert(number, Arc::new(Task { driver, cancelled, progress, lent }));
    Ok(number)
}

/// The task of a number; `None`: it is closed.
pub fn find(number: u64) -> Result<Option<Arc<Task>>, Fault> {
    if number == 0 || number >= NEXT.load(Ordering::Relaxed) {
        return Err(Error::Internal(format!("there never was a task {number}")).into());
    }
    Ok(tasks().get(&number).cloned())
}

/// Ends a task; whether it has really stopped.
pub fn close(number: u64) -> Result<bool, Fault> {
    find(number)?;
    let Some(task) = tasks().remove(&number) else { return Ok(true) };
    task.cancel();
    // A step that is inside is waited for by this lock; what the task holds goes without it.
    let driver = task.locked().take();
    let stopped = driver.is_none_or(|mut driver| driver.close());
    Ok(stopped && task.left())
}

/// Tasks that are open.
pub fn open() -> usize {
    tasks().len()
}
