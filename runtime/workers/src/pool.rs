//! The worker processes of this process: started early, used again, ended when idle.
//!
//! A chain goes to the worker that its thread used before, so that the chains of a task share one
//! and tasks do not wait for one another.

mod starting;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use nestflow_chain::HostError;

use crate::kept::Kept;
use crate::likeness::likeness;
use crate::options::Options;
use crate::ship::Packed;
use crate::worker::Worker;
use starting::{Request, Started, start_and_tidy};

/// A worker that does not answer for so long after its chains were dropped is ended.
const STUCK: Duration = Duration::from_secs(1);
/// A worker that is asked to end has so long for its own good order.
const LAST: Duration = Duration::from_secs(5);

/// How often whoever waits for the end of workers is asked whether to go on.
const LOOK: Duration = Duration::from_millis(40);

/// The workers; ends them when it is dropped.
pub(crate) struct Pool {
    options: Options,
    /// The process that started the workers.
    owner: u32,
    /// The last number that was given to a user.
    users: AtomicU64,
    workers: Mutex<Vec<Arc<Worker>>>,
    /// Those that were asked to end, and since when.
    leaving: Mutex<Vec<(Instant, Arc<Worker>)>>,
    last_used: Mutex<HashMap<ThreadId, Weak<Worker>>>,
    /// Threads that get no worker any more; numbers of threads are never used again.
    given_up: Mutex<HashSet<ThreadId>>,
    wanted: Sender<Request>,
    /// One chain after the other gets its worker.
    leases: Mutex<()>,
    /// Whether workers may be about to be there that were asked for early.
    early: AtomicBool,
    /// The workers of programs that may run in a few only.
    few: Mutex<HashMap<u64, Vec<Weak<Worker>>>>,
    /// The side inputs of the last chains, and the last number that one was given.
    sides: Mutex<(u64, Sides)>,
}

/// Side inputs by what they hold.
type Sides = Kept<(u128, Arc<Packed>)>;

