//! The blocks that a task has been given, by where they belong, in the order that their headers say.
//!
//! They arrive in any order, and an operator may only see them in one: so they are held here until
//! all have come, in memory while the task has some, in a file without a name beyond that. What an
//! operator reads therefore never depends on who delivered first.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::buffer::Buffer;
use nestflow_batch::block::BlockHeader;

use super::frames::{self, Form};
use super::job::Source;
use crate::blocks::{BlockStream, Place};
use crate::error::{Error, Result};
use crate::internal;
use crate::memory::Pool;

/// The share of a task's memory that its inputs may take.
const SHARE: usize = 3;

/// A place and a channel; then producer, task, sequence.
type At = (Place, u32);
type Order = (u32, u32, u32);

enum Block {
    Memory(Buffer),
    File { file: Arc<File>, offset: u64, length: usize },
}

impl Block {
    fn len(&self) -> usize {
        match self {
            Block::Memory(bytes) => bytes.len(),
            Block::File { length, .. } => *length,
        }
    }

    fn read(&self) -> Result<Buffer> {
        match self {
            Block::Memory(bytes) => Ok(bytes.clone()),
            Block::File { file, offset, length } => {
                let mut bytes = vec![0; *length];
                file.read_exact_at(&mut bytes, *offset).map_err(unreadable)?;
                Ok(Buffer::from_vec(bytes))
            }
        }
    }
}

fn unreadable(source: std::io::Error) -> Error {
    Error::Io { path: "temporary file of blocks".into(), source }
}

/// All inputs of a task.
pub struct Inputs {
    sources: Vec<Source>,
    /// The kept datasets that are Spark's own.
    forms: HashMap<u64, Form>,
    pool: Arc<dyn Pool>,
    limit: usize,
    folder: std::path::PathBuf,
    held: Mutex<Held>,
}

struct Held {
    blocks: BTreeMap<At, BTreeMap<Order, Arc<Block>>>,
    in_memory: usize,
    file: Option<(Arc<File>, u64)>,
}

impl Inputs {
    /// No blocks yet; what does not fit into the pool's share goes to `folder`.
    pub fn new(
        sources: Vec<Source>,
        forms: HashMap<u64, Form>,
        pool: Arc<dyn Pool>,
        folder: std::path::PathBuf,
    ) -> Inputs {
        let held = Held { blocks: BTreeMap::new(), in_memory: 0, file: None };
        Inputs { sources, forms, limit: pool.limit() / SHARE, pool, folder, held: Mutex::new(held) }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.sources.len()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // A map of blocks is whole whatever happened to a thread that held it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a block of an input.
    pub fn push(&self, input: usize, bytes: Vec<u8>) -> Result<()> {
        let source = self.sources.get(input).ok_or_else(|| internal!("there is no input {input}"))?;
        let bytes = match *source {
            Source::Kept(cache) => match self.forms.get(&cache) {
                Some(form) => frames::block(form, &bytes)?,
                None => bytes,
            },
            Source::Exchange { .. } => bytes,
        };
        let (place, producer) = match *source {
            Source::Exchange { exchange, producer } => (Place::Exchange(exchange), producer),
            Source::Kept(cache) => (Place::Kept(cache), 0),
        };
        let origin = || format!("{place:?}, producer {producer}");
        let (header, _) =
            BlockHeader::read(&bytes, &origin()).map_err(|error| Error::Data(error.to_string()))?;
        let length = bytes.len();
        // Not locked while the pool is asked: that may wait for others.
        let fits = self.held().in_memory + length <= self.limit && self.pool.try_take(length);
        let mut held = self.held();
        let block = if fits {
            held.in_memory += length;
            Block::Memory(Buffer::from_vec(bytes))
        } else {
            if held.file.is_none() {
                held.file = Some((Arc::new(tempfile::tempfile_in(&self.folder).map_err(unreadable)?), 0));
            }
            let (file, end) = held.file.as_mut().ok_or_else(|| internal!("no file"))?;
            file.write_all_at(&bytes, *end).map_err(unreadable)?;
            let offset = *end;
            *end += length as u64;
            Block::File { file: file.clone(), offset, length }
        };
        let order = (producer, header.producer, header.sequence);
        let blocks = held.blocks.entry((place, header.channel)).or_default();
        match blocks.insert(order, Arc::new(block)) {
            None => Ok(()),
            Some(_) => Err(internal!("block {order:?} of {place:?} came twice")),
        }
    }

    /// The blocks of a channel, in order.
    pub fn read(&self, place: Place, channel: u32) -> BlockStream {
        let blocks: Vec<_> = self
            .held()
            .blocks
            .get(&(place, channel))
            .map(|blocks| blocks.iter().map(|(order, block)| (*order, block.clone())).collect())
            .unwrap_or_default();
        Box::new(blocks.into_iter().map(move |((producer, task, sequence), block)| {
            let origin =
                format!("{place:?} channel {channel}, producer {producer} task {task} block {sequence}");
            Ok((block.read()?, origin))
        }))
    }

    /// The bytes of a channel.
    pub fn bytes(&self, place: Place, channel: u32) -> u64 {
        let held = self.held();
        let blocks = held.blocks.get(&(place, channel));
        blocks.into_iter().flat_map(|blocks| blocks.values()).map(|block| block.len() as u64).sum()
    }
}

impl Drop for Inputs {
    fn drop(&mut self) {
        let held = self.held().in_memory;
        self.pool.give(held);
    }
}
