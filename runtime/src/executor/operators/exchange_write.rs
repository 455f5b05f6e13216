//! The writer of an exchange: rows are collected channel by channel, and a channel is sent as a block.
//!
//! A channel is sent when it has enough for a good block. All channels of a task's outputs share one
//! budget, which is taken from the task's memory as they fill: where it does not suffice, the largest
//! channels are sent early. A consumer sees the same rows in the same order however that falls; only
//! the borders of blocks move. Must not choose channels (`route`).

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use nestflow_batch::block::{self, BlockHeader};
use nestflow_batch::scatter::ChannelBuffers;

use super::route::Route;
use super::sink::RowSink;
use crate::blocks::BlockWriter;
use crate::error::{Error, Result};
use crate::executor::columns::select;
use crate::memory::Pool;

/// What a block should not exceed. It is an array of a JVM at times, and the usual collector there gives an array
/// that is larger than half of one of its regions (of 1 MiB and more) regions of its own: with a little more than
/// 1 MiB, half of that memory would be lost, and not be counted by anybody.
const BLOCK_BYTES: usize = (1 << 20) - (16 << 10);
/// Rows are appended by so many bytes, so that blocks come near to that.
const PIECE_BYTES: usize = BLOCK_BYTES / 4;
/// The share of a task's memory for rows that wait in channels.
const SHARE: usize = 8;

/// The channels of an output.
#[derive(Clone, Copy)]
pub struct Channels {
    /// The number of the first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

/// Memory of the task that the waiting rows have.
struct Reserved {
    pool: Arc<dyn Pool>,
    bytes: usize,
}

impl Reserved {
    /// At least so many. It cannot wait: the rows are here already, and no more than the budget.
    fn grow_to(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.pool.take(bytes - self.bytes);
            self.bytes = bytes;
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.pool.give(self.bytes);
    }
}

/// Collects rows and sends blocks.
pub struct ExchangeWrite {
    buffers: ChannelBuffers,
    schema: SchemaRef,
    channels: Channels,
    route: Route,
    task: u32,
    /// The number of the next block of each channel.
    sequence: Vec<u32>,
    /// What each channel had before the batch in hand.
    before: Vec<usize>,
    writer: Box<dyn BlockWriter>,
    compress: bool,
    /// Bytes that may wait.
    budget: usize,
    reserved: Reserved,
}

impl ExchangeWrite {
    /// A writer of a task that has so many `outputs`, which share the budget.
    pub fn new(
        schema: SchemaRef,
        channels: Channels,
        route: Route,
        writer: Box<dyn BlockWriter>,
        (task, outputs): (u32, usize),
        pool: Arc<dyn Pool>,
        compress: bool,
    ) -> Result<ExchangeWrite> {
        let buffers = ChannelBuffers::new(schema.clone(), channels.count as usize).map_err(unfit)?;
        let budget = pool.limit() / SHARE / outputs.max(1);
        Ok(ExchangeWrite {
            // Thousands of channels take something before they hold a row: that much again has to do.
            budget: budget.max(2 * buffers.held_bytes()),
            buffers,
            schema,
            sequence: vec![0; channels.count as usize],
            before: vec![0; channels.count as usize],
            channels,
            route,
            task,
            writer,
            compress,
            reserved: Reserved { pool, bytes: 0 },
        })
    }

    fn send(&mut self, channel: usize) -> Result<()> {
        if self.buffers.rows(channel) == 0 {
            return Ok(());
        }
        let batch = self.buffers.take(channel).map_err(unfit)?;
        let number = self.channels.first + channel as u32;
        let sequence = self.sequence[channel];
        let header = BlockHeader { channel: number, producer: self.task, sequence, rows: 0 };
        self.sequence[channel] += 1;
        let mut bytes = Vec::new();
        block::encode(&header, &batch, self.compress, &mut bytes).map_err(unfit)?;
        self.writer.write(number, bytes)
    }

