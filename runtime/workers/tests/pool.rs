//! The pool against real processes: this test program started again, as a worker with a host that
//! understands a few function names.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test")]

use std::collections::BTreeSet;
use std::os::fd::{AsFd, IntoRawFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::{BinaryViewArray, RecordBatch};
use arrow_schema::Schema;
use nestflow_batch::columns::cell_field;
use nestflow_chain::{
    CallSite, ChainSpec, Function, Host, HostError, OpenChain, Program, Sequential, StepKind, UserError,
};
use nestflow_workers::{Options, WorkersHost, adopt, end_with_parent, serve};

mod chains;

use chains::{batch, map};

const AS_WORKER: &str = "NESTFLOW_TEST_WORKER";

/// Not a test: what the other tests start.
#[test]
fn worker_main() {
    if std::env::var_os(AS_WORKER).is_none() {
        return;
    }
    let arguments: Vec<String> = std::env::args().collect();
    let parent = arguments.last().unwrap().parse().unwrap();
    end_with_parent(parent);
    let socket = std::io::stdin().as_fd().try_clone_to_owned().unwrap().into_raw_fd();
    serve(adopt(socket), parent, &Names).unwrap();
}

/// A host whose functions are known by name.
struct Names;

impl Host for Names {
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        let name = match &chain.program {
            Program::Records { steps, .. } => match &steps[0].kind {
                StepKind::Map(Function { name, .. }) => name,
                _ => panic!("not map"),
            },
            Program::Sequential { kind: Sequential::Whole(Function { name, .. }), .. } => name,
            _ => panic!("neither records nor a whole group"),
        };
        if name == "unloadable" {
            return Err(HostError::Data("cannot be loaded".into()));
        }
        Ok(Box::new(Named { name: name.clone(), sides, last: None }))
    }

    fn name(&self) -> &'static str {
        "names"
    }
}

struct Named {
    name: String,
    sides: Vec<RecordBatch>,
    last: Option<RecordBatch>,
}

impl OpenChain for Named {
    fn credits(&self) -> usize {
        1
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        match self.name.as_str() {
            "same" => {}
            "pid" => return self.give(&std::process::id().to_string()),
            "side" => {
                self.last = Some(self.sides[0].clone());
                return Ok(());
            }
            "where" => return self.give(&place_of(&self.sides[0])),
            "print" => println!("said by {}", std::process::id()),
            "fail" => {
                return Err(HostError::User(Box::new(UserError {
                    class: "Oops".into(),
                    ..Default::default()
                })));
            }
            "abort" => {
                eprintln!("these are my last words");
                std::process::abort();
            }
            "exit" => std::process::exit(3),
            "hang" => std::thread::sleep(Duration::from_secs(1000)),
            other => panic!("no function {other}"),
        }
        self.last = Some(input);
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        Ok(self.last.take().unwrap())
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        Ok(Some(batch(["end"])))
    }
}

impl Named {
    fn give(&mut self, text: &str) -> Result<(), HostError> {
        self.last = Some(batch([text]));
        Ok(())
    }
}

/// Where a side input lies: in this process, and the file in memory that it maps, if it does.
fn place_of(side: &RecordBatch) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mapped: BTreeSet<_> = maps.lines().filter(|line| line.contains("memfd:nestflow-side")).collect();
    let files: BTreeSet<_> = mapped.iter().map(|line| line.split_whitespace().nth(4).unwrap()).collect();
    let views = side.column(0).as_binary_view().views().as_ptr();
    format!("{} {views:p} {}", std::process::id(), files.into_iter().collect::<Vec<_>>().join(" "))
}

fn text(batch: &RecordBatch) -> String {
    let cells = batch.column(0).as_binary_view();
    String::from_utf8(cells.iter().flatten().flatten().copied().collect()).unwrap()
}

fn site() -> CallSite {
    CallSite { file: "job.py".into(), line: 7, function: "main".into(), transform: "map".into() }
}

/// A program that runs in one process only, whoever runs it.
fn single(name: &str) -> ChainSpec {
    let kind = Sequential::Whole(Function { name: name.into(), pickled: Vec::new() });
    ChainSpec {
        program: Program::Sequential { kind, site: site(), sides: vec![], instances: Some(1), most: None },
        sides: vec![],
    }
}

fn options(workers: usize) -> Options {
    let arguments = ["worker_main", "--exact", "--nocapture", "--test-threads=1", "-q"];
    Options {
        environment: vec![(AS_WORKER.into(), "1".into())],
        workers,
        output: Arc::new(|_| {}),
        ..Options::new(std::env::current_exe().unwrap(), arguments.map(Into::into).to_vec())
    }
}

fn pool(workers: usize) -> WorkersHost {
    WorkersHost::new(options(workers)).unwrap()
}

