//! The host of user functions in the interpreter of this process.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use nestflow_chain::wire::encode_chain;
use nestflow_chain::{ChainSpec, Counts, Host, HostError, OpenChain};

use crate::call::{Call, call};
use crate::interpreter::start;
use crate::message::{Answer, Ask};
use crate::probe::probe;

/// Which interpreter is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The interpreter.
    pub program: String,
    /// The arguments with which it tells of itself.
    pub arguments: Vec<String>,
    /// Variables of the environment.
    pub environment: Vec<(String, String)>,
}

/// Runs chains on the calling thread, in an interpreter that all tasks of the process share.
#[derive(Clone, Debug)]
pub struct EmbeddedHost {
    call: Call,
    around: Option<String>,
    idle: u64,
    /// Whether the surroundings end with each user.
    ends: bool,
    user: u64,
}

/// Asks the host library something that no batch belongs to.
pub(crate) fn said(function: Call, ask: &Ask) -> Result<Answer, HostError> {
    asked(function, ask, Vec::new()).map(|(answer, _)| answer)
}

fn asked(
    function: Call,
    ask: &Ask,
    batches: Vec<RecordBatch>,
) -> Result<(Answer, Option<RecordBatch>), HostError> {
    // SAFETY: the function of the host library, which is never closed, and has said that it is of this
    // build; the first message asks for that.
    unsafe { call(function, ask, batches) }
}

fn out_of_turn<T>() -> Result<T, HostError> {
    Err(HostError::Internal("the embedded host answered something that was not asked".to_owned()))
}

impl EmbeddedHost {
    /// Starts the interpreter, if this process has none yet; otherwise gives the reason.
    pub fn new(settings: &Settings) -> Result<EmbeddedHost, String> {
        let Settings { program, arguments, environment } = settings;
        let found = probe(program, arguments, environment)?;
        Ok(EmbeddedHost { call: start(&found, environment)?, around: None, idle: 0, ends: false, user: 0 })
    }

    /// The same for another user, who interrupts no functions but their own. `around` is the kit of resources
    /// and hooks that these find, as `nestflow.host.surroundings` knows it; it stays in use for `idle`
    /// seconds after its last chain, or until its last user's end.
    pub fn for_another(&self, around: Option<String>, idle: u64, ends: bool) -> EmbeddedHost {
        static USERS: AtomicU64 = AtomicU64::new(1);
        EmbeddedHost { call: self.call, around, idle, ends, user: USERS.fetch_add(1, Ordering::Relaxed) }
    }

    /// Interrupts the functions of this user at their next step; does not wait.
    pub fn interrupt(&self) {
        // Where the interpreter does not listen, neither do functions.
        let _ = said(self.call, &Ask::Interrupt(self.user));
    }
}

impl Host for EmbeddedHost {
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError> {
        let ask = Ask::Open {
            user: self.user,
            around: self.around.clone(),
            idle: self.idle,
            program: encode_chain(chain).map_err(HostError::Internal)?,
        };
        match asked(self.call, &ask, sides)?.0 {
            Answer::Opened { chain, credits } => Ok(Box::new(Embedded {
                call: self.call,
                chain,
                credits: credits as usize,
                more: false,
                enough: false,
                counts: Counts::default(),
            })),
            _ => out_of_turn(),
        }
    }

    fn name(&self) -> &'static str {
        "embedded"
    }

    fn end(&self, _: &mut dyn FnMut() -> bool) -> Result<(), HostError> {
        match self.around.clone().filter(|_| self.ends) {
            Some(around) => said(self.call, &Ask::End { user: self.user, around }).map(drop),
            None => Ok(()),
        }
    }
}

/// A chain that is open in the interpreter.
struct Embedded {
    call: Call,
    chain: u64,
    credits: usize,
    more: bool,
    enough: bool,
    counts: Counts,
}

impl Embedded {
    fn given(&mut self, ask: &Ask, batches: Vec<RecordBatch>) -> Result<Option<RecordBatch>, HostError> {
        match asked(self.call, ask, batches)? {
            (Answer::Given { more, enough, counts }, batch) => {
                (self.more, self.enough) = (more, enough);
                self.counts.add(counts);
                Ok(batch)
            }
            _ => out_of_turn(),
        }
    }
}

impl OpenChain for Embedded {
    fn credits(&self) -> usize {
        self.credits
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        self.given(&Ask::Push(self.chain), vec![input]).map(drop)
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        self.given(&Ask::Pull(self.chain), Vec::new())?.map_or_else(out_of_turn, Ok)
    }

    fn more(&self) -> bool {
        self.more
    }

    fn enough(&self) -> bool {
        self.enough
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        self.given(&Ask::Finish(self.chain), Vec::new())
    }

    fn counted(&mut self) -> Counts {
        self.counts.take()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // A chain that is unknown there is closed.
        let _ = said(self.call, &Ask::Close(self.chain));
    }
}