fn closed() -> io::Error {
    io::Error::other("the pool is closed")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// A pool without workers.
    pub(crate) fn new(options: Options) -> io::Result<Arc<Pool>> {
        let (wanted, requests) = channel();
        let pool = Arc::new(Pool {
            options,
            owner: std::process::id(),
            users: AtomicU64::new(0),
            workers: Mutex::new(Vec::new()),
            leaving: Mutex::default(),
            last_used: Mutex::new(HashMap::new()),
            given_up: Mutex::new(HashSet::new()),
            wanted,
            leases: Mutex::default(),
            early: AtomicBool::new(false),
            few: Mutex::default(),
            sides: Mutex::default(),
        });
        let (weak, options) = (Arc::downgrade(&pool), pool.options.clone());
        thread::Builder::new()
            .name("nestflow-workers".into())
            .spawn(move || start_and_tidy(&weak, &options, &requests))?;
        Ok(pool)
    }

    /// The worker for a new chain of this thread, which no other user has a chain in: that one may
    /// have to be killed at any time.
    pub(crate) fn lease(&self, user: u64) -> Started {
        if self.owner != std::process::id() {
            return Err(io::Error::other("the pool belongs to the process that this one was forked from"));
        }
        let me = thread::current().id();
        let _turn = lock(&self.leases);
        let worker = loop {
            if let Some(worker) = self.choose(user, me)? {
                break worker;
            }
            if self.early.swap(false, Ordering::AcqRel) {
                // Those that were asked for early are about to be there.
                self.ask(Request::Answer)?;
                continue;
            }
            let started = self.ask(Request::Worker)??;
            lock(&self.workers).push(started.clone());
            break started;
        };
        let mut last_used = lock(&self.last_used);
        last_used.retain(|_, worker| worker.strong_count() > 0);
        last_used.insert(me, Arc::downgrade(&worker));
        Ok(worker)
    }

    /// One of the workers that there are; `None`: there should be another one.
    fn choose(&self, user: u64, me: ThreadId) -> io::Result<Option<Arc<Worker>>> {
        let mut all = lock(&self.workers);
        if lock(&self.given_up).contains(&me) {
            return Err(io::Error::other("the run was interrupted"));
        }
        all.retain(|worker| worker.usable());
        let workers: Vec<_> = all.iter().filter(|worker| worker.only_of(user)).cloned().collect();
        // One that does not let go of a dropped chain may be stuck in it: `tidy` will see.
        let settled: Vec<_> = workers.iter().filter(|worker| worker.settled()).cloned().collect();
        let mine = lock(&self.last_used).get(&me).and_then(Weak::upgrade);
        let mine = mine.filter(|mine| settled.iter().any(|worker| Arc::ptr_eq(worker, mine)));
        let most = self.options.workers.max(1);
        if let Some(mine) = mine.as_ref().filter(|worker| worker.only_for(me)) {
            return Ok(Some(mine.clone()));
        }
        if let Some(free) = settled.iter().find(|worker| worker.chains() == 0) {
            return Ok(Some(free.clone()));
        }
        if settled.len() < most && workers.len() < 2 * most {
            return Ok(None);
        }
        let least = workers.iter().min_by_key(|worker| worker.chains());
        mine.or_else(|| least.cloned()).map(Some).ok_or_else(|| io::Error::other("there is no worker"))
    }

    /// The worker for a new chain of a program that may run in so many: users share these.
    pub(crate) fn lease_one_of(&self, user: u64, program: u64, most: usize) -> Started {
        let mut few = lock(&self.few);
        few.retain(|_, workers| workers.iter().any(|worker| worker.strong_count() > 0));
        let known = few.entry(program).or_default();
        known.retain(|worker| worker.upgrade().is_some_and(|worker| worker.usable()));
        let workers: Vec<_> = known.iter().filter_map(Weak::upgrade).collect();
        let free = workers.iter().any(|worker| worker.chains() == 0);
        if workers.len() < most.max(1) && !free {
            let worker = self.lease(user)?;
            if !workers.iter().any(|known| Arc::ptr_eq(known, &worker)) {
                known.push(Arc::downgrade(&worker));
            }
            return Ok(worker);
        }
        let least = workers.into_iter().min_by_key(|worker| worker.chains());
        least.ok_or_else(|| io::Error::other("there is no worker"))
    }

    /// A side input, ready to be sent, and its number: that of an equal one, if it is remembered.
    pub(crate) fn side(&self, batch: &RecordBatch) -> Result<(u64, Arc<Packed>), String> {
        let likeness = likeness(batch);
        // Tasks that begin with the same one at the same time wait until the first has it ready.
        let mut sides = lock(&self.sides);
        let (last, kept) = &mut *sides;
        if let Some((number, (_, known))) = kept.find(|(known, _)| *known == likeness) {
            return Ok((number, known.clone()));
        }
        let side = Arc::new(Packed::of(batch)?.for_several());
        *last += 1;
        kept.put(*last, side.bytes(), (likeness, side.clone()));
        Ok((*last, side))
    }

    /// Starts workers until there are so many; does not wait.
    pub(crate) fn start_early(&self, count: usize) -> io::Result<()> {
        self.wanted.send(Request::Early(count.min(self.options.workers))).map_err(|_| closed())?;
        self.early.store(true, Ordering::Release);
        Ok(())
    }

    /// A number that nobody has.
    pub(crate) fn new_user(&self) -> u64 {
        self.users.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether there are workers.
    pub(crate) fn has_workers(&self) -> bool {
        self.count() > 0
    }

    /// How many workers there are.
    pub(crate) fn count(&self) -> usize {
        lock(&self.workers).iter().filter(|worker| worker.usable()).count()
    }

    /// Ends up to so many workers that have nothing to do, in good order; says how many. Does not wait.
    pub(crate) fn end_idle(&self, most: usize) -> usize {
        // One that was leased and has no chain yet has an owner besides this list and its own reader.
        let free = |worker: &Arc<Worker>| worker.chains() == 0 && Arc::strong_count(worker) <= 2;
        let mut ended = 0;
        lock(&self.workers).retain(|worker| {
            let ends = ended < most && worker.usable() && free(worker);
            if ends {
                self.let_go(worker);
                ended += 1;
            }
            !ends
        });
        ended
    }

    /// Asks a worker to end; `tidy` looks after one that does not.
    fn let_go(&self, worker: &Arc<Worker>) {
        worker.exit();
        lock(&self.leaving).push((Instant::now(), worker.clone()));
    }

    /// All workers, which are nobody's from now on.
    fn all(&self) -> Vec<Arc<Worker>> {
        let mut all = std::mem::take(&mut *lock(&self.workers));
        all.extend(lock(&self.leaving).drain(..).map(|(_, worker)| worker));
        all
    }

    /// Asks the thread that starts workers, and waits for its answer.
    fn ask<T>(&self, request: impl FnOnce(Sender<T>) -> Request) -> io::Result<T> {
        let (reply, answer) = channel();
        self.wanted.send(request(reply)).map_err(|_| closed())?;
        answer.recv().map_err(|_| closed())
    }

    /// Ends the workers that have chains of this user, whatever these are doing; where other users wait for
    /// chains of theirs, the last of these does.
    pub(crate) fn kill_busy(&self, user: u64) {
        let workers = lock(&self.workers);
        workers.iter().filter(|worker| worker.give_up(user)).for_each(|worker| worker.kill());
    }

    /// Ends the workers that have chains of these threads, and gives these no other ones: they work for
    /// a run that is over.
    pub(crate) fn give_up(&self, threads: &[ThreadId]) {
        let workers = lock(&self.workers);
        lock(&self.given_up).extend(threads);
        workers.iter().filter(|worker| worker.busy_with(threads)).for_each(|worker| worker.kill());
    }

    /// Ends all workers, in good order those that have nothing to do, and waits for it. In a forked
    /// process, whose they are not, nothing happens.
    pub(crate) fn close(&self) {
        if self.owner != std::process::id() {
            return;
        }
        let workers = self.all();
        for worker in &workers {
            if worker.chains() > 0 { worker.kill() } else { worker.exit() }
        }
        let until = Instant::now() + LAST;
        for worker in &workers {
            if !worker.wait_for_end(until.saturating_duration_since(Instant::now())) {
                worker.kill();
            }
        }
    }

    /// Ends all workers in good order, when they have done what they are at, and waits for it as long as
    /// it is told to; gives what went wrong at their end.
    pub(crate) fn finish(&self, go_on: &mut dyn FnMut() -> bool) -> Result<(), HostError> {
        let workers = self.all();
        workers.iter().for_each(|worker| worker.exit());
        for worker in &workers {
            while !worker.wait_for_end(LOOK) {
                if !go_on() {
                    workers.iter().for_each(|worker| worker.kill());
                    return Ok(());
                }
            }
        }
        workers.iter().find_map(|worker| worker.farewell()).map_or(Ok(()), Err)
    }

    fn tidy(&self) {
        let mut workers = lock(&self.workers);
        workers.retain(|worker| {
            if worker.stuck_for(STUCK) {
                worker.kill();
                return false;
            }
            if worker.idle_for().is_some_and(|idle| idle > self.options.idle) {
                self.let_go(worker);
                return false;
            }
            worker.usable()
        });
        lock(&self.leaving).retain(|(since, worker)| {
            if worker.alive() && since.elapsed() > LAST {
                worker.kill();
            }
            worker.alive()
        });
        if workers.is_empty() {
            // Nobody has them any more; the numbers go on.
            lock(&self.sides).1 = Kept::default();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
    }
}