fn one(host: &WorkersHost, name: &str) -> Result<RecordBatch, HostError> {
    let mut chain = host.open(&map(name, 0), vec![])?;
    chain.push(batch(["a"]))?;
    chain.pull()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let since = Instant::now();
    while !done() {
        assert!(since.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn stop(process: &str) {
    assert!(std::process::Command::new("kill").args(["-STOP", process]).status().unwrap().success());
}

fn running(process: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn batches_go_and_come_back_in_order() {
    let host = pool(1);
    let mut open = host.open(&map("same", 0), vec![]).unwrap();
    assert!(open.credits() >= 2);
    let large = "x".repeat(100_000);
    let mut expected = Vec::new();
    for round in 0..50 {
        let sent = batch([round.to_string().as_str(), if round % 3 == 0 { &large } else { "small" }]);
        open.push(sent.clone()).unwrap();
        expected.push(sent);
        if expected.len() == open.credits() {
            assert_eq!(open.pull().unwrap(), expected.remove(0));
        }
    }
    for sent in expected {
        assert_eq!(open.pull().unwrap(), sent);
    }
    assert_eq!(text(&open.finish().unwrap().unwrap()), "end");
}

#[test]
fn slices_and_nulls_arrive_as_they_are() {
    let host = pool(1);
    let mut open = host.open(&map("same", 0), vec![]).unwrap();
    let cells: BinaryViewArray = vec![Some(&b"a long enough value"[..]), None, Some(b"c"), None].into();
    let schema = Arc::new(Schema::new(vec![cell_field("v")]));
    let sent = RecordBatch::try_new(schema, vec![Arc::new(cells)]).unwrap().slice(1, 2);
    open.push(sent.clone()).unwrap();
    assert_eq!(open.pull().unwrap(), sent);
}

#[test]
fn open_sides_arrive() {
    let host = pool(1);
    let mut open = host.open(&map("side", 2), vec![batch(["s", "t"]), batch::<&str>([])]).unwrap();
    open.push(batch(["a"])).unwrap();
    assert_eq!(text(&open.pull().unwrap()), "st");
}

#[test]
fn sides_that_were_sent_before_arrive_too() {
    let host = pool(1);
    // More than are kept, so that some are sent again.
    for number in (0..12).chain(0..12).chain([11, 11]) {
        let side = number.to_string();
        let mut open = host.open(&map("side", 1), vec![batch([&side])]).unwrap();
        open.push(batch(["a"])).unwrap();
        assert_eq!(text(&open.pull().unwrap()), side);
    }
}

#[test]
fn a_process_is_used_again_and_shared_by_the_chains_of_a_thread() {
    let host = pool(2);
    let first = text(&one(&host, "pid").unwrap());
    assert_eq!(text(&one(&host, "pid").unwrap()), first);
    let mut held = host.open(&map("pid", 0), vec![]).unwrap();
    held.push(batch(["a"])).unwrap();
    assert_eq!(text(&one(&host, "pid").unwrap()), first);
    let elsewhere = host.clone();
    let other = std::thread::spawn(move || text(&one(&elsewhere, "pid").unwrap())).join().unwrap();
    assert_ne!(other, first);
}

#[test]
fn more_threads_than_workers() {
    let host = pool(2);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let (mut a, mut b) = (
                    host.open(&map("same", 0), vec![]).unwrap(),
                    host.open(&map("same", 0), vec![]).unwrap(),
                );
                for round in 0..30 {
                    let sent = batch([&round.to_string()]);
                    a.push(sent.clone()).unwrap();
                    b.push(a.pull().unwrap()).unwrap();
                    assert_eq!(b.pull().unwrap(), sent);
                }
            });
        }
    });
}

#[test]
fn failures_come_back_and_leave_the_worker_alive() {
    let host = pool(1);
    let Err(HostError::User(error)) = one(&host, "fail") else { panic!("no user error") };
    assert_eq!(error.class, "Oops");
    let Err(HostError::Data(text)) = one(&host, "unloadable") else { panic!("no data error") };
    assert_eq!(text, "cannot be loaded");
    let mut open = host.open(&map("fail", 0), vec![]).unwrap();
    open.push(batch(["a"])).unwrap();
    open.push(batch(["b"])).unwrap();
    assert!(matches!(open.pull(), Err(HostError::User(_))));
    assert!(one(&host, "same").is_ok());
}

