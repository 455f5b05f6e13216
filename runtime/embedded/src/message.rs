//! What is said between the engine and the host library in one process, as bytes (bincode). Both are of one
//! build; the version in `Start` catches a library that is not.

use nestflow_chain::{Counts, HostError, UserError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Changes whenever a message or a struct of the C function does.
pub const VERSION: u32 = 4;
/// The most bytes that a message may have: a program's functions.
const LONGEST: usize = 1 << 30;

/// From the engine to the host library.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// The interpreter has started; said first, on the thread that Python takes for its main one.
    Start {
        /// The engine's [`VERSION`].
        version: u32,
        /// Where modules are found.
        path: Vec<String>,
        /// Variables of the environment for functions.
        environment: Vec<(String, String)>,
    },
    /// More places where modules are found, for another program, and variables.
    Add {
        /// The places.
        path: Vec<String>,
        /// The variables.
        environment: Vec<(String, String)>,
    },
    /// Opens a program; the batches are its open sides.
    Open {
        /// For whom: who may interrupt it.
        user: u64,
        /// What functions find around them, as `nestflow.host.surroundings` knows it.
        around: Option<String>,
        /// Seconds that these surroundings stay without a chain.
        idle: u64,
        /// The encoded program.
        program: Vec<u8>,
    },
    /// A batch for a chain, which comes along.
    Push(u64),
    /// The oldest result, or the next part of it.
    Pull(u64),
    /// No more batches.
    Finish(u64),
    /// Forget the chain.
    Close(u64),
    /// Surroundings with something to do at their end are left now, unless they have chains; the answer may
    /// be what went wrong.
    End {
        /// For whom: who may interrupt what is done then.
        user: u64,
        /// The surroundings.
        around: String,
    },
    /// Interrupt the functions of a user; does not wait for them.
    Interrupt(u64),
}

/// From the host library to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// It is done.
    Done,
    /// A chain is open.
    Opened {
        /// Its number.
        chain: u64,
        /// How many batches may be pushed before one is pulled.
        credits: u32,
    },
    /// A result, or after `Finish` what the program still had to say; the batch comes along.
    Given {
        /// Whether that is only a part.
        more: bool,
        /// Whether further records can change nothing.
        enough: bool,
        /// What the functions counted for it.
        counts: Counts,
    },
    /// It cannot be done.
    Failed(Failure),
}

/// A [`HostError`] on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Failure {
    /// The user's function raised.
    User(UserError),
    /// The data does not fit.
    Data(String),
    /// The interpreter is at its end.
    Died(String),
    /// Anything else.
    Internal(String),
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Failure {
        match error {
            HostError::User(error) => Failure::User(*error),
            HostError::Data(text) => Failure::Data(text),
            HostError::Died(text) => Failure::Died(text),
            HostError::Internal(text) => Failure::Internal(text),
        }
    }
}

impl From<Failure> for HostError {
    fn from(failure: Failure) -> HostError {
        match failure {
            Failure::User(error) => HostError::User(Box::new(error)),
            Failure::Data(text) => HostError::Data(text),
            Failure::Died(text) => HostError::Died(text),
            Failure::Internal(text) => HostError::Internal(text),
        }
    }
}

fn config() -> impl bincode::config::Config {
    bincode::config::legacy().with_limit::<LONGEST>()
}

/// A message as bytes.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, HostError> {
    bincode::serde::encode_to_vec(message, config()).map_err(|error| HostError::Internal(error.to_string()))
}

/// A message from bytes.
pub fn decode<M: DeserializeOwned>(bytes: &[u8]) -> Result<M, HostError> {
    let decoded = bincode::serde::decode_from_slice(bytes, config());
    decoded.map(|(message, _)| message).map_err(|error| HostError::Internal(error.to_string()))
}
