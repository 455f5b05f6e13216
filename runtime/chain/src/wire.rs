//! The one place that knows how programs and the messages of worker processes look as bytes:
//! bincode 2 with fixed-width little-endian integers, behind a size limit.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::host::UserError;
use crate::spec::ChainSpec;

/// The version of the messages; both ends are of one build, so that another one is an error.
pub const WORKER_VERSION: u32 = 1;

/// The most bytes a decoder is willing to hold: far above any honest program.
const LIMIT: usize = 1 << 30;

fn config() -> impl bincode::config::Config {
    bincode::config::legacy().with_limit::<LIMIT>()
}

/// What an engine tells a worker process.
///
/// `Open` (`Push`* `Finish`?) `Close`, again and again. `Open`, `Push` and `Finish` are answered one
/// by one, in order; after `Failed` nothing is answered until `Close`, which never is.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// Opens a program.
    Open {
        /// The program.
        chain: ChainSpec,
        /// Its open sides.
        sides: Vec<Part>,
    },
    /// One batch.
    Push(Part),
    /// There is no batch any more.
    Finish,
    /// Forgets the program.
    Close,
}

/// What a worker process answers.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// The first message: it is there.
    Ready {
        /// [`WORKER_VERSION`].
        version: u32,
    },
    /// The program is open.
    Opened,
    /// The result of a batch.
    Pulled(Part),
    /// What the program still had to say.
    Finished(Option<Part>),
    /// It could not be done.
    Failed(Failure),
}

/// A host's error on its way from a worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum Failure {
    /// The user's function raised.
    User(Box<UserError>),
    /// The data does not fit.
    Data(String),
    /// Our own fault.
    Internal(String),
}

/// A batch beside a message.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    /// The batch's schema as an Arrow stream; `None`: that of the last part in this direction.
    pub schema: Option<Vec<u8>>,
    /// Bytes of the batch, a block of `nestflow-batch`.
    pub len: u64,
    /// The file that holds the block, in the folder that both ends share; `None`: the block follows
    /// the message.
    pub file: Option<u64>,
}

/// A program as bytes.
pub fn encode_chain(chain: &ChainSpec) -> Result<Vec<u8>, String> {
    encode(chain)
}

/// A program from bytes; anything but exactly one program is an error.
pub fn decode_chain(bytes: &[u8]) -> Result<ChainSpec, String> {
    decode(bytes)
}

/// A program or message as bytes.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    bincode::serde::encode_to_vec(value, config()).map_err(|e| e.to_string())
}

/// A program or message from bytes; anything but exactly one is an error.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    match bincode::serde::decode_from_slice(bytes, config()) {
        Ok((value, used)) if used == bytes.len() => Ok(value),
        Ok((_, used)) => Err(format!("{} bytes after the end", bytes.len() - used)),
        Err(error) => Err(error.to_string()),
    }
}
