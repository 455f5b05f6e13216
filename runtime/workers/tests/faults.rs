//! Something goes wrong at every message between a pool and a worker: the process dies, says nothing more,
//! stops in the middle of a message, or sends nonsense. The run fails or gives the right answer, and the next one
//! has another worker and gives it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

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
/// More messages than a run has in either direction.
const MESSAGES: usize = 9;
/// A run that does not move for so long is interrupted, as users do.
const PATIENCE: Duration = Duration::from_millis(400);

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

/// A host whose only function gives what it gets, and the side input at the end.
struct Same;

struct Open(Vec<RecordBatch>, Option<RecordBatch>);

impl Host for Same {
    fn open(&self, _: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        Ok(Box::new(Open(sides, None)))
    }

    fn name(&self) -> &'static str {
        "same"
    }
}

impl OpenChain for Open {
    fn credits(&self) -> usize {
        1
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        self.1 = Some(input);
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        self.1.take().ok_or_else(|| HostError::Internal("nothing".into()))
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        Ok(self.0.pop())
    }
}

fn batch(text: &str) -> RecordBatch {
    let cells: BinaryViewArray = [Some(text.as_bytes())].into_iter().collect();
    RecordBatch::try_new(Arc::new(Schema::new(vec![cell_field("v")])), vec![Arc::new(cells)]).unwrap()
}

fn text(batch: &RecordBatch) -> String {
    String::from_utf8_lossy(batch.column(0).as_binary_view().value(0)).into_owned()
}

/// A chain with a side input: small batches, and one that goes through shared memory.
fn run(host: &WorkersHost) -> Result<Vec<String>, HostError> {
    let site = CallSite { file: "job.py".into(), line: 7, function: "main".into(), transform: "map".into() };
    let kind = StepKind::Map(Function { name: "same".into(), pickled: Vec::new() });
    let steps = vec![Step { kind, site, sides: Vec::new() }];
    let program = Program::Records { steps, emit: Emit::Value, keep_groups_from: None, most: None };
    let sides = vec![Side { shape: SideShape::Sequence, from: SideFrom::Open }];
    let mut chain = host.open(&ChainSpec { program, sides }, vec![batch("side")])?;
    let mut found = Vec::new();
    for given in ["one", &"two".repeat(50_000), "three"] {
        chain.push(batch(given))?;
        found.push(text(&chain.pull()?));
    }
    found.extend(chain.finish()?.as_ref().map(text));
    Ok(found)
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

#[test]
fn faults_at_every_message() {
    let folder = std::env::temp_dir().join(format!("nestflow-faults-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let right = vec!["one".to_owned(), "two".repeat(50_000), "three".to_owned(), "side".to_owned()];
    let mut failed = 0;
    for what in FAULTS {
        for direction in DIRECTIONS {
            for number in 0..MESSAGES {
                let flag: PathBuf = folder.join("flag");
                std::fs::write(&flag, "").unwrap();
                let fault = format!("{what} {direction} {number} {}", flag.display());
                let arguments = ["worker_main", "--exact", "--nocapture", "--test-threads=1", "-q"];
                let host = WorkersHost::new(Options {
                    environment: vec![(FAULT.into(), fault.clone().into())],
                    workers: 1,
                    output: Arc::new(|_| {}),
                    ..Options::new(std::env::current_exe().unwrap(), arguments.map(Into::into).to_vec())
                })
                .unwrap();
                // What goes wrong with the last words of a run is met by the next.
                let answers = [watched(&host), watched(&host)];
                for result in &answers {
                    match result {
                        // Nonsense may be sense by chance; all others are found out.
                        Ok(_) if what == "garble" => {}
                        Ok(found) => assert!(*found == right, "{fault}: {} answers", found.len()),
                        Err(HostError::Died(_) | HostError::Internal(_)) => failed += 1,
                        Err(error) => panic!("{fault}: {error:?}"),
                    }
                }
                assert!(answers.iter().any(Result::is_ok), "{fault}: {answers:?}");
                assert!(watched(&host).is_ok_and(|found| found == right), "after {fault}");
                host.close();
            }
        }
    }
    // A worker is told six things before a run is over, and says five and that it is there.
    assert!(failed >= 4 * 10, "only {failed} runs failed");
    std::fs::remove_dir_all(&folder).unwrap();
}
