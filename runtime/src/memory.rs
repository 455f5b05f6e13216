//! The memory pool: who holds data reserves it first. The runtime owns the trait; an engine supplies
//! the pool (a fixed limit here, Spark's task memory in executors), DataFusion sees it through an
//! adapter.
//!
//! Batches in flight are not counted. `grow` may go over the limit and
//! is for what cannot wait; `try_grow` never does.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion_common::DataFusionError;
use datafusion_execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// Where memory comes from.
pub trait Pool: Send + Sync + fmt::Debug {
    /// Takes so many bytes, or says no and takes none.
    fn try_take(&self, bytes: usize) -> bool;
    /// Takes so many bytes whatever the limit.
    fn take(&self, bytes: usize);
    /// Gives back what was taken. Never fails, never blocks.
    fn give(&self, bytes: usize);
    /// Bytes taken.
    fn taken(&self) -> usize;
    /// The limit in bytes.
    fn limit(&self) -> usize;
    /// Whether others are short of memory since the last time that this was asked: who can spill should.
    fn pressed(&self) -> bool {
        false
    }
}

/// A pool with a fixed limit, shared by all tasks of a process.
#[derive(Debug)]
pub struct FixedPool {
    limit: usize,
    taken: AtomicUsize,
}

impl FixedPool {
    /// A pool of so many bytes.
    pub fn new(limit: usize) -> FixedPool {
        FixedPool { limit, taken: AtomicUsize::new(0) }
    }
}

impl Pool for FixedPool {
    fn try_take(&self, bytes: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(bytes).filter(|total| *total <= self.limit);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn take(&self, bytes: usize) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give(&self, bytes: usize) {
        let _ = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| Some(taken.saturating_sub(bytes)));
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn limit(&self) -> usize {
        self.limit
    }
}

/// A part of a pool that one task may use: tasks cannot starve each other.
#[derive(Debug)]
pub struct TaskPool {
    parent: Arc<dyn Pool>,
    share: FixedPool,
}

impl TaskPool {
    /// At most `share` bytes of `parent`.
    pub fn new(parent: Arc<dyn Pool>, share: usize) -> TaskPool {
        TaskPool { parent, share: FixedPool::new(share) }
    }
}

impl Pool for TaskPool {
    fn try_take(&self, bytes: usize) -> bool {
        if !self.share.try_take(bytes) {
            return false;
        }
        if self.parent.try_take(bytes) {
            return true;
        }
        self.share.give(bytes);
        false
    }

    fn take(&self, bytes: usize) {
        self.share.take(bytes);
        self.parent.take(bytes);
    }

    fn give(&self, bytes: usize) {
        self.share.give(bytes);
        self.parent.give(bytes);
    }

    fn taken(&self) -> usize {
        self.share.taken()
    }

    fn limit(&self) -> usize {
        self.share.limit()
    }
}

impl Drop for TaskPool {
    fn drop(&mut self) {
        self.parent.give(self.share.taken());
    }
}

/// What one operator holds is worth spilling for others from this share of the limit on.
const WORTH_SPILLING: usize = 8;

/// DataFusion's view of a task's pool. Operators that can spill have equal shares of its second half:
/// one that held all would make the next one fail, which has nothing to spill yet.
#[derive(Debug)]
pub struct PoolAdapter {
    pool: Arc<dyn Pool>,
    /// Bytes held by each operator that can spill.
    spillers: Mutex<HashMap<usize, usize>>,
}

impl PoolAdapter {
    /// A view of a pool.
    pub fn new(pool: Arc<dyn Pool>) -> PoolAdapter {
        PoolAdapter { pool, spillers: Mutex::default() }
    }

    fn spillers(&self) -> MutexGuard<'_, HashMap<usize, usize>> {
        // Numbers are whole whatever happened to a thread that held them.
        self.spillers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an operator that can spill may take more: anything while half of the pool is free, and up
    /// to its share of what is not held by those that cannot. The half is for what only looks like
    /// growth: an operator that gives out what it has collected cannot spill any more.
    fn may_grow(&self, spillers: &HashMap<usize, usize>, consumer: usize, additional: usize) -> bool {
        let Some(held) = spillers.get(&consumer) else { return true };
        // Only of one that has something worth spilling is that asked: the answer is given once.
        if *held >= self.pool.limit() / WORTH_SPILLING && self.pool.pressed() {
            return false;
        }
        let fixed = self.pool.taken().saturating_sub(spillers.values().sum());
        let share = self.pool.limit().saturating_sub(fixed) / spillers.len();
        held + additional <= share || self.pool.taken() + additional <= self.pool.limit() / 2
    }
}

impl fmt::Display for PoolAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nestflow pool of {} bytes", self.pool.limit())
    }
}

impl MemoryPool for PoolAdapter {
    fn name(&self) -> &str {
        "nestflow"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.spillers().insert(consumer.id(), 0);
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.spillers().remove(&consumer.id());
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.pool.take(additional);
        if let Some(held) = self.spillers().get_mut(&reservation.consumer().id()) {
            *held += additional;
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.pool.give(shrink);
        if let Some(held) = self.spillers().get_mut(&reservation.consumer().id()) {
            *held = held.saturating_sub(shrink);
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> datafusion_common::Result<()> {
        let consumer = reservation.consumer().id();
        // Not locked while the pool is asked: that may wait for others.
        let may_grow = self.may_grow(&self.spillers(), consumer, additional);
        if may_grow && self.pool.try_take(additional) {
            if let Some(held) = self.spillers().get_mut(&consumer) {
                *held += additional;
            }
            return Ok(());
        }
        Err(DataFusionError::ResourcesExhausted(format!(
            "{} asked for {additional} bytes more than its {}; {} of {} bytes are in use",
            reservation.consumer().name(),
            reservation.size(),
            self.pool.taken(),
            self.pool.limit(),
        )))
    }

    fn reserved(&self) -> usize {
        self.pool.taken()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.pool.limit())
    }
}
