//! Something goes wrong at every kind of message between a pool and a worker: the process dies, says nothing
//! more, stops in the middle of a message, or sends nonsense. The run fails or gives the right answer, and the
//! next one has another worker and gives it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use nestflow_chain::{ChainSpec, Function, Host, HostError, OpenChain, Program, StepKind};
use nestflow_workers::{Options, WorkersHost, adopt, end_with_parent, serve};

mod chains;

use chains::{batch, map};

/// The fault: what, in which direction, at which message, and a file that whoever has it removes. At the fault,
/// there is one beside it.
const FAULT: &str = "NESTFLOW_TEST_FAULT";
const DIRECTIONS: [&str; 2] = ["in", "out"];
const FAULTS: [&str; 5] = ["die", "exit", "wedge", "cut", "garble"];

/// A message of a run: of which program, its direction, its kind (the place in its enum), and how many of the
/// kind go before it.
type Point = (&'static str, &'static str, u8, usize);

const POINTS: [Point; 20] = [
    ("same", "in", 0, 0),  // Open
    ("same", "in", 1, 0),  // Side
    ("large", "in", 1, 0), // Side, in a file that is mapped
    ("same", "in", 2, 0),  // Push
    ("same", "in", 2, 1),  // Push, in shared memory
    ("same", "in", 2, 2),  // Push
    ("parts", "in", 3, 0), // More
    ("same", "in", 4, 0),  // Finish
    ("same", "in", 5, 0),  // Close
    ("end", "in", 6, 0),   // Exit
    ("same", "out", 0, 0), // Hello
    ("large", "out", 0, 0),
    ("same", "out", 1, 0),  // Pulled
    ("same", "out", 1, 1),  // Pulled, in shared memory
    ("parts", "out", 1, 0), // Pulled, in part
    ("parts", "out", 1, 1), // Pulled, the last part
    ("same", "out", 2, 0),  // Finished
    ("fail", "out", 3, 0),  // Failed
    ("same", "out", 4, 0),  // Closed
    ("end", "out", 5, 0),   // Bye
];

/// A run that is not over by then is interrupted, as users do, where something is silent.
const PATIENCE: Duration = Duration::from_millis(800);
/// Elsewhere nothing hangs.
const LONG: Duration = Duration::from_secs(20);
/// What functions that fail say.
const LAST_WORDS: &str = "as it was to be";

/// Not a test: what the other starts.
#[test]
fn worker_main() {
    let Ok(fault) = std::env::var(FAULT) else { return };
    let parent = std::env::args().next_back().unwrap().parse().unwrap();
    end_with_parent(parent);
    let socket = adopt(std::io::stdin().as_fd().try_clone_to_owned().unwrap().into_raw_fd());
    let fault: Vec<&str> = fault.splitn(5, ' ').collect();
    let [what, direction, kind, number, flag] = fault[..] else { panic!("no fault") };
    if std::fs::remove_file(flag).is_err() {
        return serve(socket, parent, &Same).unwrap();
    }
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut relays = Vec::new();
    for way in DIRECTIONS {
        let (mut from, mut to) = (socket.try_clone().unwrap(), ours.try_clone().unwrap());
        if way == "out" {
            std::mem::swap(&mut from, &mut to);
        }
        let at = (way == direction).then(|| (kind.parse().unwrap(), number.parse().unwrap()));
        let (what, reached) = (what.to_owned(), format!("{flag}.reached"));
        relays.push(std::thread::spawn(move || relay(from, to, &what, at, &reached)));
    }
    drop((socket, ours));
    serve(theirs, parent, &Same).unwrap();
    // What it said last has to get there.
    relays.pop().unwrap().join().unwrap();
}

/// Passes messages on, until the fault.
fn relay(mut from: UnixStream, mut to: UnixStream, what: &str, at: Option<(u8, usize)>, reached: &str) {
    let mut before = 0;
    loop {
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
        // The head begins with the number of the variant.
        let of_the_kind = at.is_some_and(|(kind, _)| kind == message[12]);
        if of_the_kind && at.is_some_and(|(_, number)| number == before) {
            std::fs::write(reached, "").unwrap();
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
        before += usize::from(of_the_kind);
        if to.write_all(&message).is_err() {
            return;
        }
    }
}

/// A host whose functions give what they get, at once or in two parts, and the side input at the end; or fail.
/// At its own end it always fails.
struct Same;

struct Open {
    function: String,
    sides: Vec<RecordBatch>,
    waiting: Vec<RecordBatch>,
}

impl Host for Same {
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        let Program::Records { steps, .. } = &chain.program else { panic!("not records") };
        let StepKind::Map(Function { name, .. }) = &steps[0].kind else { panic!("not map") };
        Ok(Box::new(Open { function: name.clone(), sides, waiting: Vec::new() }))
    }

    fn name(&self) -> &'static str {
        "same"
    }

    fn end(&self, _: &mut dyn FnMut() -> bool) -> Result<(), HostError> {
        Err(HostError::Internal(LAST_WORDS.into()))
    }
}

