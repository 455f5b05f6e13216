//! A task driven from outside, its user functions being slow on purpose: steps answer, calls do not wait for
//! each other, and closing cancels first and waits with an end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, BinaryViewArray, RecordBatch};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use nestflow_batch::block::{self, BlockHeader};
use nestflow_chain::{CallSite, ChainSpec, Emit, Function, Host, HostError, OpenChain, StepKind};

use super::job::{Source, StagePart, TaskPart};
use super::process::{Process, ProcessSettings};
use super::task::{Step, TaskDriver};
use crate::executor::LeafShare;
use crate::io::LocalStorage;
use crate::memory::{FixedPool, Pool};
use crate::plan::flat::{Col, FlatNode, FlatOp, Sink};
use crate::plan::stage::{Output, OutputTo, Stage};

/// Longer than any test is to take: whoever waits so long has hung.
const FOR_EVER: Duration = Duration::from_secs(120);

/// A host whose function waits until it is told to go on, or, if it listens, is interrupted. It panics if
/// nobody is left to tell it.
#[derive(Clone)]
struct Slow {
    inside: Sender<()>,
    go_on: Receiver<()>,
    interrupted: Arc<AtomicBool>,
    listens: bool,
}

struct Open(Slow, Vec<RecordBatch>);

impl Host for Slow {
    fn open(&self, _: &ChainSpec, _: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        Ok(Box::new(Open(self.clone(), vec![])))
    }

    fn name(&self) -> &'static str {
        "slow"
    }
}

impl OpenChain for Open {
    fn credits(&self) -> usize {
        1
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        self.1.push(input);
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        let _ = self.0.inside.send(());
        while let Err(error) = self.0.go_on.recv_timeout(Duration::from_millis(5)) {
            assert!(error == RecvTimeoutError::Timeout, "left alone");
            if self.0.listens && self.0.interrupted.load(Ordering::Relaxed) {
                return Err(HostError::Died("interrupted".into()));
            }
        }
        self.1.pop().ok_or_else(|| HostError::Internal("nothing was pushed".into()))
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        Ok(None)
    }
}

/// A driven task, and the ends of what its function waits for.
struct Driven {
    driver: TaskDriver,
    inside: Receiver<()>,
    go_on: Sender<()>,
    interrupts: Arc<AtomicUsize>,
    pool: Arc<dyn Pool>,
    _folder: tempfile::TempDir,
}

fn cells() -> RecordBatch {
    let column: ArrayRef = Arc::new(BinaryViewArray::from_iter_values([b"a"]));
    RecordBatch::try_from_iter_with_nullable([("v", column, true)]).unwrap()
}

fn encoded() -> Vec<u8> {
    let mut bytes = Vec::new();
    block::encode(&BlockHeader::default(), &cells(), false, &mut bytes).unwrap();
    bytes
}

fn node(op: FlatOp, inputs: Vec<usize>) -> FlatNode {
    let (depth, cols, markers) = (0, vec![Col::Value], false);
    FlatNode { op, inputs, depth, cols, markers, concurrency: None, site: None }
}

/// A kept dataset, a slow function, and a dataset that is kept.
fn driven(listens: bool) -> Driven {
    let site = CallSite { file: "a.py".into(), line: 1, function: "f".into(), transform: "map".into() };
    let function = Function { name: "f".into(), pickled: vec![] };
    let step = nestflow_chain::Step { kind: StepKind::Map(function), site, sides: vec![] };
    let (emit, sides) = (Emit::Value, vec![]);
    let chain = FlatOp::Chain { steps: vec![step], emit, keep_groups_from: None, sides, most: None };
    let stage = Stage {
        id: 0,
        nodes: vec![node(FlatOp::Held { cache: 1 }, vec![]), node(chain, vec![0])],
        outputs: vec![Output { node: 1, to: OutputTo::Sink(Sink::Keep(2)) }],
    };
    let part = StagePart {
        stage,
        exchanges: vec![],
        inputs: vec![Source::Kept(1)],
        first: vec![0],
        texts: vec![],
        host: Default::default(),
        compress: false,
        forms: vec![],
    };
    let task = TaskPart { ordinal: 0, leaves: vec![(0, LeafShare::Channel(0))], literals: vec![] };
    let folder = tempfile::tempdir().unwrap();
    let settings = ProcessSettings { folder: folder.path().into(), slots: 1, memory: 64 << 20 };
    let process = Process::new(settings).unwrap();
    let (told, inside) = unbounded();
    let (go_on, waits) = bounded(8);
    let (interrupted, interrupts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let host = Arc::new(Slow { inside: told, go_on: waits, interrupted: interrupted.clone(), listens });
    let pool: Arc<dyn Pool> = Arc::new(FixedPool::new(64 << 20));
    let count = interrupts.clone();
    let interrupt = Box::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        interrupted.store(true, Ordering::Relaxed);
    });
    let bytes = task.encode().unwrap();
    let files = Arc::new(LocalStorage);
    let driver = TaskDriver::new(&process, pool.clone(), &part, &bytes, files, host, interrupt).unwrap();
    Driven { driver, inside, go_on, interrupts, pool, _folder: folder }
}

