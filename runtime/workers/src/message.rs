//! What a pool and its workers say to each other, and how it looks on the socket.
//!
//! A message is a fixed header (two lengths, little-endian: `u32` of the head, `u64` of the
//! payload), the head (bincode), and the payload as it is. Both ends are of one build; the version
//! in `Hello` catches a worker that is not.

use std::io::{self, Read, Write};

use nestflow_chain::{Counts, HostError, UserError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Changes whenever a message does.
pub const VERSION: u32 = 7;
/// The most bytes that a head may have: a chain's name and some numbers.
const LONGEST_HEAD: u32 = 64 << 20;
/// The most bytes that a payload may have.
const LONGEST_PAYLOAD: u64 = 16 << 30;
/// Memory that is taken for a part of a message before it arrives.
const AT_ONCE: u64 = 16 << 20;

/// From the pool to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Open a chain; the payload is the encoded program. `sides` messages `Side` follow.
    Open {
        /// Its number from now on.
        chain: u32,
        /// How many open sides it has.
        sides: u32,
    },
    /// The records of the next open side.
    Side {
        /// The chain.
        chain: u32,
        /// The number of the side: the same for the same records.
        number: u64,
        /// The bytes of its block.
        bytes: u64,
        /// The records; `None`: those that were sent under that number.
        batch: Option<Shipped>,
    },
    /// A batch; answered by `Pulled`.
    Push {
        /// The chain.
        chain: u32,
        /// The batch.
        batch: Shipped,
    },
    /// The next part of a result; answered by `Pulled`. Batches that were pushed meanwhile wait.
    More {
        /// The chain.
        chain: u32,
    },
    /// No more batches; answered by `Finished`.
    Finish {
        /// The chain.
        chain: u32,
    },
    /// Forget the chain; answered by `Closed`.
    Close {
        /// The chain.
        chain: u32,
    },
    /// End the process.
    Exit,
}

/// From a worker to the pool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// The worker is there.
    Hello {
        /// Its [`VERSION`].
        version: u32,
    },
    /// The answer to the oldest `Push` that has none, or to `More`.
    Pulled {
        /// The chain.
        chain: u32,
        /// The result.
        batch: Shipped,
        /// Nanoseconds of processor time that it took.
        nanos: u64,
        /// Whether that is only a part; the next one comes when it is asked for.
        more: bool,
        /// Whether further records can change nothing.
        enough: bool,
        /// What the functions counted for it.
        counts: Counts,
    },
    /// The answer to `Finish`.
    Finished {
        /// The chain.
        chain: u32,
        /// What the program still had to say.
        batch: Option<Shipped>,
        /// What the functions counted for it.
        counts: Counts,
    },
    /// The chain failed; nothing more comes of it but `Closed`.
    Failed {
        /// The chain.
        chain: u32,
        /// Why.
        failure: Failure,
    },
    /// The chain is forgotten.
    Closed {
        /// The chain.
        chain: u32,
    },
    /// The process ends as it was asked to, but what it had to do at last failed.
    Bye {
        /// Why.
        failure: Failure,
    },
}

/// How a batch travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shipped {
    /// Its columns.
    pub columns: Vec<(String, ColumnKind)>,
    /// Where its block lies.
    pub place: Place,
}

/// The column types that hosts know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnKind {
    /// Cells.
    Cells,
    /// `UInt32`, never null.
    U32,
    /// `UInt64`, never null.
    U64,
}

/// Where the bytes of a batch are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// In the message's payload.
    Payload,
    /// In memory that both ends map.
    Shared {
        /// Its number, unique for a sender.
        slot: u32,
        /// The file that it is, as the sender has it open.
        file: i32,
        /// The slot that it takes the place of: not used again.
        replaces: Option<u32>,
        /// Bytes of the block.
        length: u64,
    },
    /// In a file in memory that nobody changes, which the receiver maps.
    Mapped {
        /// The file, as the sender has it open as long as the chain is.
        file: i32,
        /// Bytes of the block, and of the file.
        length: u64,
    },
}

