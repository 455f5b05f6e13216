//! Deals the rows of batches out to channels: the work of an exchange's writer between two blocks.
//!
//! A batch is sorted by channel once (by counting), then every column is copied channel after
//! channel, so that each step reads one column and writes one buffer. Which channel a row belongs
//! to and when a channel is full is the caller's business.

use std::sync::Arc;

use arrow_array::builder::PrimitiveBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int64Type, UInt32Type, UInt64Type};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BinaryViewArray, PrimitiveArray, RecordBatch, RecordBatchOptions,
};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};

use crate::block::BlockError;
use crate::body::wire_field;
use crate::gather::{push, room_for};

/// What a column of one channel can hold: offsets have 32 bits.
const ROOM: usize = i32::MAX as usize;

/// Rows on their way to channels. Order within a channel is the order of arrival.
#[derive(Debug)]
pub struct ChannelBuffers {
    schema: SchemaRef,
    /// What is taken has, ready to be written.
    wire: SchemaRef,
    channels: Vec<Channel>,
    /// Row numbers of the batch in hand, channel after channel.
    order: Vec<u32>,
    /// Where each channel's rows begin in `order`.
    starts: Vec<usize>,
    /// Bytes that all channels have taken.
    held: usize,
}

#[derive(Debug)]
struct Channel {
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
    /// Bytes that its columns have taken, used or not.
    held: usize,
}

#[derive(Debug)]
enum Column {
    Cells(Cells),
    Int64(PrimitiveBuilder<Int64Type>),
    UInt64(PrimitiveBuilder<UInt64Type>),
    UInt32(PrimitiveBuilder<UInt32Type>),
}

/// A cell column in the making, its values one after another as a block wants them.
#[derive(Debug)]
struct Cells {
    values: Vec<u8>,
    /// Where each value ends.
    ends: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl ChannelBuffers {
    /// Empty buffers for so many channels. Columns may be cells or 64-bit integers (or `UInt32`).
    pub fn new(schema: SchemaRef, channels: usize) -> Result<ChannelBuffers, BlockError> {
        let channels = (0..channels).map(|_| Channel::new(&schema)).collect::<Result<Vec<_>, _>>()?;
        let held = channels.iter().map(|channel| channel.held).sum();
        let wire = Arc::new(Schema::new(schema.fields().iter().map(wire_field).collect::<Vec<_>>()));
        Ok(ChannelBuffers { schema, wire, channels, order: Vec::new(), starts: Vec::new(), held })
    }

    /// Appends every row of the batch to the channel named for it. On an error nothing was appended.
    pub fn append(&mut self, batch: &RecordBatch, channel_of_row: &[u32]) -> Result<(), BlockError> {
        self.sort_by_channel(batch, channel_of_row)?;
        // Views may share bytes, so that memory taken says nothing about what will be written.
        let cells = batch.columns().iter().filter_map(|column| column.as_binary_view_opt());
        let at_most = cells.flat_map(|cells| cells.lengths()).map(|length| length as usize).sum::<usize>();
        for (channel, range) in self.channels.iter().zip(self.starts.windows(2)) {
            if channel.bytes + at_most > ROOM {
                channel.check_room(batch, &self.order[range[0]..range[1]])?;
            }
        }
        for (index, column) in batch.columns().iter().enumerate() {
            for (channel, range) in self.channels.iter_mut().zip(self.starts.windows(2)) {
                let rows = &self.order[range[0]..range[1]];
                if !rows.is_empty() {
                    channel.bytes += channel.columns[index].append(column, rows);
                }
            }
        }
        for (channel, range) in self.channels.iter_mut().zip(self.starts.windows(2)) {
            if range[1] > range[0] {
                channel.rows += range[1] - range[0];
                self.held -= channel.held;
                channel.held = channel.taken();
                self.held += channel.held;
            }
        }
        Ok(())
    }

    /// About how many bytes a channel's block will have before compression.
    pub fn bytes(&self, channel: usize) -> usize {
        self.channels.get(channel).map_or(0, |channel| channel.bytes)
    }

    /// Bytes that all channels have taken of memory, with the room for what may still come.
    pub fn held_bytes(&self) -> usize {
        self.held
    }

    /// Rows waiting for a channel.
    pub fn rows(&self, channel: usize) -> usize {
        self.channels.get(channel).map_or(0, |channel| channel.rows)
    }

    /// The rows of a channel as one batch for a block, its cells as they are written there (`Binary`); the
    /// channel is empty after that.
    pub fn take(&mut self, channel: usize) -> Result<RecordBatch, BlockError> {
        let count = self.channels.len();
        let Some(buffers) = self.channels.get_mut(channel) else {
            return Err(BlockError::Unfit(format!("channel {channel} of {count}")));
        };
        let options = RecordBatchOptions::new().with_row_count(Some(buffers.rows));
        let columns = buffers.columns.iter_mut().map(Column::finish).collect::<Result<_, _>>()?;
        (buffers.rows, buffers.bytes) = (0, 0);
        self.held -= buffers.held;
        buffers.held = buffers.taken();
        self.held += buffers.held;
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.wire), columns, &options)?)
    }

    /// Fills `order` and `starts`.
    fn sort_by_channel(&mut self, batch: &RecordBatch, channel_of_row: &[u32]) -> Result<(), BlockError> {
        let count = self.channels.len();
        let same_types = batch.schema_ref().fields().iter().map(|field| field.data_type());
        if !same_types.eq(self.schema.fields().iter().map(|field| field.data_type())) {
            return Err(BlockError::Unfit("it has other columns than the exchange".to_owned()));
        }
        if channel_of_row.len() != batch.num_rows() || batch.num_rows() > u32::MAX as usize {
            return Err(BlockError::Unfit("there has to be one channel for each row".to_owned()));
        }
        self.starts.clear();
        self.starts.resize(count + 1, 0);
        self.order.clear();
        if count == 1 && channel_of_row.iter().all(|&channel| channel == 0) {
            self.starts[1] = channel_of_row.len();
            self.order.extend(0..channel_of_row.len() as u32);
            return Ok(());
        }
        for &channel in channel_of_row {
            match self.starts.get_mut(channel as usize + 1) {
                Some(rows) => *rows += 1,
                None => return Err(BlockError::Unfit(format!("channel {channel} of {count}"))),
            }
        }
        for channel in 0..count {
            self.starts[channel + 1] += self.starts[channel];
        }
        self.order.resize(channel_of_row.len(), 0);
        let mut next = self.starts.clone();
        for (row, &channel) in channel_of_row.iter().enumerate() {
            let place = &mut next[channel as usize];
            self.order[*place] = row as u32;
            *place += 1;
        }
        Ok(())
    }
}