#[test]
fn a_crash_names_signal_step_records_and_last_words() {
    let host = pool(1);
    let mut open = host.open(&map("abort", 0), vec![]).unwrap();
    open.push(batch(["a", "b"])).unwrap();
    let Err(HostError::Died(text)) = open.pull() else { panic!("did not die") };
    for part in
        ["signal 6 (SIGABRT)", "map(abort) at job.py:7 in main", "records 1 to 2", "these are my last words"]
    {
        assert!(text.contains(part), "{text}");
    }
    assert!(matches!(open.push(batch(["c"])), Err(HostError::Died(_))));
    let Err(HostError::Died(text)) = one(&host, "exit") else { panic!("did not die") };
    assert!(text.contains("exit code 3"), "{text}");
    assert!(one(&host, "same").is_ok());
}

#[test]
fn what_cannot_start_says_so() {
    let missing = WorkersHost::new(Options::new("/no/such/program", vec![])).unwrap();
    let Err(HostError::Internal(text)) = one(&missing, "same") else { panic!("started") };
    assert!(text.contains("no worker process can be started"), "{text}");
    let silent = Options {
        output: Arc::new(|_| {}),
        ..Options::new("/bin/sh", vec!["-c".into(), "echo no; exit 9".into()])
    };
    let Err(HostError::Died(text)) = one(&WorkersHost::new(silent).unwrap(), "same") else {
        panic!("started")
    };
    assert!(text.contains("exit code 9") && text.contains("no"), "{text}");
}

#[test]
fn dropping_a_chain_does_not_wait_and_ends_a_stuck_worker() {
    let host = pool(1);
    let process = text(&one(&host, "pid").unwrap());
    let mut open = host.open(&map("hang", 0), vec![]).unwrap();
    open.push(batch(["a"])).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let since = Instant::now();
    drop(open);
    assert!(since.elapsed() < Duration::from_millis(100));
    wait_for("the stuck worker is still there", || !running(&process));
    assert_ne!(text(&one(&host, "pid").unwrap()), process);
}

#[test]
fn an_interrupted_run_kills_what_it_uses() {
    let host = pool(1);
    let mut open = host.open(&map("hang", 0), vec![]).unwrap();
    open.push(batch(["a"])).unwrap();
    let killer = host.clone();
    let killing = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        killer.kill_busy();
    });
    let Err(HostError::Died(text)) = open.pull() else { panic!("did not die") };
    assert!(text.contains("signal 9"), "{text}");
    killing.join().unwrap();
}

#[test]
fn users_that_share_a_stuck_worker_end_it_together() {
    let host = pool(2);
    let users = [host.for_another(), host.for_another()];
    let mut open: Vec<_> = users.iter().map(|user| user.open(&single("hang"), vec![]).unwrap()).collect();
    open.iter_mut().for_each(|chain| chain.push(batch(["a"])).unwrap());
    assert_eq!(host.count(), 1);
    users[0].kill_busy();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(host.count(), 1, "the other one still waits");
    users[1].kill_busy();
    for chain in &mut open {
        assert!(matches!(chain.pull(), Err(HostError::Died(_))));
    }
}

#[test]
fn a_worker_that_does_not_end_when_it_is_asked_to_is_killed() {
    for asked in [false, true] {
        let idle = Duration::from_secs(if asked { 1000 } else { 2 });
        let host = WorkersHost::new(Options { idle, ..options(1) }).unwrap();
        let process = text(&one(&host, "pid").unwrap());
        stop(&process);
        if asked {
            // Where it was stopped before it let go of its chain, it is killed for that.
            wait_for("it has something to do", || host.end_idle(1) == 1 || !running(&process));
        }
        wait_for("it is still there", || !running(&process));
        assert!(one(&host, "same").is_ok());
    }
}

#[test]
fn a_pool_that_is_closed_does_not_leave_one_that_was_asked_to_end() {
    let host = pool(1);
    let process = text(&one(&host, "pid").unwrap());
    stop(&process);
    wait_for("it has something to do", || host.end_idle(1) == 1 || !running(&process));
    host.close();
    wait_for("it is still there", || !running(&process));
}

#[test]
fn printed_lines_are_handed_on() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let into = lines.clone();
    let output: nestflow_workers::Output = Arc::new(move |printed| {
        into.lock().unwrap().push((printed.line.to_owned(), printed.task.to_owned()));
    });
    let host = WorkersHost::new(Options { output, ..options(1) }).unwrap();
    for task in ["task 1", "task 2"] {
        one(&host.for_task(task), "print").unwrap();
        let of_it = |(line, of): &(String, String)| line.starts_with("said by") && of == task;
        wait_for("nothing was printed", || lines.lock().unwrap().iter().any(of_it));
    }
}

#[test]
fn idle_workers_end_and_early_ones_are_there() {
    let host = WorkersHost::new(Options { idle: Duration::from_millis(100), ..options(2) }).unwrap();
    host.start_early(2).unwrap();
    let process = text(&one(&host, "pid").unwrap());
    assert!(running(&process));
    wait_for("an idle worker is still there", || !running(&process));
    assert!(one(&host, "same").is_ok());
}