/// A [`HostError`] on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Failure {
    /// The user's function raised.
    User(UserError),
    /// The data does not fit.
    Data(String),
    /// Anything else.
    Internal(String),
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Failure {
        match error {
            HostError::User(error) => Failure::User(*error),
            HostError::Data(text) => Failure::Data(text),
            HostError::Died(text) | HostError::Internal(text) => Failure::Internal(text),
        }
    }
}

impl From<Failure> for HostError {
    fn from(failure: Failure) -> HostError {
        match failure {
            Failure::User(error) => HostError::User(Box::new(error)),
            Failure::Data(text) => HostError::Data(text),
            Failure::Internal(text) => HostError::Internal(text),
        }
    }
}

fn config() -> impl bincode::config::Config {
    bincode::config::legacy().with_limit::<{ LONGEST_HEAD as usize }>()
}

/// Writes one message.
pub fn write(stream: &mut impl Write, head: &impl Serialize, payload: &[u8]) -> io::Result<()> {
    let head = bincode::serde::encode_to_vec(head, config()).map_err(io::Error::other)?;
    let mut start = Vec::with_capacity(12 + head.len());
    start.extend((head.len() as u32).to_le_bytes());
    start.extend((payload.len() as u64).to_le_bytes());
    start.extend(head);
    stream.write_all(&start)?;
    stream.write_all(payload)
}

/// Reads one message; `None` where the stream ends between two.
pub fn read<M: DeserializeOwned>(stream: &mut impl Read) -> io::Result<Option<(M, Vec<u8>)>> {
    let mut header = [0; 12];
    match stream.read(&mut header)? {
        0 => return Ok(None),
        got => stream.read_exact(&mut header[got..])?,
    }
    let ([a, b, c, d], rest) = ([header[0], header[1], header[2], header[3]], &header[4..]);
    let head_len = u32::from_le_bytes([a, b, c, d]);
    let payload_len = rest.iter().rev().fold(0, |length: u64, &byte| (length << 8) | u64::from(byte));
    if head_len > LONGEST_HEAD || payload_len > LONGEST_PAYLOAD {
        return Err(io::Error::other(format!("a message of {head_len} + {payload_len} bytes")));
    }
    let head = exactly(stream, u64::from(head_len))?;
    let (message, _) = bincode::serde::decode_from_slice(&head, config()).map_err(io::Error::other)?;
    Ok(Some((message, exactly(stream, payload_len)?)))
}

/// So many bytes. A length that is nonsense takes no memory for what does not come.
fn exactly(stream: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length.min(AT_ONCE) as usize);
    match stream.take(length).read_to_end(&mut bytes)? as u64 == length {
        true => Ok(bytes),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back() {
        let shipped = Shipped {
            columns: vec![("v".into(), ColumnKind::Cells)],
            place: Place::Shared { slot: 3, file: 5, replaces: Some(1), length: 9 },
        };
        let mut stream = Vec::new();
        write(&mut stream, &ToWorker::Push { chain: 7, batch: shipped.clone() }, b"payload").unwrap();
        write(&mut stream, &ToWorker::Exit, b"").unwrap();
        let mut stream = stream.as_slice();
        let (message, payload): (ToWorker, _) = read(&mut stream).unwrap().unwrap();
        assert_eq!(
            (message, payload.as_slice()),
            (ToWorker::Push { chain: 7, batch: shipped }, &b"payload"[..])
        );
        assert_eq!(read::<ToWorker>(&mut stream).unwrap().unwrap().0, ToWorker::Exit);
        assert!(read::<ToWorker>(&mut stream).unwrap().is_none());
    }

    #[test]
    fn half_a_message_is_an_error() {
        let mut stream = Vec::new();
        write(&mut stream, &ToWorker::Exit, b"1234").unwrap();
        for length in 1..stream.len() {
            assert!(read::<ToWorker>(&mut &stream[..length]).is_err(), "{length}");
        }
    }
}
