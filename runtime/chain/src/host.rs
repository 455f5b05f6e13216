//! The contract between the engine and whatever runs user functions.
//!
//! Life of a chain: `Host::open` → (`push` at most `credits` ahead of `pull`)* → `finish`. Each
//! push is answered in order, by one pull; by further ones as long as `more` says so. A push without rows
//! ends the last group of a sequential program, so that what that gives comes in parts too. After an error
//! the chain is only dropped.
//! Dropping a chain at any time releases what it holds and never blocks on the user's code.

use std::time::Duration;

use arrow_array::RecordBatch;

use crate::counts::Counts;
use crate::spec::ChainSpec;

/// Runs user functions. Shared by all tasks of a process.
pub trait Host: Send + Sync {
    /// Opens a program. `sides` holds, for each `SideFrom::Open` side in order, its records: a batch
    /// with one column `v` of value cells.
    fn open(&self, chain: &ChainSpec, sides: Vec<RecordBatch>) -> Result<Box<dyn OpenChain>, HostError>;

    /// How explain and messages call this host: `in_process`, `workers`.
    fn name(&self) -> &'static str;

    /// Whether the chains of several tasks run at the same time in this process, as in an interpreter
    /// without a lock.
    fn is_parallel(&self) -> bool {
        false
    }

    /// No more chains will be opened by whoever calls this: what functions have to do at last is done
    /// now. Asks from time to time whether to go on waiting for it.
    fn end(&self, _: &mut dyn FnMut() -> bool) -> Result<(), HostError> {
        Ok(())
    }

    /// A stage begins, whose tasks will open chains: a hint to hosts that choose.
    fn prepare(&self, _: Ahead) {}
}

/// What a stage has before it, as far as its engine can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// Its tasks.
    pub tasks: usize,
    /// Those that run at a time.
    pub at_a_time: usize,
    /// Bytes that they read.
    pub bytes: u64,
}

/// An opened program: batches in, batches out.
pub trait OpenChain: Send {
    /// How many batches may be pushed before one has to be pulled; at least 1.
    fn credits(&self) -> usize;

    /// Hands over one batch. May block while the host is busy with earlier ones.
    fn push(&mut self, input: RecordBatch) -> Result<(), HostError>;

    /// The result of the oldest push that has not been pulled whole, or the next part of it.
    fn pull(&mut self) -> Result<RecordBatch, HostError>;

    /// Whether what was pulled last was not the whole result: a record can give more rows than fit
    /// into a batch, or rows without end. Until this is `false`, nothing may be pushed or finished.
    fn more(&self) -> bool {
        false
    }

    /// Whether no further records can change what comes out of the group in hand, of a sequential program,
    /// but for its end: as far as is known from what was pulled.
    fn enough(&self) -> bool {
        false
    }

    /// After the last pull: what the program still has to say (the end of the last group of a
    /// sequential program); `None` where there is nothing.
    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError>;

    /// What the functions counted for the results since this was last asked; asked after each pull and
    /// after the end.
    fn counted(&mut self) -> Counts {
        Counts::default()
    }

    /// The processor time that the batches pulled so far took elsewhere than on this thread.
    fn elsewhere(&self) -> Duration {
        Duration::ZERO
    }
}

/// Why a host could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The user's function raised.
    #[error("{}", .0.message)]
    User(Box<UserError>),
    /// The data does not fit: a record that cannot be stored, a key that cannot be a key.
    #[error("{0}")]
    Data(String),
    /// The process that ran the functions died.
    #[error("{0}")]
    Died(String),
    /// Our own fault, or the machine's.
    #[error("{0}")]
    Internal(String),
}

/// An exception of a user's function, ready to be raised again elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UserError {
    /// Pickled exception object, where it pickles and unpickles.
    pub pickled: Option<Vec<u8>>,
    /// Class name, for people.
    pub class: String,
    /// `str(exception)`.
    pub message: String,
    /// The formatted traceback, from the user's frames on.
    pub traceback: String,
    /// The step: `map(<lambda>) at jobs/visits.py:12 in main`.
    pub step: String,
    /// `repr` of the record in hand, shortened; empty where there was none.
    pub record: String,
}
