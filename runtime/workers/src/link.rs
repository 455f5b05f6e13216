//! One direction of a connection: messages, and batches beside them.
//!
//! On the socket: length of the message (`u32`, little-endian), message, and the blocks of its parts
//! that are not in files. Larger blocks are files in a folder that only this user can enter, in
//! memory where the system has such a place; the receiver takes their names away at once.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use arrow_array::RecordBatch;
use arrow_buffer::{Buffer, MutableBuffer};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::SchemaRef;
use nestflow_batch::block::{self, BlockHeader};
use nestflow_chain::wire::{self, Part};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::os;

/// Blocks from here on go through a file.
const LARGE: usize = 64 << 10;

/// Why a message did not get through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The other end is not there any more.
    #[error("the connection is closed")]
    Gone,
    /// What was sent or received makes no sense.
    #[error("{0}")]
    Bad(String),
}

impl From<io::Error> for LinkError {
    fn from(_: io::Error) -> Self {
        // A socket between two processes of one machine fails only when one of them is gone.
        LinkError::Gone
    }
}

/// Asked when nothing moves: is the other end still alive?
pub(crate) type Alive = Box<dyn FnMut() -> bool + Send>;

/// The sending half.
pub(crate) struct Sender {
    stream: UnixStream,
    alive: Alive,
    folder: PathBuf,
    files: u64,
    schema: Option<SchemaRef>,
    blocks: Vec<u8>,
}

/// The receiving half.
pub(crate) struct Receiver {
    stream: UnixStream,
    alive: Alive,
    folder: PathBuf,
    schema: Option<SchemaRef>,
}

impl Sender {
    /// Sends through a socket and a folder; `prefix` sets the files apart from those of the other end.
    pub(crate) fn new(stream: UnixStream, folder: PathBuf, prefix: u64, alive: Alive) -> Sender {
        Sender { stream, alive, folder, files: prefix << 63, schema: None, blocks: Vec::new() }
    }

    /// Makes a batch part of the next message.
    pub(crate) fn part(&mut self, batch: &RecordBatch) -> Result<Part, LinkError> {
        let schema = batch.schema();
        let known = self.schema.as_ref().is_some_and(|known| *known == schema);
        let new = if known { None } else { Some(schema_bytes(&schema)?) };
        self.schema = Some(schema);
        let start = self.blocks.len();
        block::encode(&BlockHeader::default(), batch, false, &mut self.blocks)
            .map_err(|error| LinkError::Bad(error.to_string()))?;
        let len = self.blocks.len() - start;
        let file = (len >= LARGE).then(|| self.to_file(start)).flatten();
        Ok(Part { schema: new, len: len as u64, file })
    }

    /// Moves a block to a file; `None` leaves it where it is: there may be no room.
    fn to_file(&mut self, start: usize) -> Option<u64> {
        self.files += 1;
        let path = self.folder.join(self.files.to_string());
        let written = File::create_new(&path).and_then(|mut file| file.write_all(&self.blocks[start..]));
        if written.is_err() {
            let _ = fs::remove_file(path);
            return None;
        }
        self.blocks.truncate(start);
        Some(self.files)
    }

    /// Sends a message with its parts.
    pub(crate) fn send<T: Serialize>(&mut self, message: &T) -> Result<(), LinkError> {
        let message = wire::encode(message).map_err(LinkError::Bad)?;
        let length = u32::try_from(message.len());
        let length = length.map_err(|_| LinkError::Bad(format!("{} bytes in a message", message.len())))?;
        let mut bytes = Vec::with_capacity(4 + message.len() + self.blocks.len());
        bytes.extend(length.to_le_bytes());
        bytes.extend(message);
        bytes.append(&mut self.blocks);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(0) => return Err(LinkError::Gone),
                Ok(written) => rest = &rest[written..],
                Err(error) => try_again(&error, &mut self.alive)?,
            }
        }
        Ok(())
    }
}

impl Receiver {
    /// Receives from a socket and a folder.
    pub(crate) fn new(stream: UnixStream, folder: PathBuf, alive: Alive) -> Receiver {
        Receiver { stream, alive, folder, schema: None }
    }

    /// The next message; its parts have to be taken before the one after.
    pub(crate) fn receive<T: DeserializeOwned>(&mut self) -> Result<T, LinkError> {
        let mut length = [0; 4];
        self.fill(&mut length)?;
        let mut message = vec![0; u32::from_le_bytes(length) as usize];
        self.fill(&mut message)?;
        wire::decode(&message).map_err(LinkError::Bad)
    }

    /// The batch of a part.
    pub(crate) fn batch(&mut self, part: Part) -> Result<RecordBatch, LinkError> {
        if let Some(bytes) = &part.schema {
            self.schema = Some(schema_of(bytes)?);
        }
        let bytes = match part.file {
            None => {
                // Aligned as Arrow wants it, so that the batch can keep the bytes where they are.
                let mut bytes = MutableBuffer::from_len_zeroed(part.len as usize);
                self.fill(bytes.as_slice_mut())?;
                Buffer::from(bytes)
            }
            Some(number) => {
                let path = self.folder.join(number.to_string());
                let file = File::open(&path)?;
                fs::remove_file(path)?;
                os::map(&file)?
            }
        };
        let schema = self.schema.as_ref().ok_or_else(|| LinkError::Bad("a batch without a schema".into()))?;
        let (_, batch) = block::decode_buffer(&bytes, schema, "a worker connection")
            .map_err(|error| LinkError::Bad(error.to_string()))?;
        Ok(batch)
    }

    fn fill(&mut self, mut rest: &mut [u8]) -> Result<(), LinkError> {
        while !rest.is_empty() {
            match self.stream.read(rest) {
                Ok(0) => return Err(LinkError::Gone),
                Ok(read) => rest = &mut rest[read..],
                Err(error) => try_again(&error, &mut self.alive)?,
            }
        }
        Ok(())
    }
}

fn try_again(error: &io::Error, alive: &mut Alive) -> Result<(), LinkError> {
    match error.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        // A socket that is open in a process that a dead worker has started never ends by itself.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if alive() => Ok(()),
        _ => Err(LinkError::Gone),
    }
}

fn schema_bytes(schema: &SchemaRef) -> Result<Vec<u8>, LinkError> {
    let writer = StreamWriter::try_new(Vec::new(), schema);
    let bytes = writer.and_then(StreamWriter::into_inner);
    bytes.map_err(|error| LinkError::Bad(error.to_string()))
}

fn schema_of(bytes: &[u8]) -> Result<SchemaRef, LinkError> {
    let reader = StreamReader::try_new(bytes, None).map_err(|error| LinkError::Bad(error.to_string()))?;
    Ok(reader.schema())
}
