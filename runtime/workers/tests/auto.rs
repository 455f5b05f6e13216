//! The choice between hosts, with hosts that only burn time and write down what they are given.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use nestflow_chain::{Ahead, ChainSpec, Host, HostError, OpenChain};
use nestflow_workers::{AutoHost, Elsewhere};

mod chains;

use chains::{batch, map};

/// Rows of a batch, of 100 bytes each.
const ROWS: usize = 100;
const BATCH_BYTES: u64 = 100 * ROWS as u64;

/// A host that takes a time for each batch, and writes down (chain, rows) of each.
#[derive(Default)]
struct Fake {
    per_batch: Duration,
    opened: AtomicUsize,
    seen: Arc<Mutex<Vec<(usize, usize)>>>,
    running: AtomicBool,
}

impl Fake {
    fn taking(millis: u64) -> Arc<Fake> {
        Arc::new(Fake { per_batch: Duration::from_millis(millis), ..Fake::default() })
    }

    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    fn rows(&self) -> usize {
        self.seen.lock().unwrap().iter().map(|(_, rows)| rows).sum()
    }
}

struct FakeChain {
    number: usize,
    per_batch: Duration,
    seen: Arc<Mutex<Vec<(usize, usize)>>>,
    last: Option<RecordBatch>,
}

impl Host for Fake {
    fn open(&self, _: &ChainSpec, _: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        let number = self.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(FakeChain { number, per_batch: self.per_batch, seen: self.seen.clone(), last: None }))
    }

    fn name(&self) -> &'static str {
        "fake"
    }
}

impl Elsewhere for Fake {
    fn ready(&self) -> bool {
        self.running.load(Ordering::SeqCst)
    }

    fn start(&self, _: usize) {
        self.running.store(true, Ordering::SeqCst);
    }
}

impl OpenChain for FakeChain {
    fn credits(&self) -> usize {
        1
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        let until = Instant::now() + self.per_batch;
        while Instant::now() < until {}
        self.seen.lock().unwrap().push((self.number, input.num_rows()));
        self.last = Some(input);
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        Ok(self.last.take().unwrap())
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        Ok(None)
    }
}

fn full() -> RecordBatch {
    batch([[b'x'; 100]; ROWS])
}

fn run(host: &AutoHost, batches: usize) {
    let mut open = host.open(&map("f", 0), vec![]).unwrap();
    for _ in 0..batches {
        open.push(full()).unwrap();
        assert_eq!(open.pull().unwrap().num_rows(), ROWS);
    }
    assert!(open.finish().unwrap().is_none());
}

fn ahead(tasks: usize, batches: u64) -> Ahead {
    Ahead { tasks, at_a_time: tasks.min(4), bytes: batches * BATCH_BYTES }
}

/// A stage of four tasks at a time, of so many batches each.
fn stage(host: &AutoHost, batches: usize) {
    host.prepare(ahead(4, 4 * batches as u64));
    let together = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                together.wait();
                run(host, batches);
            });
        }
    });
}

fn hosts(here: u64, there: u64) -> (Arc<Fake>, Arc<Fake>, AutoHost) {
    let (here, there) = (Fake::taking(here), Fake::taking(there));
    let auto = AutoHost::new(here.clone(), there.clone());
    (here, there, auto)
}

#[test]
fn tiny_work_stays_and_starts_nothing() {
    let (here, there, auto) = hosts(0, 0);
    stage(&auto, 3);
    stage(&auto, 3);
    assert_eq!((here.opened(), there.opened(), there.ready()), (8, 0, false));
}

#[test]
fn of_long_work_only_the_first_task_stays() {
    let (here, there, auto) = hosts(8, 8);
    stage(&auto, 50);
    assert_eq!((here.opened(), there.opened(), there.ready()), (1, 3, true));
    // Later stages and runs know from the beginning.
    stage(&auto, 50);
    assert_eq!((here.opened(), there.opened()), (1, 7));
}

#[test]
fn what_comes_again_finds_them_started() {
    let (here, there, auto) = hosts(20, 20);
    // Each time too little for a start; together it is enough for one that nobody waits for.
    for _ in 0..100 {
        auto.prepare(ahead(4, 10));
        run(&auto, 2);
        if there.ready() {
            break;
        }
    }
    assert!(there.ready() && here.opened() > 2);
    assert_eq!(there.opened(), 0);
    auto.prepare(ahead(4, 10));
    run(&auto, 2);
    assert_eq!(there.opened(), 1);
}

#[test]
fn one_long_batch_is_not_waited_for() {
    let (here, there, auto) = hosts(2000, 10);
    let since = Instant::now();
    auto.prepare(ahead(4, 40));
    std::thread::scope(|scope| {
        scope.spawn(|| run(&auto, 1));
        std::thread::sleep(Duration::from_millis(20));
        run(&auto, 1);
        assert!(since.elapsed() < Duration::from_millis(500), "{:?}", since.elapsed());
    });
    assert_eq!((here.opened(), there.opened()), (1, 1));
}

#[test]
fn an_open_chain_never_moves_and_each_record_is_seen_once() {
    let (here, there, auto) = hosts(5, 5);
    stage(&auto, 60);
    assert_eq!(here.rows() + there.rows(), 4 * 60 * ROWS);
    let mut chains = HashSet::new();
    for host in [&here, &there] {
        for number in 0..host.opened() {
            let seen = host.seen.lock().unwrap().iter().filter(|(chain, _)| *chain == number).count();
            assert_eq!(seen, 60, "a chain saw a part of its task");
            chains.insert((Arc::as_ptr(host) as usize, number));
        }
    }
    assert_eq!(chains.len(), 4);
}

#[test]
fn what_is_dearer_elsewhere_comes_back() {
    let (here, there, auto) = hosts(2, 20);
    stage(&auto, 200);
    assert_eq!((here.opened(), there.opened()), (1, 3));
    // The work elsewhere was this thread's own here, so it was measured.
    stage(&auto, 3);
    assert_eq!((here.opened(), there.opened()), (5, 3));
}

#[test]
fn one_task_has_nothing_to_gain() {
    let (here, there, auto) = hosts(20, 20);
    for _ in 0..2 {
        auto.prepare(ahead(1, 1000));
        run(&auto, 10);
    }
    assert_eq!((here.opened(), there.opened(), there.ready()), (2, 0, false));
}

#[test]
fn a_first_task_that_gives_up_leaves_its_place() {
    let (here, _, auto) = hosts(0, 0);
    auto.prepare(ahead(4, 1));
    let mut first = auto.open(&map("f", 0), vec![]).unwrap();
    first.push(full()).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let since = Instant::now();
            run(&auto, 1);
            since.elapsed()
        });
        std::thread::sleep(Duration::from_millis(100));
        drop(first);
        let waited = second.join().unwrap();
        assert!(waited > Duration::from_millis(50) && waited < Duration::from_millis(400), "{waited:?}");
    });
    assert_eq!(here.opened(), 2);
}

#[test]
fn a_chain_without_batches_opens_and_ends_here() {
    let (here, there, auto) = hosts(0, 0);
    auto.prepare(ahead(4, 4));
    run(&auto, 0);
    assert_eq!((here.opened(), there.opened()), (1, 0));
}