    /// Appends rows, and sends the channels that could not take as many once more.
    fn append(&mut self, batch: &RecordBatch) -> Result<()> {
        for (channel, before) in self.before.iter_mut().enumerate() {
            *before = self.buffers.bytes(channel);
        }
        let rows = select(batch, &self.schema)?;
        self.buffers.append(&rows, self.route.deal(batch)?).map_err(unfit)?;
        for channel in 0..self.channels.count as usize {
            let bytes = self.buffers.bytes(channel);
            if bytes + (bytes - self.before[channel]) > BLOCK_BYTES {
                self.send(channel)?;
            }
        }
        if self.buffers.held_bytes() > self.budget {
            self.send_largest()?;
        }
        self.reserved.grow_to(self.buffers.held_bytes());
        Ok(())
    }

    /// Sends the largest channels until half of the budget is free again: not each batch does it.
    fn send_largest(&mut self) -> Result<()> {
        let mut largest: Vec<usize> = (0..self.channels.count as usize).collect();
        largest.sort_by_key(|&channel| std::cmp::Reverse(self.buffers.bytes(channel)));
        for channel in largest {
            if self.buffers.held_bytes() <= self.budget / 2 {
                break;
            }
            self.send(channel)?;
        }
        Ok(())
    }
}

/// Bytes of all cells of a batch.
fn cell_bytes(batch: &RecordBatch) -> usize {
    let cells = batch.columns().iter().filter_map(|column| column.as_binary_view_opt());
    cells.flat_map(|cells| cells.lengths()).map(|length| length as usize).sum()
}

fn unfit(error: block::BlockError) -> Error {
    Error::Data(error.to_string())
}

impl RowSink for ExchangeWrite {
    fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let rows = batch.num_rows().div_ceil(cell_bytes(&batch).div_ceil(PIECE_BYTES).max(1)).max(1);
        for first in (0..batch.num_rows()).step_by(rows) {
            self.append(&batch.slice(first, rows.min(batch.num_rows() - first)))?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<u64> {
        (0..self.channels.count as usize).try_for_each(|channel| self.send(channel))?;
        self.writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use arrow::array::{ArrayRef, BinaryViewArray, UInt64Array};
    use proptest::prelude::*;

    use super::*;
    use crate::executor::columns;
    use crate::memory::{FixedPool, Pool};
    use crate::plan::flat::{Col, ExchangeKind};

    type Blocks = Arc<Mutex<Vec<(u32, Vec<u8>)>>>;

    struct Kept(Blocks);

    impl BlockWriter for Kept {
        fn write(&mut self, channel: u32, block: Vec<u8>) -> Result<()> {
            self.0.lock().unwrap().push((channel, block));
            Ok(())
        }

        fn finish(self: Box<Self>) -> Result<u64> {
            Ok(0)
        }
    }

    fn rows() -> SchemaRef {
        columns::schema(&[Col::Value, Col::Pos])
    }

    fn batch(first: u64, lengths: &[usize]) -> RecordBatch {
        let cell = |(n, length): (u64, &usize)| -> Vec<u8> {
            (first + n).to_le_bytes().into_iter().cycle().take(*length).collect()
        };
        let cells: Vec<_> = (0..).zip(lengths).map(cell).collect();
        let cells = BinaryViewArray::from_iter_values(&cells);
        let numbers = UInt64Array::from_iter_values(first..first + lengths.len() as u64);
        let both: Vec<ArrayRef> = vec![Arc::new(cells), Arc::new(numbers)];
        columns::batch(&rows(), both, lengths.len()).unwrap()
    }

    /// The rows of each channel.
    type Found = BTreeMap<u32, Vec<u64>>;
    /// The channel of each block and its bytes, in the order in which they were sent.
    type Sent = Vec<(u32, usize)>;

    /// What comes from a writer with so much memory.
    fn written(batches: &[RecordBatch], channels: u32, memory: usize) -> (Found, Sent) {
        let pool: Arc<dyn Pool> = Arc::new(FixedPool::new(memory));
        let blocks = Blocks::default();
        let kind = ExchangeKind::Hash { by: vec![Col::Value], parts: channels };
        let route = Route::of(&kind, channels, 7, None);
        let (writer, to) = (Box::new(Kept(blocks.clone())), Channels { first: 3, count: channels });
        let mut write = ExchangeWrite::new(rows(), to, route, writer, (7, 1), pool.clone(), false).unwrap();
        let empty = write.buffers.held_bytes();
        for batch in batches {
            write.write(batch.clone()).unwrap();
            assert!(pool.taken() <= (memory / SHARE).max(2 * empty));
            assert!(pool.taken() >= write.buffers.held_bytes());
        }
        Box::new(write).finish().unwrap();
        assert_eq!(pool.taken(), 0);
        let mut found = Found::new();
        let mut next: BTreeMap<u32, u32> = BTreeMap::new();
        let blocks = std::mem::take(&mut *blocks.lock().unwrap());
        for (channel, bytes) in &blocks {
            let (header, batch) = block::decode(bytes, &rows(), "here").unwrap();
            let sequence = next.entry(*channel).or_default();
            assert_eq!((header.channel, header.producer, header.sequence), (*channel, 7, *sequence));
            *sequence += 1;
            let numbers = columns::positions(batch.column(1)).unwrap();
            found.entry(*channel).or_default().extend(numbers.values());
        }
        (found, blocks.into_iter().map(|(channel, bytes)| (channel, bytes.len())).collect())
    }

    proptest! {
        #[test]
        fn what_a_channel_gets_does_not_depend_on_memory(
            sizes in prop::collection::vec(prop::collection::vec(0_usize..3000, 1..60), 1..12),
            channels in 1_u32..40,
            memory in 0_usize..(1 << 20),
        ) {
            let mut first = 0;
            let batches: Vec<_> = sizes.iter().map(|lengths| {
                first += lengths.len() as u64;
                batch(first - lengths.len() as u64, lengths)
            }).collect();
            let (much, few) = written(&batches, channels, 1 << 30);
            let (little, many) = written(&batches, channels, memory);
            prop_assert_eq!(much, little);
            prop_assert!(few.len() <= many.len());
        }
    }

    #[test]
    fn blocks_are_no_larger_than_an_array_should_be_and_seldom_much_smaller() {
        for (rows, length, channels) in [(8192, 100, 1), (50, 50_000, 1), (8192, 10, 1), (8192, 200, 3)] {
            let lengths = vec![length; rows];
            let batches: Vec<_> = (0..20).map(|n| batch(n * rows as u64, &lengths)).collect();
            let (found, sent) = written(&batches, channels, 1 << 30);
            assert_eq!(found.values().map(Vec::len).sum::<usize>(), 20 * rows);
            // Sixteen bytes are the array's own.
            assert!(sent.iter().all(|(_, bytes)| bytes + 16 <= 1 << 20), "{length} {sent:?}");
            let small = sent.iter().filter(|(_, bytes)| *bytes < BLOCK_BYTES / 2).count();
            assert!(small <= channels as usize, "{length} {sent:?}");
        }
    }

    #[test]
    fn thousands_of_channels_stay_within_the_budget() {
        let batches: Vec<_> = (0..40).map(|n| batch(n * 1000, &[100; 1000])).collect();
        let (found, _) = written(&batches, 4000, 8 << 20);
        assert_eq!(found.values().map(Vec::len).sum::<usize>(), 40_000);
    }

    #[test]
    fn the_largest_channels_are_sent_first() {
        // Short rows for channels on both sides of another one, and then long ones for that again and again.
        let (short, long) = (batch(0, &[10; 20]), batch(100, &[4000]));
        let mut batches = vec![short];
        batches.extend((0..1000).map(|_| long.clone()));
        let (found, sent) = written(&batches, 64, 4 << 20);
        let (largest, _) = found.iter().find(|(_, numbers)| numbers.contains(&100)).unwrap();
        assert!(
            found.keys().any(|channel| channel < largest) && found.keys().any(|channel| channel > largest)
        );
        // The short ones wait until the end, where each channel that has rows is sent once.
        let early = sent.iter().take_while(|(channel, _)| channel == largest).count();
        assert!(early > 4 && sent.len() - early <= found.len(), "{sent:?}");
    }
}
