//! Something goes wrong at every message between a pool and a worker: the process dies, says nothing more,
//! stops in the middle of a message, or sends nonsense. The run fails or gives the right answer, and the next one
//! has another worker and gives it. A run has two chains at a time whose large batches lie in shared memory together,
//! a result in parts, and at the end the worker's own good order, of which it has something to say.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::{BinaryViewArray, RecordBatch};
use arrow_schema::Schema;
use nestflow_batch::columns::cell_field;
use nestflow_chain::{
    CallSite, ChainSpec, Emit, Function, Host, HostError, OpenChain, Program, Side, SideFrom, SideShape,
    Step, StepKind,
};
use nestflow_workers::{Options, WorkersHost, adopt, end_with_parent, serve};

/// The fault: what, in which direction, at which message, and a file that whoever has it removes.
const FAULT: &str = "NESTFLOW_TEST_FAULT";
const DIRECTIONS: [&str; 2] = ["in", "out"];
const FAULTS: [&str; 5] = ["die", "exit", "wedge", "cut", "garble"];
/// More messages than a run and the end of its worker have in either direction.
const MESSAGES: usize = 18;
/// A run that does not move for so long is interrupted, as users do.
const PATIENCE: Duration = Duration::from_millis(400);
/// What a worker has to say at its end.
const LAST_WORD: &str = "the last word";

/// Not a test: what the other starts.
#[test]
fn worker_main() {
    let Ok(fault) = std::env::var(FAULT) else { return };
    let parent = std::env::args().next_back().unwrap().parse().unwrap();
    end_with_parent(parent);
    let socket = adopt(std::io::stdin().as_fd().try_clone_to_owned().unwrap().into_raw_fd());
    let fault: Vec<&str> = fault.splitn(4, ' ').collect();
    let [what, direction, number, flag] = fault[..] else { panic!("no fault") };
    if std::fs::remove_file(flag).is_err() {
        return serve(socket, parent, &Same).unwrap();
    }
    let (ours, theirs) = UnixStream::pair().unwrap();
    for way in DIRECTIONS {
        let (mut from, mut to) = (socket.try_clone().unwrap(), ours.try_clone().unwrap());
        if way == "out" {
            std::mem::swap(&mut from, &mut to);
        }
        let at = (way == direction).then(|| number.parse().unwrap());
        let what = what.to_owned();
        std::thread::spawn(move || relay(from, to, &what, at));
    }
    drop((socket, ours));
    serve(theirs, parent, &Same).unwrap();
}

/// Passes messages on, until the fault.
fn relay(mut from: UnixStream, mut to: UnixStream, what: &str, at: Option<usize>) {
    for number in 0.. {
        let mut header = [0; 12];
        if from.read_exact(&mut header).is_err() {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        let head = u32::from_le_bytes(header[..4].try_into().unwrap()) as usize;
        let payload = u64::from_le_bytes(header[4..].try_into().unwrap()) as usize;
        let mut message = header.to_vec();
        message.resize(12 + head + payload, 0);
        from.read_exact(&mut message[12..]).unwrap();
        if at == Some(number) {
            match what {
                "die" => std::process::abort(),
                "exit" => std::process::exit(7),
                "wedge" => loop {
                    std::thread::park();
                },
                "cut" => {
                    let _ = to.write_all(&message[..message.len() / 2]);
                    let _ = to.shutdown(Shutdown::Both);
                    return;
                }
                _ => message[12..].iter_mut().for_each(|byte| *byte ^= 0x5A),
            }
        }
        if to.write_all(&message).is_err() {
            return;
        }
    }
}

/// A host whose only function gives what it gets, row by row where there are several, and the side input at the
/// end. Its own end fails.
struct Same;

struct Open(Vec<RecordBatch>, VecDeque<RecordBatch>);

impl Host for Same {
    fn open(&self, _: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        Ok(Box::new(Open(sides, VecDeque::new())))
    }

    fn name(&self) -> &'static str {
        "same"
    }

    fn end(&self, _: &mut dyn FnMut() -> bool) -> Result<(), HostError> {
        Err(HostError::Data(LAST_WORD.into()))
    }
}

impl OpenChain for Open {
    fn credits(&self) -> usize {
        1
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        self.1.extend((0..input.num_rows()).map(|row| input.slice(row, 1)));
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        self.1.pop_front().ok_or_else(|| HostError::Internal("nothing".into()))
    }

    fn more(&self) -> bool {
        !self.1.is_empty()
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        Ok(self.0.pop())
    }
}

fn batch(text: &str) -> RecordBatch {
    rows(&[text])
}

fn rows(texts: &[&str]) -> RecordBatch {
    let cells: BinaryViewArray = texts.iter().map(|text| Some(text.as_bytes())).collect();
    RecordBatch::try_new(Arc::new(Schema::new(vec![cell_field("v")])), vec![Arc::new(cells)]).unwrap()
}

fn text(batch: &RecordBatch) -> String {
    String::from_utf8_lossy(batch.column(0).as_binary_view().value(0)).into_owned()
}

fn spec() -> ChainSpec {
    let site = CallSite { file: "job.py".into(), line: 7, function: "main".into(), transform: "map".into() };
    let kind = StepKind::Map(Function { name: "same".into(), pickled: Vec::new() });
    let steps = vec![Step { kind, site, sides: Vec::new() }];
    let program = Program::Records { steps, emit: Emit::Value, keep_groups_from: None, most: None };
    ChainSpec { program, sides: vec![Side { shape: SideShape::Sequence, from: SideFrom::Open }] }
}

