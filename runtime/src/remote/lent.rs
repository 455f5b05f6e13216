//! Memory that somebody else lends: a task borrows in big steps, gives back what it does not need, and
//! gives up what is unused at once when the lender asks.
//!
//! The lender may wait, and may ask for memory while it is being asked: so there is no lock here, only
//! numbers that are whole at any moment.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::memory::Pool;

/// A step is this share of a task's limit, within bounds.
const STEPS: usize = 16;
const SMALLEST_STEP: usize = 1 << 20;
const LARGEST_STEP: usize = 16 << 20;

/// Who lends memory: Spark's memory manager.
pub trait Lender: Send + Sync + fmt::Debug {
    /// Lends up to so many bytes; says how many. May wait.
    fn borrow(&self, bytes: usize) -> usize;
    /// Takes back. Does not wait.
    fn give_back(&self, bytes: usize);
}

/// A task's share of the process, each byte of it borrowed.
#[derive(Debug)]
pub struct LentPool {
    share: Arc<dyn Pool>,
    lender: Arc<dyn Lender>,
    step: usize,
    /// Borrowed, taken or not: never more than the share, since the rest is for others of the same task.
    borrowed: AtomicUsize,
    /// Borrowed and not taken.
    slack: AtomicUsize,
    /// Taken although nobody lent it, since it could not wait.
    owed: AtomicUsize,
    pressed: AtomicBool,
}

impl LentPool {
    /// Nothing is borrowed yet.
    pub fn new(share: Arc<dyn Pool>, lender: Arc<dyn Lender>) -> LentPool {
        let step = (share.limit() / STEPS).clamp(SMALLEST_STEP, LARGEST_STEP);
        let [borrowed, slack, owed] = [0, 0, 0].map(AtomicUsize::new);
        LentPool { share, lender, step, borrowed, slack, owed, pressed: AtomicBool::new(false) }
    }

    /// Gives up what is not in use, without a wait; says how much that is. The lender counts it as given
    /// back. The next growth of an operator that can spill is refused, so that more follows.
    pub fn press(&self) -> usize {
        self.pressed.store(true, Ordering::Relaxed);
        let given = self.slack.swap(0, Ordering::Relaxed);
        self.borrowed.fetch_sub(given, Ordering::Relaxed);
        given
    }

    /// Takes from what is borrowed and unused.
    fn use_slack(&self, bytes: usize) -> bool {
        let rest = |slack: usize| slack.checked_sub(bytes);
        self.slack.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok()
    }

    /// Borrows until so many bytes are there, and takes them.
    fn borrow(&self, bytes: usize) -> bool {
        let missing = bytes.saturating_sub(self.slack.load(Ordering::Relaxed));
        let wanted = |borrowed: usize| {
            let room = self.share.limit().saturating_sub(borrowed);
            (missing <= room).then(|| self.step.clamp(missing, room))
        };
        let more = |borrowed| Some(borrowed + wanted(borrowed)?);
        let before = self.borrowed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let Some(wanted) = before.ok().and_then(wanted) else { return false };
        let lent = self.lender.borrow(wanted);
        self.borrowed.fetch_sub(wanted - lent, Ordering::Relaxed);
        self.slack.fetch_add(lent, Ordering::Relaxed);
        if self.use_slack(bytes) {
            return true;
        }
        // Too little to go on with: others may have better use for it.
        self.return_slack(0);
        false
    }

    fn return_slack(&self, keep: usize) {
        let mut given = 0;
        let rest = |slack: usize| {
            given = slack.saturating_sub(keep);
            Some(slack.min(keep))
        };
        let _ = self.slack.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        if given > 0 {
            self.borrowed.fetch_sub(given, Ordering::Relaxed);
            self.lender.give_back(given);
        }
    }
}

impl Pool for LentPool {
    fn try_take(&self, bytes: usize) -> bool {
        if !self.share.try_take(bytes) {
            return false;
        }
        if self.use_slack(bytes) || self.borrow(bytes) {
            return true;
        }
        self.share.give(bytes);
        false
    }