impl Channel {
    fn new(schema: &SchemaRef) -> Result<Channel, BlockError> {
        let columns = schema.fields().iter().map(|field| match field.data_type() {
            DataType::BinaryView => Ok(Column::Cells(Cells::new())),
            DataType::Int64 => Ok(Column::Int64(PrimitiveBuilder::with_capacity(0))),
            DataType::UInt64 => Ok(Column::UInt64(PrimitiveBuilder::with_capacity(0))),
            DataType::UInt32 => Ok(Column::UInt32(PrimitiveBuilder::with_capacity(0))),
            kind => Err(BlockError::Unfit(format!("column {} has the type {kind}", field.name()))),
        });
        let mut channel = Channel { columns: columns.collect::<Result<_, _>>()?, rows: 0, bytes: 0, held: 0 };
        channel.held = channel.taken();
        Ok(channel)
    }

    /// Bytes that it takes of memory.
    fn taken(&self) -> usize {
        size_of::<Channel>() + self.columns.iter().map(Column::taken).sum::<usize>()
    }

    /// Adds up exactly what is about to come.
    fn check_room(&self, batch: &RecordBatch, rows: &[u32]) -> Result<(), BlockError> {
        for (column, builder) in batch.columns().iter().zip(&self.columns) {
            if let (Column::Cells(to), Some(cells)) = (builder, column.as_binary_view_opt()) {
                let added: usize = rows.iter().map(|&row| cells.value(row as usize).len()).sum();
                if to.values.len() + added > ROOM {
                    return Err(BlockError::Unfit("more than 2 GiB of values for one channel".to_owned()));
                }
            }
        }
        Ok(())
    }
}

