//! One worker process as the pool sees it: what is sent to it, and a thread that hands its answers
//! to the chains that wait for them.

mod load;

use std::collections::HashMap;
use std::io::{self, PipeReader};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use nestflow_chain::{Counts, HostError};

use crate::kept::Kept;
use crate::message::{self, Failure, FromWorker, ToWorker, VERSION};
use crate::output::{Output, Tail, Task};
use crate::process::ended;
use crate::shared::{Inbox, Outbox, can_share};
use crate::ship::{Packed, Parcel};
use crate::spawner::{self, Spawner};

/// So long a process may take to end once it has closed its socket: what it printed last arrives
/// until then, unless a process of its own keeps the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// And so long if it was asked to end, for its own good order.
const GOOD_ORDER: Duration = Duration::from_secs(5);
/// A worker that does nothing answers much sooner.
const PATIENCE: Duration = Duration::from_millis(40);

/// How a process ends in good order.
const GOOD_END: &str = "ended with exit code 0";

/// An answer to a chain.
pub(crate) enum Reply {
    /// A result, the time that it took, whether it is only a part, and what was counted for it.
    Pulled(Parcel, Duration, (bool, bool), Counts),
    Finished(Option<Parcel>, Counts),
    Failed(Failure),
}

/// A chain as its worker knows it.
struct Route {
    replies: Sender<Reply>,
    opened_by: ThreadId,
    user: u64,
    /// Since when nobody waits for it any more.
    closing: Option<Instant>,
    /// Its side inputs: the process opens the files of those that it maps, and says at the end that it has.
    _sides: Vec<Arc<Packed>>,
}

/// Who can end a process, and learns how it ended.
enum Life {
    /// We have started it.
    Child(Child),
    /// A spawner has.
    Forked(Arc<Spawner>),
    /// Nobody: it was waited for.
    Over,
}

/// A process, alive or dead.
pub(crate) struct Worker {
    pub(crate) process: u32,
    life: Mutex<Life>,
    sending: Mutex<(UnixStream, Outbox)>,
    /// The side inputs that it has kept.
    sent: Mutex<Kept<()>>,
    /// Whether it has said that it is there.
    there: AtomicBool,
    /// Whether it can open our files.
    shares: Arc<AtomicBool>,
    next: AtomicU32,
    routes: Mutex<HashMap<u32, Route>>,
    /// Told when the process is there, when a chain is forgotten and when the process has ended.
    changed: Condvar,
    /// Since when no chain is open.
    idle: Mutex<Instant>,
    tail: Tail,
    /// Whose lines it prints.
    task: Task,
    /// Whether it was told to end.
    doomed: AtomicBool,
    /// How it ended.
    gone: OnceLock<String>,
    /// What went wrong at its end.
    farewell: OnceLock<Failure>,
}

