//! The process that forks workers: it has imported once what all of them need, and has one thread, so that a
//! fork of it is a worker after milliseconds. To fork this process, which has many, would not be safe.
//!
//! It is asked over its standard input, one thing after the other: a byte, a process number, and with `F` two
//! files. The answer is a number: the process that was forked (or an error of the system's, negative), or the
//! status with which one ended, or that it has not. Nothing is waited for before we ask, so that until then the
//! number of a process is its own. Workers end with the spawner, and it ends with the thread that started it.
#![allow(unsafe_code)]

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::ptr;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::output::{Output, Tail, Task};
use crate::process::ended;

/// The argument that makes a program for workers a spawner.
pub(crate) const SPAWN: &str = "spawn";
/// Its requests.
const FORK: u8 = b'F';
const WAIT: u8 = b'W';
/// The answer of a spawner that has more than one thread and will not fork.
const THREADS: i32 = i32::MIN;
/// The answer about a process that has not ended yet; no status is negative.
const RUNNING: i32 = -1;
/// So long it is left alone before it is asked again about such a process: at first, and later.
const LOOK: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));
/// What it printed last arrives within this, once it has closed its end of the connection.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// An interpreter starts within this even from a slow disk.
const PATIENCE: Duration = Duration::from_secs(60);

/// A spawner; the process ends when this is dropped.
pub(crate) struct Spawner {
    child: Mutex<Child>,
    /// Nothing once something has gone wrong there.
    talk: Mutex<Option<UnixStream>>,
    tail: Tail,
    /// Ends when nobody can print any more.
    silent: Mutex<Receiver<()>>,
}

impl Spawner {
    /// Starts it, with our own number as last argument; does not wait until it is ready.
    pub(crate) fn start(mut command: Command, output: &Output) -> io::Result<Spawner> {
        let (ours, theirs) = UnixStream::pair()?;
        let (printed, out) = io::pipe()?;
        command.arg(SPAWN).arg(std::process::id().to_string());
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        command.stdout(out.try_clone()?).stderr(out);
        command.process_group(0);
        let child = command.spawn()?;
        drop(command);
        // Whatever it waits for, who wants a worker does not wait for ever.
        ours.set_read_timeout(Some(PATIENCE))?;
        let process = child.id();
        let (tail, output) = (Tail::default(), output.clone());
        let (silence, silent) = channel();
        let forwarding = tail.clone();
        thread::Builder::new().name("nestflow-output".into()).spawn(move || {
            forwarding.forward(printed, &output, process, &Task::default());
            drop(silence);
        })?;
        let child = Mutex::new(child);
        Ok(Spawner { child, talk: Mutex::new(Some(ours)), tail, silent: Mutex::new(silent) })
    }

    /// Whether it cannot be asked any more: somebody has ended or stopped it.
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.talk).is_none()
    }

    /// How it ended and what it printed last: for the message about one that was of no use.
    pub(crate) fn obituary(&self) -> String {
        let _ = lock(&self.silent).recv_timeout(LAST_WORDS);
        self.kill();
        let mut child = lock(&self.child);
        let how = child.wait().map_or_else(|error| error.to_string(), ended);
        format!("the process {} that forks workers {how}; it printed last:{}", child.id(), self.tail.text())
    }

    /// Whether it has ended; the system keeps its number until somebody asks.
    pub(crate) fn is_gone(&self) -> bool {
        !matches!(lock(&self.child).try_wait(), Ok(None))
    }

    /// Ends it, and with it its workers.
    pub(crate) fn kill(&self) {
        let _ = lock(&self.child).kill();
    }

    /// A new worker with these as its standard input and its two outputs; `None`: the spawner never can.
    pub(crate) fn fork(&self, input: BorrowedFd<'_>, output: BorrowedFd<'_>) -> io::Result<Option<u32>> {
        let answer = self.ask(FORK, 0, &[input.as_raw_fd(), output.as_raw_fd()])?;
        match u32::try_from(answer) {
            Ok(process) => Ok(Some(process)),
            Err(_) if answer == THREADS => Ok(None),
            Err(_) => {
                let why = io::Error::from_raw_os_error(-answer);
                Err(io::Error::other(format!("a worker could not be forked: {why}")))
            }
        }
    }

    /// Waits for the end of a worker that was killed, or has ended. Meanwhile others can ask for something.
    pub(crate) fn wait(&self, process: u32) -> io::Result<ExitStatus> {
        let (mut pause, longest) = LOOK;
        let until = Instant::now() + PATIENCE;
        loop {
            match self.ask(WAIT, process, &[])? {
                RUNNING if Instant::now() >= until => return Err(io::ErrorKind::TimedOut.into()),
                RUNNING => thread::park_timeout(pause),
                status => return Ok(ExitStatus::from_raw(status)),
            }
            pause = (pause * 2).min(longest);
        }
    }

    fn ask(&self, what: u8, process: u32, files: &[RawFd]) -> io::Result<i32> {
        let mut talk = lock(&self.talk);
        let stream = talk.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut request = [what, 0, 0, 0, 0];
        request[1..].copy_from_slice(&process.to_le_bytes());
        let answered = exchange(stream, &mut request, files);
        if answered.is_err() {
            // An answer that comes yet would be taken for that to the next question.
            let _ = stream.shutdown(Shutdown::Both);
            *talk = None;
        }
        answered
    }
}