/// Gives the task its input, and waits until it is in its function.
fn begun(listens: bool) -> Driven {
    let mut driven = driven(listens);
    assert_eq!(driven.driver.step(FOR_EVER).unwrap(), Step::Need(0));
    driven.driver.input(0).unwrap().push(encoded()).unwrap();
    driven.driver.end(0).unwrap();
    assert_eq!(driven.driver.step(Duration::from_millis(1)).unwrap(), Step::Nothing);
    driven.inside.recv_timeout(FOR_EVER).unwrap();
    driven
}

#[test]
fn a_step_answers_while_a_function_works() {
    let mut driven = begun(false);
    for _ in 0..3 {
        assert_eq!(driven.driver.step(Duration::from_millis(1)).unwrap(), Step::Nothing);
    }
    driven.go_on.send(()).unwrap();
    let Step::Block(0, length) = driven.driver.step(FOR_EVER).unwrap() else { panic!("no block") };
    assert!(driven.driver.step(FOR_EVER).is_err());
    assert_eq!(driven.driver.take().unwrap().len(), length);
    assert_eq!(driven.driver.step(FOR_EVER).unwrap(), Step::Done);
    assert_eq!(driven.driver.step(FOR_EVER).unwrap(), Step::Done);
}

#[test]
fn a_panic_is_an_error_of_the_task() {
    let Driven { mut driver, go_on, pool, .. } = begun(false);
    drop(go_on);
    let error = driver.step(FOR_EVER).unwrap_err().to_string();
    assert!(error.contains("a task panicked") && error.contains("left alone"), "{error}");
    assert!(driver.close());
    drop(driver);
    assert_eq!(pool.taken(), 0);
}

#[test]
fn only_what_is_asked_for_is_taken() {
    let mut driven = driven(false);
    assert!(driven.driver.input(1).is_err());
    assert!(driven.driver.end(1).is_err());
    driven.driver.end(0).unwrap();
    assert!(driven.driver.input(0).is_err());
    assert!(driven.driver.take().is_err());
    assert!(driven.driver.close());
}

#[test]
fn closing_cancels_before_it_waits() {
    let mut driven = begun(true);
    let cancelled = driven.driver.canceller();
    let go_on = driven.go_on.clone();
    // It lets the function go on only once the task knows that it is to stop.
    let watcher = std::thread::spawn(move || {
        let until = Instant::now() + FOR_EVER;
        while !cancelled.load(Ordering::Relaxed) && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        go_on.send(()).unwrap();
    });
    assert!(driven.driver.give_up(FOR_EVER, 0));
    watcher.join().unwrap();
    assert_eq!(driven.interrupts.load(Ordering::Relaxed), 0);
    assert_eq!(driven.driver.step(FOR_EVER).unwrap(), Step::Done);
}

#[test]
fn a_function_that_goes_on_is_interrupted() {
    let mut driven = begun(true);
    assert!(driven.driver.give_up(Duration::from_millis(20), 500));
    assert!(driven.interrupts.load(Ordering::Relaxed) > 0);
    drop(driven.driver);
    assert_eq!(driven.pool.taken(), 0);
}

#[test]
fn closing_does_not_wait_for_ever() {
    let mut driven = begun(false);
    assert!(!driven.driver.give_up(Duration::from_millis(5), 3));
    assert_eq!(driven.interrupts.load(Ordering::Relaxed), 3);
    // Closed once is closed.
    assert!(driven.driver.close());
    driven.go_on.send(()).unwrap();
}

#[test]
fn a_block_that_waits_for_memory_keeps_nobody_from_closing() {
    let mut driven = driven(false);
    let input = driven.driver.input(0).unwrap();
    assert!(driven.driver.close());
    // What comes after the end takes nothing that stays.
    input.push(encoded()).unwrap();
    drop(input);
    drop(driven.driver);
    assert_eq!(driven.pool.taken(), 0);
}