impl Column {
    /// Appends rows of a column of the same type; how many bytes that took.
    fn append(&mut self, from: &ArrayRef, rows: &[u32]) -> usize {
        match self {
            Column::Cells(to) => from.as_binary_view_opt().map_or(0, |from| to.append(from, rows)),
            Column::Int64(to) => append_numbers(to, from.as_primitive_opt(), rows),
            Column::UInt64(to) => append_numbers(to, from.as_primitive_opt(), rows),
            Column::UInt32(to) => append_numbers(to, from.as_primitive_opt(), rows),
        }
    }

    /// Bytes that it takes of memory.
    fn taken(&self) -> usize {
        let values = match self {
            Column::Cells(cells) => cells.values.capacity() + cells.ends.capacity() * size_of::<i32>(),
            Column::Int64(numbers) => numbers.capacity() * size_of::<i64>(),
            Column::UInt64(numbers) => numbers.capacity() * size_of::<u64>(),
            Column::UInt32(numbers) => numbers.capacity() * size_of::<u32>(),
        };
        size_of::<Column>() + values
    }

    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Column::Cells(from) => Arc::new(from.finish()?),
            Column::Int64(from) => Arc::new(from.finish()),
            Column::UInt64(from) => Arc::new(from.finish()),
            Column::UInt32(from) => Arc::new(from.finish()),
        })
    }
}

impl Cells {
    fn new() -> Cells {
        Cells { values: Vec::new(), ends: vec![0], nulls: NullBufferBuilder::new(0) }
    }

    /// Appends rows, for whose values there is room; how many bytes that took.
    fn append(&mut self, from: &BinaryViewArray, rows: &[u32]) -> usize {
        let before = self.values.len();
        grow(&mut self.ends, rows.len());
        match from.null_count() {
            0 => self.nulls.append_n_non_nulls(rows.len()),
            nulls if nulls == from.len() => {
                self.nulls.append_n_nulls(rows.len());
                self.ends.resize(self.ends.len() + rows.len(), before as i32);
                return rows.len() * size_of::<i32>();
            }
            _ => rows.iter().for_each(|&row| self.nulls.append(from.is_valid(row as usize))),
        }
        let lengths = rows.iter().map(|&row| from.views()[row as usize] as u32 as usize);
        grow(&mut self.values, room_for(lengths.sum()));
        push(&mut self.values, &mut self.ends, from, rows.iter().map(|&row| row as usize));
        self.values.len() - before + rows.len() * size_of::<i32>()
    }

    fn finish(&mut self) -> Result<BinaryArray, ArrowError> {
        let Cells { values, ends, mut nulls } = std::mem::replace(self, Cells::new());
        let ends = OffsetBuffer::new(ScalarBuffer::from(ends));
        BinaryArray::try_new(ends, Buffer::from_vec(values), nulls.finish())
    }
}

/// How many bytes [`ChannelBuffers::append`] would add for each row.
pub fn row_bytes(batch: &RecordBatch) -> Vec<usize> {
    let widths = batch.columns().iter().map(|column| column.data_type().primitive_width());
    let mut bytes = vec![widths.map(|width| width.unwrap_or(size_of::<i32>())).sum(); batch.num_rows()];
    for cells in batch.columns().iter().filter_map(|column| column.as_binary_view_opt()) {
        bytes.iter_mut().zip(cells.lengths()).for_each(|(bytes, length)| *bytes += length as usize);
    }
    bytes
}

/// Makes room for more. Grows by half, not to the double: what is taken and not used counts against the task.
fn grow<T>(vector: &mut Vec<T>, more: usize) {
    if vector.capacity() - vector.len() < more {
        vector.reserve_exact(more.max(vector.len() / 2));
    }
}

fn append_numbers<T: ArrowPrimitiveType>(
    to: &mut PrimitiveBuilder<T>,
    from: Option<&PrimitiveArray<T>>,
    rows: &[u32],
) -> usize {
    let Some(from) = from else { return 0 };
    match from.null_count() {
        0 => to.extend(rows.iter().map(|&row| Some(from.value(row as usize)))),
        _ => to.extend(rows.iter().map(|&row| from.is_valid(row as usize).then(|| from.value(row as usize)))),
    }
    rows.len() * size_of::<T::Native>()
}
