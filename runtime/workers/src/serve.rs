//! The worker's own loop: messages in, a host at work, messages out.
//!
//! One thread reads all the time, so that the pool can never block on writing; the caller's thread
//! works, chain by chain in the order of the messages. When the pool is gone the process ends, even
//! in the middle of a user function. Which host works here is the caller's business.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use arrow_array::RecordBatch;
use nestflow_chain::wire::decode_chain;
use nestflow_chain::{ChainSpec, Host, HostError, OpenChain};

use crate::kept::Kept;
use crate::message::{self, FromWorker, ToWorker, VERSION};
use crate::process::{end_process, keep_memory, thread_time};
use crate::shared::{Inbox, Outbox, can_share};
use crate::ship::{Packed, Parcel};

/// So long the process may go on after the pool is gone, to end in good order.
const GRACE: Duration = Duration::from_secs(2);

/// What the reading thread hands over.
enum Work {
    Open(u32, Vec<u8>, u32),
    Side(u32, (u64, usize), Option<Parcel>),
    Push(u32, Parcel),
    More(u32),
    Finish(u32),
    Close(u32),
    Exit,
}

/// A chain in this worker.
enum Chain {
    /// Waits for its open sides.
    Opening(Box<ChainSpec>, Vec<RecordBatch>, u32),
    /// Open, with what was pushed while a result is given in parts.
    Open(Box<dyn OpenChain>, VecDeque<Parcel>),
    /// Failed, and said so.
    Failed,
}

/// Works until the pool says that it is enough, or is gone. `owner` is the process of the pool.
pub fn serve(stream: UnixStream, owner: u32, host: &dyn Host) -> io::Result<()> {
    keep_memory();
    let (sender, work) = channel();
    let reading = stream.try_clone()?;
    let inbox = Inbox::new(owner);
    // Dropped when this function returns: then the process ends in good order.
    let (_serving, served) = channel::<()>();
    std::thread::Builder::new().name("nestflow-reader".into()).spawn(move || {
        let ended = read_all(reading, inbox, &sender);
        let _ = sender.send(Work::Exit);
        if !matches!(ended, Ok(true)) && served.recv_timeout(GRACE) == Err(RecvTimeoutError::Timeout) {
            // The pool is gone: nobody waits for what a user function still does.
            end_process();
        }
    })?;
    let mut server = Server::new(stream, owner, host);
    message::write(&mut server.stream, &FromWorker::Hello { version: VERSION }, &[])?;
    server.work(&work)?;
    if let Err(error) = host.end(&mut || true) {
        // Where nobody is left to hear it, the process has said it on its standard error.
        let _ = server.say(&FromWorker::Bye { failure: error.into() });
    }
    Ok(())
}

/// Whether the pool said `Exit`, rather than that the stream just ended.
fn read_all(mut stream: UnixStream, mut inbox: Inbox, work: &Sender<Work>) -> io::Result<bool> {
    while let Some((message, payload)) = message::read::<ToWorker>(&mut stream)? {
        let next = match message {
            ToWorker::Open { chain, sides } => Work::Open(chain, payload, sides),
            ToWorker::Side { chain, number, bytes, batch } => {
                let batch = batch.map(|batch| Parcel::receive(batch, payload, &mut inbox)).transpose()?;
                Work::Side(chain, (number, bytes as usize), batch)
            }
            ToWorker::Push { chain, batch } => {
                Work::Push(chain, Parcel::receive(batch, payload, &mut inbox)?)
            }
            ToWorker::More { chain } => Work::More(chain),
            ToWorker::Finish { chain } => Work::Finish(chain),
            ToWorker::Close { chain } => Work::Close(chain),
            ToWorker::Exit => return Ok(true),
        };
        if work.send(next).is_err() {
            return Ok(true);
        }
    }
    Ok(false)
}

struct Server<'h> {
    stream: UnixStream,
    outbox: Outbox,
    host: &'h dyn Host,
    chains: HashMap<u32, Chain>,
    /// Side inputs that later chains may have too.
    sides: Kept<RecordBatch>,
}

