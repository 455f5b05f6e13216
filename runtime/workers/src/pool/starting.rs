//! The thread that starts workers and the spawner: one of its own, since the kernel ends a process with the
//! thread that started it.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Pool, lock};
use crate::options::Options;
use crate::spawner::Spawner;
use crate::worker::Worker;

/// How often idle and stuck workers are looked for.
const TICK: Duration = Duration::from_millis(500);
pub(super) type Started = io::Result<Arc<Worker>>;

/// What the thread that starts workers is asked for; it does one after the other.
pub(super) enum Request {
    /// A worker.
    Worker(Sender<Started>),
    /// Workers for whoever will need one, until there are so many.
    Early(usize),
    /// An answer, once all that was asked for before is done.
    Answer(Sender<()>),
}

/// Lives as long as the pool.
pub(super) fn start_and_tidy(pool: &Weak<Pool>, options: &Options, requests: &Receiver<Request>) {
    let mut spawner: Option<Arc<Spawner>> = None;
    loop {
        match requests.recv_timeout(TICK) {
            Ok(Request::Worker(reply)) => {
                let started = start(options, &mut spawner);
                // Who asked for it is still waiting.
                let _ = reply.send(started);
            }
            Ok(Request::Early(count)) => {
                let Some(pool) = pool.upgrade() else { return };
                while pool.count() < count {
                    // Whoever needs one will ask for it, and is told what is wrong.
                    let Ok(started) = start(options, &mut spawner) else { break };
                    lock(&pool.workers).push(started);
                }
            }
            Ok(Request::Answer(reply)) => drop(reply.send(())),
            Err(RecvTimeoutError::Timeout) => {
                // The next worker needs another one.
                drop(spawner.take_if(|known| known.is_gone()));
                match pool.upgrade() {
                    Some(pool) => pool.tidy(),
                    None => return,
                }
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A new worker, by a spawner where the program is one: the first starts it.
fn start(options: &Options, spawner: &mut Option<Arc<Spawner>>) -> Started {
    if cfg!(not(target_os = "linux")) || !options.spawns {
        return Worker::start(options.command(), None, &options.output);
    }
    if let Some(known) = spawner.take() {
        match Worker::start(options.command(), Some(&known), &options.output) {
            // Its workers go with it.
            Err(_) if known.is_over() => known.kill(),
            started => {
                *spawner = Some(known);
                return started;
            }
        }
    }
    let new = Arc::new(Spawner::start(options.command(), &options.output)?);
    match Worker::start(options.command(), Some(&new), &options.output) {
        Err(_) if new.is_over() => Err(io::Error::other(new.obituary())),
        started => {
            *spawner = Some(new);
            started
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::spawner::tests::{answering, fake};

    #[test]
    fn one_that_does_not_answer_is_ended_and_another_one_is_tried() {
        let (fake, _talk) = fake();
        let fake = Arc::new(fake);
        let mut spawner = Some(fake.clone());
        let options = Options { spawns: true, ..Options::new("/no/such/program", Vec::new()) };
        let Err(error) = start(&options, &mut spawner) else { panic!("started") };
        assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
        assert!(spawner.is_none() && fake.is_over());
        let until = std::time::Instant::now() + Duration::from_secs(10);
        while !fake.is_gone() {
            assert!(std::time::Instant::now() < until, "it is still there");
        }
    }

    #[test]
    fn a_spawner_that_cannot_fork_now_stays() {
        let (fake, talk) = fake();
        let fake = Arc::new(fake);
        let mut spawner = Some(fake.clone());
        let answers = answering(talk, &[-libc::EAGAIN]);
        let options = Options { spawns: true, ..Options::new("/no/such/program", Vec::new()) };
        let Err(error) = start(&options, &mut spawner) else { panic!("started") };
        answers.join().unwrap();
        assert!(
            error.to_string().starts_with("a worker could not be forked: Resource temporarily"),
            "{error}"
        );
        assert!(spawner.is_some_and(|kept| Arc::ptr_eq(&kept, &fake) && !kept.is_over()));
    }
}