/// Two chains with side inputs, one of which is mapped: small batches, and large ones of both that are on their way
/// at the same time; a result in parts, with a batch waiting behind it.
fn run(host: &WorkersHost) -> Result<Vec<String>, HostError> {
    let spec = spec();
    let mut one = host.open(&spec, vec![batch("side")])?;
    let mut two = host.open(&spec, vec![batch(&"side".repeat(500_000))])?;
    let mut found = Vec::new();
    one.push(batch(&"one".repeat(50_000)))?;
    two.push(batch(&"two".repeat(50_000)))?;
    two.push(batch(&"three".repeat(50_000)))?;
    found.push(text(&one.pull()?));
    found.push(text(&two.pull()?));
    found.push(text(&two.pull()?));
    one.push(rows(&["a", "b", "c"]))?;
    one.push(batch("d"))?;
    for part in 0..4 {
        found.push(text(&one.pull()?));
        assert_eq!(one.more(), part < 2);
    }
    for chain in [&mut one, &mut two] {
        found.extend(chain.finish()?.as_ref().map(text));
    }
    Ok(found)
}

/// What a run gives.
fn right() -> Vec<String> {
    let large = ["one", "two", "three"].map(|text| text.repeat(50_000));
    let small = ["a", "b", "c", "d", "side"].map(str::to_owned);
    large.into_iter().chain(small).chain(["side".repeat(500_000)]).collect()
}

/// A run that is interrupted where it does not move.
fn watched(host: &WorkersHost) -> Result<Vec<String>, HostError> {
    let (sender, ended) = channel();
    let same = host.clone();
    let runner = std::thread::spawn(move || drop(sender.send(run(&same))));
    let result = loop {
        match ended.recv_timeout(PATIENCE) {
            Ok(result) => break result,
            Err(_) => host.kill_busy(),
        }
    };
    runner.join().unwrap();
    result
}

/// A pool of a worker, and more for other users; whichever finds the flag has the fault.
fn faulty(fault: &str) -> WorkersHost {
    let arguments = ["worker_main", "--exact", "--nocapture", "--test-threads=1", "-q"];
    let options = Options {
        environment: vec![(FAULT.into(), fault.into())],
        workers: 1,
        output: Arc::new(|_| {}),
        ..Options::new(std::env::current_exe().unwrap(), arguments.map(Into::into).to_vec())
    };
    WorkersHost::new(options).unwrap()
}

/// A run that ends its worker in good order, and what that one says at last; interrupted where it does not move.
fn ended(host: &WorkersHost) -> (Result<Vec<String>, HostError>, Result<(), HostError>) {
    let (result, since) = (watched(host), Instant::now());
    (result, host.clone().ending().end(&mut || since.elapsed() < 2 * PATIENCE))
}

#[test]
fn faults_at_every_message() {
    let folder = std::env::temp_dir().join(format!("nestflow-faults-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let right = right();
    let (mut failed, mut silent) = (0, 0);
    for what in FAULTS {
        for direction in DIRECTIONS {
            for number in 0..MESSAGES {
                let flag: PathBuf = folder.join("flag");
                std::fs::write(&flag, "").unwrap();
                let fault = format!("{what} {direction} {number} {}", flag.display());
                let host = faulty(&fault);
                let (result, end) = ended(&host);
                match result {
                    // Nonsense may be sense by chance; all others are found out.
                    Ok(_) if what == "garble" => {}
                    Ok(found) => assert!(found == right, "{fault}: {} answers", found.len()),
                    Err(HostError::Died(_) | HostError::Internal(_)) => failed += 1,
                    Err(error) => panic!("{fault}: {error:?}"),
                }
                match end {
                    Err(HostError::Data(text)) => assert!(text == LAST_WORD || what == "garble"),
                    // It was gone before, was killed, or had its last word cut off.
                    Ok(()) | Err(HostError::Died(_)) => silent += 1,
                    Err(error) => panic!("{fault}: {error:?}"),
                }
                assert!(watched(&host).is_ok_and(|found| found == right), "after {fault}");
                host.close();
            }
        }
    }
    // A worker is told fifteen things before a run is over, and says twelve.
    assert!(failed >= 4 * 20, "only {failed} runs failed");
    assert!(silent > failed, "only {silent} workers had no last word, of {failed} runs that failed");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_fault_of_one_user_is_not_the_others() {
    let folder = std::env::temp_dir().join(format!("nestflow-faults-of-one-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let flag: PathBuf = folder.join("flag");
    for what in ["die", "wedge", "cut"] {
        for number in 1..9 {
            std::fs::write(&flag, "").unwrap();
            let host = faulty(&format!("{what} in {number} {}", flag.display()));
            let mut open = host.open(&spec(), vec![batch("side")]).unwrap();
            while flag.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            // The first worker, which has the fault, is busy for us: all of theirs is elsewhere.
            let other = host.for_another();
            let theirs =
                std::thread::spawn(move || (0..20).map(|_| run(&other)).collect::<Result<Vec<_>, _>>());
            let mine = (0..8).try_for_each(|_| open.push(batch("one")).and_then(|()| open.pull().map(drop)));
            assert!(mine.is_err() || what == "wedge");
            assert!(theirs.join().unwrap().is_ok_and(|found| found.iter().all(|found| *found == right())));
            host.close();
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
