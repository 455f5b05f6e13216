//! One worker process: how it starts, and what is known of it when it has died.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nestflow_chain::HostError;
use nestflow_chain::wire::{FromWorker, WORKER_VERSION};
use tempfile::TempDir;

use crate::link::{Alive, LinkError, Receiver, Sender};

/// How often a waiting engine looks whether the process is still there.
const LOOK: Duration = Duration::from_millis(250);
/// How long a process whose connection has ended may take to end too.
const PATIENCE: Duration = Duration::from_secs(2);
/// The file in a worker's folder that takes what it writes when it crashes.
const LAST_WORDS: &str = "crash";
/// The last lines of it that are shown.
const LINES: usize = 20;

/// How workers are started.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The command: it is given the worker's folder as its last argument, its socket as standard
    /// input, and has to end up in [`crate::serve()`].
    pub command: Vec<String>,
    /// Variables that it finds in its environment unless they are set.
    pub variables: Vec<(String, String)>,
    /// Workers that are kept.
    pub count: usize,
    /// Where folders are made if the system has no place in memory for them.
    pub scratch: PathBuf,
}

/// The process, shared with those who may kill it.
#[derive(Clone)]
pub(crate) struct Process(Arc<Mutex<Child>>);

/// A process and the connection to it.
pub(crate) struct Worker {
    pub(crate) process: Process,
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    folder: TempDir,
}

impl Process {
    fn child(&self) -> MutexGuard<'_, Child> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn ended(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// Ends it now.
    pub(crate) fn kill(&self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Waits for its end, and ends it where that takes too long.
    pub(crate) fn bury(&self, patience: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            thread::park_timeout(Duration::from_millis(3));
        }
        self.kill();
        self.ended()
    }
}

impl Worker {
    /// Starts a process; it is not yet there when this returns.
    pub(crate) fn start(settings: &Settings) -> Result<Worker, HostError> {
        let cannot = |error: std::io::Error| {
            HostError::Internal(format!("cannot start a worker process with {:?}: {error}", settings.command))
        };
        let folder = folder(settings).map_err(cannot)?;
        // Only these two processes ever have an end of it: no name, no listening, no handshake.
        let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
        ours.set_read_timeout(Some(LOOK)).and_then(|()| ours.set_write_timeout(Some(LOOK))).map_err(cannot)?;
        let reading = ours.try_clone().map_err(cannot)?;
        let (program, arguments) = settings.command.split_first().ok_or_else(|| {
            HostError::Internal("no command to start worker processes with".to_owned())
        })?;
        let mut command = Command::new(program);
        command.args(arguments).arg(folder.path()).stdin(Stdio::from(OwnedFd::from(theirs)));
        // An interrupt at the terminal is for the engine, which decides about its workers.
        command.process_group(0);
        for (name, value) in &settings.variables {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        let process = Process(Arc::new(Mutex::new(command.spawn().map_err(cannot)?)));
        let path = folder.path().to_owned();
        Ok(Worker {
            sender: Sender::new(ours, path.clone(), 0, alive(&process)),
            receiver: Receiver::new(reading, path, alive(&process)),
            process,
            folder,
        })
    }

    /// Waits until it can work.
    pub(crate) fn ready(&mut self) -> Result<(), HostError> {
        match self.receiver.receive() {
            Ok(FromWorker::Ready { version: WORKER_VERSION }) => Ok(()),
            Ok(other) => Err(HostError::Internal(format!("a worker process of another build: {other:?}"))),
            Err(error) => {
                let end = self.end_of_connection(error);
                Err(HostError::Internal(format!("a worker process could not start: {end}")))
            }
        }
    }

    /// What became of a process whose connection has ended.
    pub(crate) fn end_of_connection(&self, error: LinkError) -> String {
        if let LinkError::Bad(reason) = error {
            self.process.kill();
            return reason;
        }
        let ended = self.process.bury(PATIENCE).map_or_else(|| "unknown end".to_owned(), told);
        match self.last_words() {
            Some(words) => format!("{ended}\n{words}"),
            None => ended,
        }
    }

    fn last_words(&self) -> Option<String> {
        let text = fs::read(self.folder.path().join(LAST_WORDS)).ok()?;
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().take(LINES).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// Closes the connection, which ends the process before long.
    pub(crate) fn dismiss(self) -> Process {
        self.process
    }
}

fn alive(process: &Process) -> Alive {
    let process = process.clone();
    Box::new(move || process.ended().is_none())
}

fn folder(settings: &Settings) -> std::io::Result<TempDir> {
    let new = |place: &std::path::Path| tempfile::Builder::new().prefix("nestflow-worker-").tempdir_in(place);
    new("/dev/shm".as_ref()).or_else(|_| new(&settings.scratch))
}

/// An exit status, for people.
fn told(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        return status.code().map_or_else(|| "it ended".to_owned(), |code| format!("exit code {code}"));
    };
    let name = match signal {
        libc::SIGSEGV => "SIGSEGV, a crash in compiled code",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGKILL => "SIGKILL: somebody killed it, or the system was out of memory",
        libc::SIGTERM => "SIGTERM: somebody ended it",
        _ => "",
    };
    format!("signal {signal} ({name})").replace(" ()", "")
}