impl OpenChain for Open {
    fn credits(&self) -> usize {
        1
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        if self.function == "fail" {
            return Err(HostError::Data(LAST_WORDS.into()));
        }
        if self.function == "parts" {
            self.waiting.push(input.clone());
        }
        self.waiting.push(input);
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        self.waiting.pop().ok_or_else(|| HostError::Internal("nothing".into()))
    }

    fn more(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        Ok(self.sides.pop())
    }
}

fn text(batch: &RecordBatch) -> String {
    String::from_utf8_lossy(batch.column(0).as_binary_view().value(0)).into_owned()
}

/// What a side input of the program holds; a large one lies in a file that the worker maps.
fn side(program: &str) -> String {
    "side".repeat(if program == "large" { 1 << 19 } else { 1 })
}

/// A run of a program: small batches, and one that goes through shared memory.
fn run(host: &WorkersHost, program: &str) -> Result<Vec<String>, HostError> {
    let mut chain = host.open(&map(program, 1), vec![batch([side(program)])])?;
    let mut found = Vec::new();
    for given in ["one", &"two".repeat(50_000), "three"] {
        chain.push(batch([given]))?;
        loop {
            found.push(text(&chain.pull()?));
            if !chain.more() {
                break;
            }
        }
    }
    found.extend(chain.finish()?.as_ref().map(text));
    Ok(found)
}

/// A run that is interrupted where it does not move; of some programs with the end of the workers.
fn watched(host: &WorkersHost, program: &'static str, patience: Duration) -> Result<Vec<String>, HostError> {
    let (sender, ended) = channel();
    let same = host.clone();
    let runner = std::thread::spawn(move || drop(sender.send(run(&same, program))));
    let result = loop {
        match ended.recv_timeout(patience) {
            Ok(result) => break result,
            Err(_) => host.kill_busy(),
        }
    };
    runner.join().unwrap();
    if program == "end" && result.is_ok() {
        let since = Instant::now();
        host.clone().ending().end(&mut || since.elapsed() < patience)?;
    }
    result
}

/// What a run gives where nothing goes wrong.
fn is_right(program: &str, result: &Result<Vec<String>, HostError>) -> bool {
    let times = if program == "parts" { 2 } else { 1 };
    match (program, result) {
        ("fail", Err(HostError::Data(text))) | ("end", Err(HostError::Internal(text))) => text == LAST_WORDS,
        (_, Ok(found)) if program != "end" => {
            let given = ["one".to_owned(), "two".repeat(50_000), "three".to_owned()];
            let pulled = given.into_iter().flat_map(|text| vec![text; times]);
            pulled.chain([side(program)]).eq(found.iter().cloned())
        }
        _ => false,
    }
}

/// How many answers there are, or why there are none.
fn short(result: &Result<Vec<String>, HostError>) -> Result<usize, String> {
    result.as_ref().map(Vec::len).map_err(ToString::to_string)
}

#[test]
fn faults_at_every_message() {
    let folder = std::env::temp_dir().join(format!("nestflow-faults-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (program, direction, kind, number) in POINTS {
        for what in FAULTS {
            let (flag, reached) = (folder.join("flag"), folder.join("flag.reached"));
            std::fs::write(&flag, "").unwrap();
            let fault = format!("{what} {direction} {kind} {number} {}", flag.display());
            let arguments = ["worker_main", "--exact", "--nocapture", "--test-threads=1", "-q"];
            let host = WorkersHost::new(Options {
                environment: vec![(FAULT.into(), fault.clone().into())],
                workers: 1,
                output: Arc::new(|_| {}),
                ..Options::new(std::env::current_exe().unwrap(), arguments.map(Into::into).to_vec())
            })
            .unwrap();
            // What goes wrong with the last words of a run is met by the next.
            let patience = if matches!(what, "wedge" | "garble") { PATIENCE } else { LONG };
            let answers = [watched(&host, program, patience), watched(&host, program, patience)];
            assert!(reached.exists(), "{program}: {fault} did not come");
            for result in &answers {
                match result {
                    // Nonsense may be sense by chance; all others are found out.
                    Ok(_) if what == "garble" => {}
                    // Nobody waits for the end of a worker that does not come, or hears one that is cut off.
                    Ok(_) if program == "end" && matches!(what, "wedge" | "cut") => {}
                    Err(HostError::Died(_) | HostError::Internal(_)) => {}
                    result => assert!(is_right(program, result), "{program}: {fault}: {:?}", short(result)),
                }
            }
            let right = answers.iter().any(|result| is_right(program, result));
            assert!(right, "{program}: {fault}: {:?}", answers.each_ref().map(short));
            assert!(is_right(program, &watched(&host, program, LONG)), "{program}: after {fault}");
            let since = Instant::now();
            host.close();
            assert!(since.elapsed() < Duration::from_secs(10), "{program}: {fault}");
            std::fs::remove_file(&reached).unwrap();
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
