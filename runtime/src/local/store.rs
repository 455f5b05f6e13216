//! Blocks between stages and kept datasets: in memory while there is room, in files beyond that.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;

use super::scratch::Scratch;
use crate::blocks::{BlockStream, BlockWriter, Blocks, Place};
use crate::error::{Error, Result};
use crate::executor::kept_batch;
use crate::internal;
use crate::memory::Pool;

/// Where a block is among those of its channel: producer, task, sequence.
type Order = (u32, u32, u32);
type Channels = BTreeMap<u32, BTreeMap<Order, Arc<Block>>>;

/// All blocks of an engine.
pub struct LocalBlocks {
    places: Arc<Mutex<HashMap<Place, Channels>>>,
    memory: Arc<Memory>,
    scratch: Arc<Scratch>,
}

/// The memory that blocks take.
struct Memory {
    pool: Arc<dyn Pool>,
    budget: usize,
    held: AtomicUsize,
}

impl Memory {
    fn try_hold(&self, bytes: usize) -> bool {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed);
        if held + bytes <= self.budget && self.pool.try_take(bytes) {
            return true;
        }
        self.held.fetch_sub(bytes, Ordering::Relaxed);
        false
    }
}

enum Block {
    Memory { bytes: Buffer, memory: Arc<Memory> },
    File { file: Arc<File>, offset: u64, length: usize },
}

impl Block {
    fn len(&self) -> usize {
        match self {
            Block::Memory { bytes, .. } => bytes.len(),
            Block::File { length, .. } => *length,
        }
    }

    fn read(&self) -> Result<Buffer> {
        match self {
            Block::Memory { bytes, .. } => Ok(bytes.clone()),
            Block::File { file, offset, length } => {
                let mut bytes = vec![0; *length];
                let read = file.read_exact_at(&mut bytes, *offset);
                read.map_err(|source| Error::Io { path: "temporary file of blocks".into(), source })?;
                Ok(Buffer::from_vec(bytes))
            }
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Block::Memory { bytes, memory } = self {
            memory.held.fetch_sub(bytes.len(), Ordering::Relaxed);
            memory.pool.give(bytes.len());
        }
    }
}

impl LocalBlocks {
    /// No blocks yet; at most `budget` bytes of the pool are taken.
    pub fn new(pool: Arc<dyn Pool>, budget: usize, scratch: Arc<Scratch>) -> LocalBlocks {
        let memory = Arc::new(Memory { pool, budget, held: AtomicUsize::new(0) });
        LocalBlocks { places: Arc::new(Mutex::new(HashMap::new())), memory, scratch }
    }

    fn places(&self) -> Result<MutexGuard<'_, HashMap<Place, Channels>>> {
        self.places.lock().map_err(|_| internal!("the block store is poisoned"))
    }

    /// Forgets a place.
    pub fn release(&self, place: Place) {
        if let Ok(mut places) = self.places() {
            places.remove(&place);
        }
    }

    /// One more than the highest channel.
    pub fn channels(&self, place: Place) -> usize {
        let highest =
            |channels: &Channels| channels.last_key_value().map(|(channel, _)| *channel as usize + 1);
        self.places().ok().and_then(|places| places.get(&place).and_then(highest)).unwrap_or(0)
    }

    /// The bytes of a place.
    pub fn total(&self, place: Place) -> u64 {
        let Ok(places) = self.places() else { return 0 };
        let blocks =
            places.get(&place).into_iter().flat_map(|channels| channels.values()).flat_map(|c| c.values());
        blocks.map(|block| block.len() as u64).sum()
    }

    /// The batches of a kept dataset of this depth, in order.
    pub fn kept(&self, cache: u64, depth: u32) -> Result<Vec<RecordBatch>> {
        let place = Place::Kept(cache);
        let mut batches = Vec::new();
        for channel in 0..self.channels(place) {
            for block in self.read(place, channel as u32)? {
                let (bytes, origin) = block?;
                batches.push(kept_batch(&bytes, depth, &origin)?);
            }
        }
        Ok(batches)
    }
}

impl Blocks for LocalBlocks {
    fn read(&self, place: Place, channel: u32) -> Result<BlockStream> {
        let places = self.places()?;
        let blocks: Vec<_> = places
            .get(&place)
            .and_then(|channels| channels.get(&channel))
            .map(|blocks| blocks.iter().map(|(order, block)| (*order, block.clone())).collect())
            .unwrap_or_default();
        Ok(Box::new(blocks.into_iter().map(move |((producer, task, sequence), block)| {
            let origin =
                format!("{place:?} channel {channel}, producer {producer} task {task} block {sequence}");
            Ok((block.read()?, origin))
        })))
    }

    fn bytes(&self, place: Place, channel: u32) -> u64 {
        let Ok(places) = self.places() else { return 0 };
        let blocks = places.get(&place).and_then(|channels| channels.get(&channel));
        blocks.into_iter().flat_map(|blocks| blocks.values()).map(|block| block.len() as u64).sum()
    }

    fn writer(&self, place: Place, producer: u32, task: u32) -> Result<Box<dyn BlockWriter>> {
        Ok(Box::new(Writer {
            places: self.places.clone(),
            memory: self.memory.clone(),
            scratch: self.scratch.clone(),
            place,
            producer,
            task,
            written: Vec::new(),
            bytes: 0,
            file: None,
        }))
    }
}

/// The blocks of one task until they are complete.
struct Writer {
    places: Arc<Mutex<HashMap<Place, Channels>>>,
    memory: Arc<Memory>,
    scratch: Arc<Scratch>,
    place: Place,
    producer: u32,
    task: u32,
    written: Vec<(u32, Arc<Block>)>,
    bytes: u64,
    /// Where blocks go for which there is no memory, and its length so far.
    file: Option<(Arc<File>, u64)>,
}

impl Writer {
    fn put_in_file(&mut self, block: &[u8]) -> Result<Block> {
        let (file, end) = match &mut self.file {
            Some(open) => open,
            None => self.file.insert((Arc::new(self.scratch.file()?), 0)),
        };
        let written = file.write_all_at(block, *end);
        written.map_err(|source| Error::Io { path: "temporary file of blocks".into(), source })?;
        let block = Block::File { file: file.clone(), offset: *end, length: block.len() };
        *end += block.len() as u64;
        Ok(block)
    }
}

impl BlockWriter for Writer {
    fn write(&mut self, channel: u32, block: Vec<u8>) -> Result<()> {
        self.bytes += block.len() as u64;
        let block = match self.memory.try_hold(block.len()) {
            true => Block::Memory { bytes: Buffer::from_vec(block), memory: self.memory.clone() },
            false => self.put_in_file(&block)?,
        };
        self.written.push((channel, Arc::new(block)));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<u64> {
        let mut places = self.places.lock().map_err(|_| internal!("the block store is poisoned"))?;
        let channels = places.entry(self.place).or_default();
        // A dataset that a task left empty still has that task's part.
        channels.entry(if matches!(self.place, Place::Kept(_)) { self.task } else { 0 }).or_default();
        for (sequence, (channel, block)) in self.written.into_iter().enumerate() {
            let order = (self.producer, self.task, sequence as u32);
            channels.entry(channel).or_default().insert(order, block);
        }
        Ok(self.bytes)
    }
}
