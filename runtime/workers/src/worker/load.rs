//! Who has chains in a worker, who has given up on them, and since when nobody has any.

use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::{Route, Worker, lock};

impl Worker {
    /// How many chains it has.
    pub(crate) fn chains(&self) -> usize {
        lock(&self.routes).len()
    }

    /// Whether all its chains are of this thread.
    pub(crate) fn only_for(&self, thread: ThreadId) -> bool {
        lock(&self.routes).values().all(|route| route.opened_by == thread)
    }

    /// Whether nobody else waits for a chain in it.
    pub(crate) fn only_of(&self, user: u64) -> bool {
        lock(&self.routes).values().all(|route| route.user == user || route.closing.is_some())
    }

    /// This user waits no more for the chains that it has. Whether it had some, and nobody waits for any now:
    /// of users that share a worker in which all are stuck, the last one learns it.
    pub(crate) fn give_up(&self, user: u64) -> bool {
        let mut routes = lock(&self.routes);
        let theirs: Vec<_> = routes.values_mut().filter(|route| route.user == user).collect();
        let had_some = !theirs.is_empty();
        for route in theirs {
            route.closing.get_or_insert_with(Instant::now);
        }
        had_some && routes.values().all(|route| route.closing.is_some())
    }

    /// Whether it has chains of these threads, and of no other who waits for them.
    pub(crate) fn busy_with(&self, threads: &[ThreadId]) -> bool {
        let routes = lock(&self.routes);
        let theirs = |route: &Route| threads.contains(&route.opened_by);
        routes.values().any(theirs) && routes.values().all(|route| theirs(route) || route.closing.is_some())
    }

    /// For how long it has had no chain.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        (self.chains() == 0).then(|| lock(&self.idle).elapsed())
    }

    /// Whether everybody who used it has given up on it for so long, and it still does not answer.
    pub(crate) fn stuck_for(&self, long: Duration) -> bool {
        let routes = lock(&self.routes);
        !routes.is_empty()
            && routes.values().all(|route| route.closing.is_some_and(|since| since.elapsed() > long))
    }
}