    fn take(&self, bytes: usize) {
        self.share.take(bytes);
        if !self.use_slack(bytes) && !self.borrow(bytes) {
            self.owed.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn give(&self, bytes: usize) {
        self.share.give(bytes);
        let mut paid = 0;
        let rest = |owed: usize| {
            paid = owed.min(bytes);
            Some(owed - paid)
        };
        let _ = self.owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        self.slack.fetch_add(bytes - paid, Ordering::Relaxed);
        self.return_slack(2 * self.step);
    }

    fn taken(&self) -> usize {
        self.share.taken()
    }

    fn limit(&self) -> usize {
        self.share.limit()
    }

    fn pressed(&self) -> bool {
        self.pressed.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use datafusion_execution::memory_pool::{MemoryConsumer, MemoryPool};

    use super::*;
    use crate::memory::{FixedPool, PoolAdapter};

    /// Has so much; notes what it was asked.
    #[derive(Debug)]
    struct Bank {
        has: Mutex<usize>,
    }

    impl Lender for Bank {
        fn borrow(&self, bytes: usize) -> usize {
            let mut has = self.has.lock().unwrap();
            let lent = bytes.min(*has);
            *has -= lent;
            lent
        }

        fn give_back(&self, bytes: usize) {
            *self.has.lock().unwrap() += bytes;
        }
    }

    const MIB: usize = 1 << 20;

    fn pool(limit: usize, has: usize) -> (LentPool, Arc<Bank>) {
        let bank = Arc::new(Bank { has: Mutex::new(has) });
        (LentPool::new(Arc::new(FixedPool::new(limit)), bank.clone()), bank)
    }

    #[test]
    fn borrows_in_steps_and_keeps_a_little() {
        let (pool, bank) = pool(64 * MIB, 64 * MIB);
        assert!(pool.try_take(100));
        assert_eq!(*bank.has.lock().unwrap(), 60 * MIB);
        assert!(pool.try_take(4 * MIB - 100));
        assert_eq!(*bank.has.lock().unwrap(), 60 * MIB);
        assert!(pool.try_take(40 * MIB));
        pool.give(44 * MIB);
        assert_eq!((pool.taken(), *bank.has.lock().unwrap()), (0, 56 * MIB));
    }

    #[test]
    fn refuses_what_nobody_lends() {
        let (pool, bank) = pool(64 * MIB, 10 * MIB);
        assert!(pool.try_take(9 * MIB));
        assert!(!pool.try_take(2 * MIB));
        assert_eq!((pool.taken(), *bank.has.lock().unwrap()), (9 * MIB, MIB));
        assert!(!pool.try_take(60 * MIB));
    }

    #[test]
    fn nothing_is_borrowed_beyond_the_share() {
        let (pool, bank) = pool(4 * MIB, 64 * MIB);
        assert!(pool.try_take(3 * MIB + MIB / 2));
        assert!(pool.try_take(MIB / 4));
        assert_eq!(*bank.has.lock().unwrap(), 60 * MIB);
    }

    #[test]
    fn what_cannot_wait_is_not_borrowed_beyond_the_share_either() {
        let (pool, bank) = pool(4 * MIB, 64 * MIB);
        pool.take(3 * MIB);
        pool.take(3 * MIB);
        assert_eq!(pool.taken(), 6 * MIB);
        assert!(*bank.has.lock().unwrap() >= 60 * MIB);
        pool.give(6 * MIB);
        assert_eq!(pool.press() + *bank.has.lock().unwrap(), 64 * MIB);
        assert!(pool.try_take(4 * MIB));
    }

    #[test]
    fn what_cannot_wait_is_paid_back_first() {
        let (pool, bank) = pool(64 * MIB, 10 * MIB);
        pool.take(20 * MIB);
        assert_eq!((pool.taken(), *bank.has.lock().unwrap()), (20 * MIB, 10 * MIB));
        pool.give(20 * MIB);
        assert_eq!((pool.taken(), *bank.has.lock().unwrap()), (0, 10 * MIB));
    }

    #[test]
    fn under_pressure_what_is_worth_spilling_is_refused_once() {
        let (lent, _) = pool(64 * MIB, 64 * MIB);
        let lent = Arc::new(lent);
        let memory: Arc<dyn MemoryPool> = Arc::new(PoolAdapter::new(lent.clone()));
        let operator = |name: &str| MemoryConsumer::new(name).with_can_spill(true).register(&memory);
        let (large, small) = (operator("large"), operator("small"));
        large.try_grow(9 * MIB).unwrap();
        small.try_grow(MIB).unwrap();
        lent.press();
        // It has too little to be asked, and leaves the answer to the other one.
        small.try_grow(MIB).unwrap();
        assert!(large.try_grow(MIB).is_err());
        large.try_grow(MIB).unwrap();
    }

    #[test]
    fn gives_up_what_is_unused_at_once() {
        let (pool, bank) = pool(64 * MIB, 64 * MIB);
        assert!(pool.try_take(MIB));
        assert_eq!(pool.press(), 3 * MIB);
        assert!(pool.pressed() && !pool.pressed());
        bank.give_back(3 * MIB);
        pool.give(MIB);
        assert_eq!(pool.press() + *bank.has.lock().unwrap(), 64 * MIB);
    }
}