#[test]
fn only_idle_workers_make_room_for_others() {
    let host = pool(3);
    let mut open = host.open(&map("hang", 0), vec![]).unwrap();
    open.push(batch(["a"])).unwrap();
    let free = host.for_another();
    let process = text(&one(&free, "pid").unwrap());
    assert_eq!(host.count(), 2);
    wait_for("the free one cannot be ended", || host.end_idle(5) == 1);
    wait_for("it is still there", || !running(&process));
    assert_eq!((host.count(), host.end_idle(5)), (1, 0));
    host.kill_busy();
    assert!(open.pull().is_err());
    assert!(one(&free, "same").is_ok());
}

#[test]
fn a_dropped_pool_leaves_nothing() {
    let host = pool(1);
    let process = text(&one(&host, "pid").unwrap());
    let since = Instant::now();
    drop(host);
    assert!(!running(&process));
    assert!(since.elapsed() < Duration::from_secs(2));
}

#[test]
fn users_of_a_pool_do_not_meet() {
    let host = pool(1);
    let first = text(&one(&host, "pid").unwrap());
    let other = host.for_another();
    // What is free serves anybody.
    assert_eq!(text(&one(&other, "pid").unwrap()), first);
    let mut open = host.open(&map("hang", 0), vec![]).unwrap();
    open.push(batch(["a"])).unwrap();
    let elsewhere = text(&one(&other, "pid").unwrap());
    assert_ne!(elsewhere, first);
    // By then its worker has said that it let go of the chain.
    std::thread::sleep(Duration::from_millis(100));
    other.kill_busy();
    assert!(running(&first));
    host.kill_busy();
    assert!(matches!(open.pull(), Err(HostError::Died(_))));
    assert_eq!(text(&one(&other, "pid").unwrap()), elsewhere);
}

/// A run with a side input: its process, where it lies there, and the files that are mapped.
fn place(host: &WorkersHost, side: &RecordBatch) -> (String, String, Vec<String>) {
    let mut open = host.open(&map("where", 1), vec![side.clone()]).unwrap();
    open.push(batch(["a"])).unwrap();
    let told = text(&open.pull().unwrap());
    let mut words = told.split(' ').map(str::to_owned).filter(|word| !word.is_empty());
    (words.next().unwrap(), words.next().unwrap(), words.collect())
}

#[cfg(target_os = "linux")]
#[test]
fn a_side_input_is_sent_once_and_a_large_one_is_mapped_by_all() {
    let host = pool(2);
    let large = || batch(["x".repeat(1000).as_str(); 3000]);
    let first = place(&host, &large());
    assert_eq!(first.2.len(), 1);
    // Equal records that lie elsewhere here are what it has.
    assert_eq!(place(&host, &large()), first);
    // Another process maps the same file.
    let busy = host.open(&map("same", 0), vec![]).unwrap();
    let other = place(&host.for_another(), &large());
    assert_ne!(other.0, first.0);
    assert_eq!(other.2, first.2);
    drop(busy);
    // Small ones are sent as they are, once too.
    let small = || batch(["small"]);
    let sent = place(&host, &small());
    assert_eq!(place(&host, &small()), sent);
    // One that differs is another one.
    assert_ne!(place(&host, &batch(["y".repeat(1000).as_str(); 3000])).2, first.2);
}

#[cfg(target_os = "linux")]
#[test]
fn ten_thousand_chains_leave_nothing() {
    let used = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let memory = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
        let kilobytes: usize = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes
    };
    let host = pool(1);
    let run = |count: usize| {
        for number in 0..count {
            let sides = if number % 3 == 0 { vec![batch(["s", "t"])] } else { vec![] };
            let name = ["side", "same", "fail"][number % 3];
            let mut open = host.for_task("one of many").open(&map(name, sides.len()), sides).unwrap();
            open.push(batch(["a"])).unwrap();
            assert_eq!(open.pull().is_ok(), name != "fail");
            if number % 2 == 0 && name != "fail" {
                open.finish().unwrap();
            }
        }
    };
    run(1000);
    let before = used();
    run(10_000);
    assert!(used() < before + (8 << 10), "{} KB, before {before}", used());
}

#[cfg(target_os = "linux")]
#[test]
fn large_batches_go_through_memory_without_a_name() {
    let shared = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        files
            .filter_map(|file| file.path().read_link().ok())
            .filter(|to| to.to_string_lossy().contains("memfd:nestflow"))
            .count()
    };
    let host = pool(1);
    let mut open = host.open(&map("same", 0), vec![]).unwrap();
    let sent = batch(["x".repeat(100_000).as_str()]);
    wait_for("nothing was shared", || {
        open.push(sent.clone()).unwrap();
        assert_eq!(open.pull().unwrap(), sent);
        shared() > 0
    });
}
