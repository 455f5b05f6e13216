//! The memory pool: who holds data reserves it first. The runtime owns the trait; an engine supplies
//! the pool (a fixed limit here, Spark's task memory in executors), DataFusion sees it through an
//! adapter.
//!
//! A reservation frees on drop. Batches in flight are not counted. `grow` may go over the limit and
//! is for what cannot wait; `try_grow` never does.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use datafusion_common::DataFusionError;
use datafusion_execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};

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
        self.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn take(&self, bytes: usize) {
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    fn give(&self, bytes: usize) {
        let _ = self.taken.try_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
            Some(taken.saturating_sub(bytes))
        });
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

/// Bytes of a pool; given back on drop.
#[derive(Debug)]
pub struct Reserved {
    pool: Arc<dyn Pool>,
    bytes: usize,
}

impl Reserved {
    /// Nothing yet.
    pub fn new(pool: Arc<dyn Pool>) -> Reserved {
        Reserved { pool, bytes: 0 }
    }

    /// Whether the reservation could be made exactly so large; on a no it stays as it was.
    pub fn try_resize(&mut self, bytes: usize) -> bool {
        if bytes > self.bytes {
            if !self.pool.try_take(bytes - self.bytes) {
                return false;
            }
        } else {
            self.pool.give(self.bytes - bytes);
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.pool.give(self.bytes);
    }
}

/// DataFusion's view of a pool.
#[derive(Debug)]
pub struct PoolAdapter(pub Arc<dyn Pool>);

impl fmt::Display for PoolAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nestflow pool of {} bytes", self.0.limit())
    }
}

impl MemoryPool for PoolAdapter {
    fn name(&self) -> &str {
        "nestflow"
    }

    fn grow(&self, _: &MemoryReservation, additional: usize) {
        self.0.take(additional);
    }

    fn shrink(&self, _: &MemoryReservation, shrink: usize) {
        self.0.give(shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> datafusion_common::Result<()> {
        if self.0.try_take(additional) {
            return Ok(());
        }
        Err(DataFusionError::ResourcesExhausted(format!(
            "{} asked for {additional} bytes more than its {}; {} of {} bytes are in use",
            reservation.consumer().name(),
            reservation.size(),
            self.0.taken(),
            self.0.limit(),
        )))
    }

    fn reserved(&self) -> usize {
        self.0.taken()
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.0.limit())
    }
}
