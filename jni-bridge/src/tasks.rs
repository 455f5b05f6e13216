//! Tasks by number. A number is never used twice, so that one whose task is gone is told from one
//! that never was.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use nestflow_chain::Host;
use nestflow_runtime::error::{Error, Result};
use nestflow_runtime::io::Files;
use nestflow_runtime::memory::Pool;
use nestflow_runtime::remote::{Interrupt, LentPool, Process, StagePart, TaskDriver};

use crate::guard::Fault;
use crate::lender::SparkMemory;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A task, and what may be asked of it while a step is under way.
pub struct Task {
    driver: Mutex<TaskDriver>,
    cancelled: Arc<AtomicBool>,
    /// Where its memory is borrowed; weak, since the memory ends with the driver.
    lent: Option<Weak<LentPool>>,
}

impl Task {
    /// Steps, pushes and takes are one after the other.
    pub fn driver(&self) -> MutexGuard<'_, TaskDriver> {
        // After a panic its state may be anything, but no worse than an error: it only drops.
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
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
        let driver = self.driver();
        let done = driver.progress();
        [&done.rows_in, &done.rows_out, &done.bytes_out, &done.spilled, &done.host_nanos]
            .map(|count| count.load(Ordering::Relaxed) as i64)
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
    let cancelled = driver.canceller();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    tasks().insert(number, Arc::new(Task { driver: Mutex::new(driver), cancelled, lent }));
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
    let stopped = task.driver().close();
    Ok(stopped)
}

/// Tasks that are open.
pub fn open() -> usize {
    tasks().len()
}