impl<'h> Server<'h> {
    fn new(stream: UnixStream, owner: u32, host: &'h dyn Host) -> Server<'h> {
        let outbox = Outbox::new(Arc::new(can_share(owner).into()));
        Server { stream, outbox, host, chains: HashMap::new(), sides: Kept::default() }
    }

    fn work(&mut self, work: &Receiver<Work>) -> io::Result<()> {
        for next in work {
            let (chain, done) = match next {
                Work::Open(chain, program, sides) => (chain, self.open(chain, &program, sides)),
                Work::Side(chain, known, batch) => (chain, self.side(chain, known, batch)),
                Work::Push(chain, batch) => (chain, self.push(chain, batch)),
                Work::More(chain) => (chain, self.more(chain)),
                Work::Finish(chain) => (chain, self.finish(chain)),
                Work::Close(chain) => {
                    self.chains.remove(&chain);
                    self.say(&FromWorker::Closed { chain })?;
                    continue;
                }
                Work::Exit => break,
            };
            match done {
                Ok(()) => {}
                Err(Stop::Host(error)) => {
                    self.chains.insert(chain, Chain::Failed);
                    self.say(&FromWorker::Failed { chain, failure: (*error).into() })?;
                }
                Err(Stop::Stream(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn open(&mut self, chain: u32, program: &[u8], sides: u32) -> Result<(), Stop> {
        let spec = decode_chain(program).map_err(internal)?;
        self.chains.insert(chain, Chain::Opening(Box::new(spec), Vec::new(), sides));
        self.open_if_ready(chain)
    }

    fn side(&mut self, chain: u32, (number, bytes): (u64, usize), batch: Option<Parcel>) -> Result<(), Stop> {
        if let Some(batch) = batch {
            self.sides.put(number, bytes, batch.open().map_err(internal)?);
        }
        let side = self.sides.get(number).ok_or_else(|| internal(format!("side {number} is not kept")))?;
        if let Some(Chain::Opening(_, sides, _)) = self.chains.get_mut(&chain) {
            sides.push(side.clone());
        }
        self.open_if_ready(chain)
    }

    fn open_if_ready(&mut self, chain: u32) -> Result<(), Stop> {
        let Some(Chain::Opening(spec, sides, wanted)) = self.chains.get_mut(&chain) else { return Ok(()) };
        if sides.len() < *wanted as usize {
            return Ok(());
        }
        let opened = self.host.open(spec, std::mem::take(sides))?;
        self.chains.insert(chain, Chain::Open(opened, VecDeque::new()));
        Ok(())
    }

    fn push(&mut self, number: u32, batch: Parcel) -> Result<(), Stop> {
        let Some(Chain::Open(chain, waiting)) = self.chains.get_mut(&number) else {
            return self.not_open(number);
        };
        if chain.more() {
            waiting.push_back(batch);
            return Ok(());
        }
        self.answer(number, Some(batch))
    }

    /// Gives the next part of a result; after the last, the answers that wait for it.
    fn more(&mut self, number: u32) -> Result<(), Stop> {
        let mut next = None;
        loop {
            self.answer(number, next)?;
            match self.chains.get_mut(&number) {
                Some(Chain::Open(chain, waiting)) if !chain.more() && !waiting.is_empty() => {
                    next = waiting.pop_front();
                }
                _ => return Ok(()),
            }
        }
    }

    /// The answer to a batch, or the next part of the last answer.
    fn answer(&mut self, number: u32, batch: Option<Parcel>) -> Result<(), Stop> {
        let Some(Chain::Open(chain, _)) = self.chains.get_mut(&number) else { return self.not_open(number) };
        let since = thread_time();
        if let Some(batch) = batch {
            chain.push(batch.open().map_err(internal)?)?;
        }
        let result = Packed::of(&chain.pull()?).map_err(internal)?;
        let nanos = thread_time().saturating_sub(since).as_nanos() as u64;
        let (more, enough) = (chain.more(), chain.enough());
        let counts = chain.counted();
        let head = |batch| FromWorker::Pulled { chain: number, batch, nanos, more, enough, counts };
        Ok(result.send(&mut self.stream, &mut self.outbox, head)?)
    }

    fn finish(&mut self, number: u32) -> Result<(), Stop> {
        let Some(Chain::Open(chain, _)) = self.chains.get_mut(&number) else { return self.not_open(number) };
        let rest = chain.finish()?;
        let counts = chain.counted();
        match rest {
            None => self.say(&FromWorker::Finished { chain: number, batch: None, counts })?,
            Some(rest) => {
                let rest = Packed::of(&rest).map_err(internal)?;
                let head = |batch| FromWorker::Finished { chain: number, batch: Some(batch), counts };
                rest.send(&mut self.stream, &mut self.outbox, head)?;
            }
        }
        Ok(())
    }

    /// A chain that failed said so once; what was on its way then is passed over.
    fn not_open(&self, number: u32) -> Result<(), Stop> {
        match self.chains.get(&number) {
            Some(Chain::Failed) => Ok(()),
            _ => Err(internal(format!("chain {number} is not open"))),
        }
    }

    fn say(&mut self, message: &FromWorker) -> io::Result<()> {
        message::write(&mut self.stream, message, &[])
    }
}

/// Why a message could not be served.
enum Stop {
    /// The chain failed.
    Host(Box<HostError>),
    /// The pool cannot be reached.
    Stream(io::Error),
}

impl From<HostError> for Stop {
    fn from(error: HostError) -> Stop {
        Stop::Host(Box::new(error))
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Stream(error)
    }
}

fn internal(text: String) -> Stop {
    HostError::Internal(text).into()
}
