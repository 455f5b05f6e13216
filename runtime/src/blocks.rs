//! Block streams: how the executor hands blocks to an engine and gets them back. The runtime owns
//! the traits; the local engine keeps blocks in memory and spill files, Spark moves them by its
//! shuffle.
//!
//! Blocks are named by (place, channel, producer, task, sequence) and read in that order of the
//! last three, so that the order of a dataset survives an exchange.

use arrow::buffer::Buffer;

use crate::error::Result;

/// Where blocks lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// In an exchange of this run.
    Exchange(u32),
    /// In a dataset that the engine keeps, under its name; its channels are the tasks that made it.
    Kept(u64),
}

/// Blocks of one channel, in order, each with a text that says where it came from.
pub type BlockStream = Box<dyn Iterator<Item = Result<(Buffer, String)>> + Send>;

/// Reads and writes blocks.
pub trait Blocks: Send + Sync {
    /// The blocks of a channel.
    fn read(&self, place: Place, channel: u32) -> Result<BlockStream>;

    /// The bytes of a channel: what an operator may expect.
    fn bytes(&self, place: Place, channel: u32) -> u64;

    /// Takes the blocks of one task for one place.
    fn writer(&self, place: Place, producer: u32, task: u32) -> Result<Box<dyn BlockWriter>>;
}

/// Takes the blocks of one task. What is written appears when `finish` has returned; a writer that
/// is dropped before leaves nothing.
pub trait BlockWriter: Send {
    /// Takes a block.
    fn write(&mut self, channel: u32, block: Vec<u8>) -> Result<()>;

    /// Makes all blocks of this task visible; returns their bytes.
    fn finish(self: Box<Self>) -> Result<u64>;
}