/// The data behind these locks is whole whatever happened to a thread that held one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    /// A process whose standard input is the socket, forked by the spawner where there is one. A program that
    /// is started has our own number as last argument.
    pub(crate) fn start(
        mut command: Command,
        spawner: Option<&Arc<Spawner>>,
        output: &Output,
    ) -> io::Result<Arc<Worker>> {
        let (ours, theirs) = UnixStream::pair()?;
        let (printed, out) = io::pipe()?;
        if let Some(spawner) = spawner
            && let Some(process) = spawner.fork(theirs.as_fd(), out.as_fd())?
        {
            drop((theirs, out));
            return Worker::watched(process, Life::Forked(spawner.clone()), ours, printed, output);
        }
        command.arg(std::process::id().to_string());
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(out.try_clone()?).stderr(out);
        // An interrupt from the keyboard is for us, who decide what becomes of the workers.
        command.process_group(0);
        let child = command.spawn()?;
        // Our copies of its ends of socket and pipe.
        drop(command);
        Worker::watched(child.id(), Life::Child(child), ours, printed, output)
    }

    /// A process that has begun, and the threads that hear what it says and prints.
    fn watched(
        process: u32,
        life: Life,
        ours: UnixStream,
        printed: PipeReader,
        output: &Output,
    ) -> io::Result<Arc<Worker>> {
        let shares = Arc::new(AtomicBool::new(false));
        let worker = Arc::new(Worker {
            process,
            life: Mutex::new(life),
            sending: Mutex::new((ours.try_clone()?, Outbox::new(shares.clone()))),
            sent: Mutex::default(),
            there: AtomicBool::new(false),
            shares,
            next: AtomicU32::new(0),
            routes: Mutex::new(HashMap::new()),
            changed: Condvar::new(),
            idle: Mutex::new(Instant::now()),
            tail: Tail::default(),
            task: Task::default(),
            doomed: AtomicBool::new(false),
            gone: OnceLock::new(),
            farewell: OnceLock::new(),
        });
        let (tail, output, task) = (worker.tail.clone(), output.clone(), worker.task.clone());
        let (silence, silent) = channel();
        thread::Builder::new().name("nestflow-output".into()).spawn(move || {
            tail.forward(printed, &output, process, &task);
            drop(silence);
        })?;
        let reader = worker.clone();
        thread::Builder::new()
            .name("nestflow-worker".into())
            .spawn(move || reader.read_all(ours, &silent))?;
        Ok(worker)
    }

    /// Registers a chain and sends what opens it.
    pub(crate) fn open(
        &self,
        (user, task): (u64, &Arc<str>),
        program: &[u8],
        sides: Vec<(u64, Arc<Packed>)>,
    ) -> io::Result<(u32, Receiver<Reply>)> {
        let chain = self.next.fetch_add(1, Ordering::Relaxed);
        let (replies, receiver) = channel();
        let kept = sides.iter().map(|(_, side)| side.clone()).collect();
        let route = Route { replies, opened_by: thread::current().id(), user, closing: None, _sides: kept };
        lock(&self.routes).insert(chain, route);
        if sides.iter().any(|(number, side)| side.is_mapped() && lock(&self.sent).get(*number).is_none()) {
            self.wait_until_there();
        }
        let mut sending = lock(&self.sending);
        let (stream, outbox) = &mut *sending;
        *lock(&self.task) = task.clone();
        message::write(stream, &ToWorker::Open { chain, sides: sides.len() as u32 }, program)?;
        let mut sent = lock(&self.sent);
        for (number, side) in sides {
            let bytes = side.bytes();
            let head = |batch| ToWorker::Side { chain, number, bytes: bytes as u64, batch };
            if sent.get(number).is_some() {
                message::write(stream, &head(None), &[])?;
            } else {
                side.send(stream, outbox, |batch| head(Some(batch)))?;
                sent.put(number, bytes, ());
            }
        }
        Ok((chain, receiver))
    }

    /// Sends a batch.
    pub(crate) fn push(&self, chain: u32, batch: Packed) -> io::Result<()> {
        let mut sending = lock(&self.sending);
        let (stream, outbox) = &mut *sending;
        batch.send(stream, outbox, |batch| ToWorker::Push { chain, batch })
    }

    /// Asks for the next part of a result.
    pub(crate) fn more(&self, chain: u32) -> io::Result<()> {
        self.say(&ToWorker::More { chain })
    }

    /// Asks for the end of a program.
    pub(crate) fn finish(&self, chain: u32) -> io::Result<()> {
        self.say(&ToWorker::Finish { chain })
    }

    /// Nobody waits for the chain any more. Does not wait for the worker.
    pub(crate) fn close(&self, chain: u32) {
        if let Some(route) = lock(&self.routes).get_mut(&chain) {
            route.closing = Some(Instant::now());
        }
        // If the worker is gone, so is the chain.
        let _ = self.say(&ToWorker::Close { chain });
    }

    /// Asks the process to end in good order.
    pub(crate) fn exit(&self) {
        self.doomed.store(true, Ordering::Release);
        let _ = self.say(&ToWorker::Exit);
    }

    /// Ends the process.
    pub(crate) fn kill(&self) {
        self.doomed.store(true, Ordering::Release);
        match &mut *lock(&self.life) {
            Life::Child(child) => drop(child.kill()),
            Life::Forked(_) => spawner::kill(self.process),
            Life::Over => {}
        }
    }

    fn say(&self, message: &ToWorker) -> io::Result<()> {
        message::write(&mut lock(&self.sending).0, message, &[])
    }

    /// Waits until it has said that it is there, or has ended: before that nobody knows what it can open.
    fn wait_until_there(&self) {
        let starting = |_: &mut _| self.alive() && !self.there.load(Ordering::Acquire);
        drop(self.changed.wait_while(lock(&self.routes), starting));
    }

    /// Whether the process has not ended.
    pub(crate) fn alive(&self) -> bool {
        self.gone.get().is_none()
    }

    /// Whether it can have another chain.
    pub(crate) fn usable(&self) -> bool {
        self.alive() && !self.doomed.load(Ordering::Acquire)
    }

    /// Whether it has let go of all chains that were dropped; waits a little for the answers.
    pub(crate) fn settled(&self) -> bool {
        let dropped = |routes: &mut HashMap<u32, Route>| routes.values().any(|route| route.closing.is_some());
        self.wait_while(PATIENCE, dropped)
    }

    /// Waits for the end of a process that is about to; whether it came.
    pub(crate) fn wait_for_end(&self, within: Duration) -> bool {
        self.wait_while(within, |_| self.alive())
    }

    /// Whether it became false in time.
    fn wait_while(&self, within: Duration, condition: impl FnMut(&mut HashMap<u32, Route>) -> bool) -> bool {
        let waited = self.changed.wait_timeout_while(lock(&self.routes), within, condition);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// How it ended and what it printed last.
    pub(crate) fn obituary(&self) -> (String, String) {
        self.wait_for_end(GOOD_ORDER * 2);
        let how = self.gone.get().cloned().unwrap_or_else(|| "cannot be reached".to_owned());
        (how, self.tail.text())
    }

    /// What went wrong at its end, once it has ended.
    pub(crate) fn farewell(&self) -> Option<HostError> {
        if let Some(failure) = self.farewell.get() {
            return Some(failure.clone().into());
        }
        let how = self.gone.get().filter(|how| *how != GOOD_END)?;
        Some(HostError::Died(format!("worker process {} {how} at its end", self.process)))
    }

    fn read_all(&self, mut stream: UnixStream, silent: &Receiver<()>) {
        let mut inbox = Inbox::new(self.process);
        let mut wrong = None;
        loop {
            match message::read::<FromWorker>(&mut stream) {
                Ok(Some((message, payload))) => {
                    if let Err(error) = self.hand_over(message, payload, &mut inbox) {
                        wrong = Some(error);
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    wrong = Some(error);
                    break;
                }
            }
        }
        let status = self.reap(wrong.is_some(), silent);
        let how = match (wrong, status) {
            (Some(error), _) if error.kind() == io::ErrorKind::Other => format!("sent nonsense: {error}"),
            (_, Some(status)) => ended(status),
            (_, None) => "ended".to_owned(),
        };
        let mut routes = lock(&self.routes);
        let _ = self.gone.set(how);
        // Whoever waits for an answer sees that none will come.
        routes.clear();
        self.changed.notify_all();
    }

    /// Takes a message.
    pub(crate) fn hand_over(
        &self,
        message: FromWorker,
        payload: Vec<u8>,
        inbox: &mut Inbox,
    ) -> io::Result<()> {
        let (chain, reply) = match message {
            FromWorker::Hello { version: VERSION } => {
                self.shares.store(can_share(self.process), Ordering::Relaxed);
                self.there.store(true, Ordering::Release);
                // Whoever was about to wait does by now.
                drop(lock(&self.routes));
                self.changed.notify_all();
                return Ok(());
            }
            FromWorker::Hello { version } => {
                return Err(io::Error::other(format!(
                    "speaks version {version}, not {VERSION}: another build"
                )));
            }
            FromWorker::Pulled { chain, batch, nanos, more, enough, counts } => {
                let parcel = Parcel::receive(batch, payload, inbox)?;
                (chain, Reply::Pulled(parcel, Duration::from_nanos(nanos), (more, enough), counts))
            }
            FromWorker::Finished { chain, batch: Some(batch), counts } => {
                (chain, Reply::Finished(Some(Parcel::receive(batch, payload, inbox)?), counts))
            }
            FromWorker::Finished { chain, batch: None, counts } => (chain, Reply::Finished(None, counts)),
            FromWorker::Failed { chain, failure } => (chain, Reply::Failed(failure)),
            FromWorker::Bye { failure } => {
                let _ = self.farewell.set(failure);
                return Ok(());
            }
            FromWorker::Closed { chain } => {
                let mut routes = lock(&self.routes);
                if routes.get(&chain).is_some_and(|route| route.closing.is_none()) {
                    // Whoever waits for it learns so at once.
                    return Err(io::Error::other("closed a chain that is in use"));
                }
                routes.remove(&chain);
                *lock(&self.idle) = Instant::now();
                self.changed.notify_all();
                return Ok(());
            }
        };
        if let Some(route) = lock(&self.routes).get(&chain) {
            // A chain that was dropped does not listen.
            let _ = route.replies.send(reply);
        }
        Ok(())
    }

    /// Waits for the end of a process that has closed its socket, or broken the protocol; `silent`
    /// ends when nobody can print any more.
    fn reap(&self, wrong: bool, silent: &Receiver<()>) -> Option<ExitStatus> {
        if wrong {
            self.kill();
        }
        // Nobody gets it any more.
        let asked = self.doomed.swap(true, Ordering::AcqRel);
        let _ = silent.recv_timeout(if asked { GOOD_ORDER } else { LAST_WORDS });
        // Usually it has ended by now, and this finds nobody.
        self.kill();
        // From here on the number may become another process's.
        let life = std::mem::replace(&mut *lock(&self.life), Life::Over);
        match life {
            Life::Child(mut child) => child.wait().ok(),
            Life::Forked(spawner) => spawner.wait(self.process).ok(),
            Life::Over => None,
        }
    }
}
