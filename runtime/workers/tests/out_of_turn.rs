//! A worker that says well-formed things which nobody asked for: a run gives an answer or an error, soon, and
//! the next one has a worker. `PROPTEST_CASES` makes it longer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::os::fd::{AsFd, IntoRawFd};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use nestflow_batch::block::{BlockHeader, encode};
use nestflow_chain::{Counts, Host, HostError};
use nestflow_workers::message::{
    ColumnKind, Failure, FromWorker, Place, Shipped, ToWorker, VERSION, read, write,
};
use nestflow_workers::{Options, WorkersHost, adopt, end_with_parent};
use proptest::collection::vec;
use proptest::prelude::*;

mod chains;

use chains::{batch, map};

/// What the worker says, one after each message that it gets: numbers of [`answers`], with commas.
const ANSWERS: &str = "NESTFLOW_TEST_ANSWERS";
/// A run that waits for so long for what a worker does not say is interrupted, as users do.
const PATIENCE: Duration = Duration::from_millis(300);
/// Then it is over; who waits for the end of a process that goes on would take longer.
const BOUND: Duration = Duration::from_secs(9);

/// What a worker can say; nothing, at first.
fn answers() -> Vec<Option<FromWorker>> {
    let batch = || Shipped { columns: vec![("v".into(), ColumnKind::Cells)], place: Place::Payload };
    let shared = Place::Shared { slot: 3, file: 1, replaces: Some(1), length: 9 };
    let pulled = |chain, batch, more| FromWorker::Pulled {
        chain,
        batch,
        nanos: u64::MAX,
        more,
        enough: more,
        counts: Counts([("lines".to_owned(), i64::MAX)].into()),
    };
    let finished = |batch| FromWorker::Finished { chain: 0, batch, counts: Counts::default() };
    let some = [
        FromWorker::Hello { version: VERSION },
        FromWorker::Hello { version: VERSION + 1 },
        pulled(0, batch(), false),
        pulled(0, batch(), true),
        pulled(1, batch(), false),
        pulled(0, Shipped { place: shared, ..batch() }, false),
        finished(None),
        finished(Some(batch())),
        FromWorker::Failed { chain: 0, failure: Failure::Data("no".into()) },
        FromWorker::Closed { chain: 0 },
        FromWorker::Closed { chain: 1 },
        FromWorker::Bye { failure: Failure::Internal("no".into()) },
    ];
    [None].into_iter().chain(some.map(Some)).collect()
}

/// Not a test: what the others start.
#[test]
fn worker_main() {
    let Ok(numbers) = std::env::var(ANSWERS) else { return };
    let parent = std::env::args().next_back().unwrap().parse().unwrap();
    end_with_parent(parent);
    let socket = adopt(std::io::stdin().as_fd().try_clone_to_owned().unwrap().into_raw_fd());
    let known = answers();
    let (mut from, mut to) = (socket.try_clone().unwrap(), socket);
    let mut say = |message: &Option<FromWorker>| {
        if let Some(message) = message {
            // It may have been killed for what it said before.
            let _ = write(&mut to, message, &encoded());
        }
    };
    say(&Some(FromWorker::Hello { version: VERSION }));
    for number in numbers.split(',').filter(|number| !number.is_empty()) {
        if !matches!(read::<ToWorker>(&mut from), Ok(Some(_))) {
            return;
        }
        say(&known[number.parse::<usize>().unwrap()]);
    }
    while let Ok(Some(_)) = read::<ToWorker>(&mut from) {}
}

/// A batch as it travels.
fn encoded() -> Vec<u8> {
    let mut block = Vec::new();
    encode(&BlockHeader::default(), &batch(["a"]), false, &mut block).unwrap();
    block
}

fn run(host: &WorkersHost) -> Result<usize, HostError> {
    let mut chain = host.open(&map("same", 0), Vec::new())?;
    let mut rows = 0;
    for _ in 0..2 {
        chain.push(batch(["a"]))?;
        rows += chain.pull()?.num_rows();
        // A worker that gives parts without end is one that a user would interrupt too.
        for _ in 0..3 {
            if chain.more() {
                rows += chain.pull()?.num_rows();
            }
        }
    }
    rows += chain.finish()?.map_or(0, |rest| rest.num_rows());
    Ok(rows)
}

/// A run that is interrupted where it does not move.
fn watched(host: &WorkersHost) -> Result<usize, HostError> {
    let (sender, ended) = channel();
    let same = host.clone();
    let runner = std::thread::spawn(move || drop(sender.send(run(&same))));
    let since = Instant::now();
    let result = loop {
        match ended.recv_timeout(PATIENCE) {
            Ok(result) => break result,
            Err(_) => host.kill_busy(),
        }
        assert!(since.elapsed() < BOUND, "a run does not end");
    };
    runner.join().unwrap();
    assert!(since.elapsed() < BOUND, "a run has ended after {:?}", since.elapsed());
    result
}

fn host(numbers: &[usize]) -> WorkersHost {
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    let arguments = ["worker_main", "--exact", "--nocapture", "--test-threads=1", "-q"];
    WorkersHost::new(Options {
        environment: vec![(ANSWERS.into(), numbers.join(",").into())],
        workers: 1,
        output: Arc::new(|_| {}),
        ..Options::new(std::env::current_exe().unwrap(), arguments.map(Into::into).to_vec())
    })
    .unwrap()
}

fn number(wanted: &FromWorker) -> usize {
    answers().iter().position(|known| known.as_ref() == Some(wanted)).unwrap()
}

#[test]
fn another_build_is_refused() {
    // The worker is told to open a chain, and to push.
    let other = number(&FromWorker::Hello { version: VERSION + 1 });
    let Err(HostError::Died(text)) = run(&host(&[other])) else { panic!("it was taken") };
    assert!(text.contains(&format!("speaks version {}, not {VERSION}", VERSION + 1)), "{text}");
}

#[test]
fn a_chain_in_use_is_not_closed_by_its_worker() {
    let closed = number(&FromWorker::Closed { chain: 0 });
    let since = Instant::now();
    let Err(HostError::Died(text)) = run(&host(&[0, closed])) else { panic!("it was taken") };
    assert!(since.elapsed() < BOUND);
    assert!(text.contains("closed a chain that is in use"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn anything_is_said_at_any_time(numbers in vec(0..answers().len(), 0..9)) {
        let host = host(&numbers);
        for _ in 0..2 {
            match watched(&host) {
                Ok(_) | Err(HostError::Died(_) | HostError::Internal(_) | HostError::Data(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        let since = Instant::now();
        host.close();
        prop_assert!(since.elapsed() < BOUND);
    }
}