fn exchange(stream: &mut UnixStream, request: &mut [u8], files: &[RawFd]) -> io::Result<i32> {
    if files.is_empty() {
        stream.write_all(request)?;
    } else {
        send_with(stream, request, files)?;
    }
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    Ok(i32::from_le_bytes(answer))
}

/// Connections and processes are whole whatever happened to a thread that held a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Spawner {
    fn drop(&mut self) {
        // It has nothing to put in order, and its last worker is gone.
        self.kill();
        let _ = lock(&self.child).wait();
    }
}

/// Ends a process that nobody has waited for.
pub(crate) fn kill(process: u32) {
    // SAFETY: a plain call; the number is that of a process that cannot have been given to another.
    unsafe { libc::kill(process.cast_signed(), libc::SIGKILL) };
}

/// Sends a few bytes, and files with them.
fn send_with(stream: &UnixStream, bytes: &mut [u8], files: &[RawFd]) -> io::Result<()> {
    let length = size_of_val(files);
    // Words, so that the header in it lies where it has to; room for eight files.
    let mut control = [0_u64; 8];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: a struct of numbers and pointers, for which zeros are a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: arithmetic on a number.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(length as u32) } as _;
    // SAFETY: `control` is large enough for one header and two files, and all that `message` points to outlives
    // the call.
    let sent = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(length as u32) as _;
        ptr::copy_nonoverlapping(files.as_ptr().cast::<u8>(), libc::CMSG_DATA(header), length);
        libc::sendmsg(stream.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    match usize::try_from(sent) {
        Ok(sent) if sent == bytes.len() => Ok(()),
        Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A spawner that waits 100 ms for an answer, and its other end.
    pub(crate) fn fake() -> (Spawner, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        let spawner = Spawner {
            child: Mutex::new(child),
            talk: Mutex::new(Some(ours)),
            tail: Tail::default(),
            silent: Mutex::new(channel().1),
        };
        (spawner, theirs)
    }

    /// Gives these answers, one after each question.
    pub(crate) fn answering(mut talk: UnixStream, answers: &'static [i32]) -> thread::JoinHandle<UnixStream> {
        thread::spawn(move || {
            for answer in answers {
                talk.read_exact(&mut [0; 5]).unwrap();
                talk.write_all(&answer.to_le_bytes()).unwrap();
            }
            talk
        })
    }

    #[test]
    fn a_process_that_has_not_ended_is_asked_about_again() {
        let (spawner, talk) = fake();
        let answers = answering(talk, &[RUNNING, RUNNING, RUNNING, 9]);
        assert_eq!(spawner.wait(7).unwrap().signal(), Some(9));
        answers.join().unwrap();
        assert!(!spawner.is_over());
    }

    #[test]
    fn an_answer_that_comes_too_late_is_nobody_s() {
        let (spawner, mut talk) = fake();
        assert!(!spawner.is_over());
        let late = spawner.wait(7).unwrap_err();
        assert!(matches!(late.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{late}");
        assert!(spawner.is_over());
        // It is told so, and nobody listens to it any more.
        assert_eq!(talk.read_to_end(&mut Vec::new()).unwrap(), 5);
        assert!(talk.write_all(&9_i32.to_le_bytes()).is_err());
        assert_eq!(spawner.wait(8).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
