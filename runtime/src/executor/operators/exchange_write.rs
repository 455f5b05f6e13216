//! The writer of an exchange: rows are collected channel by channel, and a channel is sent as a block.
//!
//! A channel is sent when it has enough for a good block. All channels of a task's outputs share one
//! budget, which is taken from the task's memory as they fill: where it does not suffice, the largest
//! channels are sent early. A consumer sees the same rows in the same order however that falls; only
//! the borders of blocks move. Must not choose channels (`route`).

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nestflow_batch::block::{self, BlockHeader};
use nestflow_batch::scatter::{ChannelBuffers, row_bytes};

use super::route::Route;
use super::sink::RowSink;
use crate::blocks::BlockWriter;
use crate::error::{Error, Result};
use crate::executor::columns::select;
use crate::memory::Pool;

/// What a block does not exceed, unless a single row does. It is an array of a JVM at times, and the usual collector
/// there gives an array that is larger than half of one of its regions (of 1 MiB and more) regions of its own: with
/// a little more than 1 MiB, half of that memory would be lost, and not be counted by anybody. Besides its values, a
/// block has a header and bitmaps of nulls, of at most a 32nd part of them.
const BLOCK_BYTES: usize = (1 << 20) - (48 << 10);
/// Few channels get their rows by pieces of so many bytes, so that blocks come near to that.
const PIECE_BYTES: usize = BLOCK_BYTES / 4;
/// So many are few; of others a batch brings each a small part.
const FEW: u32 = 4;
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

    /// Appends rows with their channels; sends those first that have no room for them.
    fn append(&mut self, rows: &RecordBatch, channel_of_row: &[u32], bytes: &[usize]) -> Result<()> {
        let mut added = vec![0; self.channels.count as usize];
        if let [added] = added.as_mut_slice() {
            *added = bytes.iter().sum();
        } else {
            for (&channel, bytes) in channel_of_row.iter().zip(bytes) {
                // One that does not exist is refused below.
                if let Some(added) = added.get_mut(channel as usize) {
                    *added += bytes;
                }
            }
        }
        for (channel, added) in added.into_iter().enumerate() {
            if added > 0 && self.buffers.bytes(channel) + added > BLOCK_BYTES {
                self.send(channel)?;
            }
        }
        self.buffers.append(rows, channel_of_row).map_err(unfit)?;
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

/// Where pieces of a batch end that are no larger than that, unless a single row is.
fn ends_of_pieces(bytes: &[usize], most: usize) -> Vec<usize> {
    let (mut ends, mut held) = (Vec::new(), 0);
    for (row, bytes) in bytes.iter().enumerate() {
        if held > 0 && held + bytes > most {
            ends.push(row);
            held = 0;
        }
        held += bytes;
    }
    ends.push(bytes.len());
    ends
}

fn unfit(error: block::BlockError) -> Error {
    Error::Data(error.to_string())
}

impl RowSink for ExchangeWrite {
    fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let rows = select(&batch, &self.schema)?;
        let channel_of_row = self.route.deal(&batch)?.to_vec();
        let most = if self.channels.count <= FEW { PIECE_BYTES } else { BLOCK_BYTES };
        let (bytes, mut first) = (row_bytes(&rows), 0);
        for end in ends_of_pieces(&bytes, most) {
            self.append(&rows.slice(first, end - first), &channel_of_row[first..end], &bytes[first..end])?;
            first = end;
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
    /// The channel of each block, its bytes and its rows, in the order in which they were sent.
    type Sent = Vec<(u32, usize, usize)>;

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
        let (blocks, mut sent) = (std::mem::take(&mut *blocks.lock().unwrap()), Sent::new());
        for (channel, bytes) in &blocks {
            let (header, batch) = block::decode(bytes, &rows(), "here").unwrap();
            let sequence = next.entry(*channel).or_default();
            assert_eq!((header.channel, header.producer, header.sequence), (*channel, 7, *sequence));
            *sequence += 1;
            sent.push((*channel, bytes.len(), batch.num_rows()));
            let numbers = columns::positions(batch.column(1)).unwrap();
            found.entry(*channel).or_default().extend(numbers.values());
        }
        (found, sent)
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

    /// Sixteen bytes are the array's own.
    fn fit_an_array(sent: &Sent) -> bool {
        sent.iter().all(|(_, bytes, rows)| bytes + 16 <= 1 << 20 || *rows == 1)
    }

    #[test]
    fn blocks_are_seldom_much_smaller_than_they_may_be() {
        for (rows, length, channels) in [(8192, 100, 1), (50, 100_000, 1), (8192, 10, 1), (8192, 200, 3)] {
            let lengths = vec![length; rows];
            let batches: Vec<_> = (0..20).map(|n| batch(n * rows as u64, &lengths)).collect();
            let (found, sent) = written(&batches, channels, 1 << 30);
            assert_eq!(found.values().map(Vec::len).sum::<usize>(), 20 * rows);
            assert!(fit_an_array(&sent), "{length} {sent:?}");
            let small = sent.iter().filter(|(_, bytes, _)| *bytes < BLOCK_BYTES / 3 * 2).count();
            assert!(small <= channels as usize, "{length} {sent:?}");
        }
    }

    #[test]
    fn blocks_with_a_bit_for_each_null_fit_too() {
        let halves = (0..400_000).map(|n| (n % 2 == 0).then_some([b'x']));
        let cells: ArrayRef = Arc::new(halves.collect::<BinaryViewArray>());
        let schema = columns::schema(&[Col::Value]);
        let batch = columns::batch(&schema, vec![cells], 400_000).unwrap();
        let (pool, blocks): (Arc<dyn Pool>, _) = (Arc::new(FixedPool::new(1 << 30)), Blocks::default());
        let (writer, to) = (Box::new(Kept(blocks.clone())), Channels { first: 0, count: 1 });
        let mut write = ExchangeWrite::new(schema, to, Route::one(), writer, (0, 1), pool, false).unwrap();
        write.write(batch).unwrap();
        Box::new(write).finish().unwrap();
        let blocks = blocks.lock().unwrap();
        assert!(blocks.len() > 1 && blocks.iter().all(|(_, bytes)| bytes.len() + 16 <= 1 << 20));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]
        #[test]
        fn blocks_are_no_larger_than_an_array_should_be(
            scale in prop::sample::select(vec![50_usize, 5_000, 100_000, 400_000]),
            sizes in prop::collection::vec(prop::collection::vec(0_f64..1.0, 1..60), 1..8),
            channels in 1_u32..8,
        ) {
            let mut first = 0;
            let batches: Vec<_> = sizes.iter().map(|parts| {
                let lengths: Vec<usize> = parts.iter().map(|part| (part * part * scale as f64) as usize).collect();
                first += lengths.len() as u64;
                batch(first - lengths.len() as u64, &lengths)
            }).collect();
            let (_, sent) = written(&batches, channels, 1 << 30);
            prop_assert!(fit_an_array(&sent), "{:?}", sent);
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
        let early = sent.iter().take_while(|(channel, ..)| channel == largest).count();
        assert!(early > 4 && sent.len() - early <= found.len(), "{sent:?}");
    }
}
