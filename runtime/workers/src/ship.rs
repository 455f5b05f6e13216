//! Batches on their way between two processes: as a block, in shared memory where they are large.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Schema};
use nestflow_batch::block::{BlockHeader, decode_buffer, encode};
use nestflow_batch::columns::cell_field;
use serde::Serialize;

use crate::mapped::{Mapped, map_of};
use crate::message::{self, ColumnKind, Place, Shipped};
use crate::shared::{Inbox, Outbox};

/// Smaller batches go through the socket: they fit its buffer.
const LARGE: usize = 32 << 10;
/// Smaller ones are not worth a file of their own, however many want them.
const SHARED: usize = 1 << 20;

/// A batch as bytes, ready to be sent.
pub struct Packed {
    columns: Vec<(String, ColumnKind)>,
    block: Block,
}

/// Where the bytes are.
enum Block {
    Here(Vec<u8>),
    /// In memory that receivers map, so that all of them share it.
    Mapped(Mapped),
}

impl Block {
    fn bytes(&self) -> &[u8] {
        match self {
            Block::Here(bytes) => bytes,
            Block::Mapped(mapped) => mapped.bytes(),
        }
    }
}

impl Packed {
    /// Encodes the batch.
    pub fn of(batch: &RecordBatch) -> Result<Packed, String> {
        let columns = batch.schema_ref().fields().iter().map(|field| {
            let kind = match field.data_type() {
                DataType::BinaryView => ColumnKind::Cells,
                DataType::UInt32 => ColumnKind::U32,
                DataType::UInt64 => ColumnKind::U64,
                other => return Err(format!("column {} has the type {other}", field.name())),
            };
            Ok((field.name().clone(), kind))
        });
        let columns = columns.collect::<Result<_, _>>()?;
        let mut block = Vec::new();
        encode(&BlockHeader::default(), batch, false, &mut block).map_err(|error| error.to_string())?;
        Ok(Packed { columns, block: Block::Here(block) })
    }

    /// Puts what is large where several receivers can map it, if the system has such a place.
    pub fn for_several(self) -> Packed {
        let Packed { columns, block } = self;
        let block = match block {
            Block::Here(bytes) if bytes.len() >= SHARED => {
                Mapped::new(&bytes).map_or(Block::Here(bytes), Block::Mapped)
            }
            other => other,
        };
        Packed { columns, block }
    }

    /// The bytes of its block.
    pub fn bytes(&self) -> usize {
        self.block.bytes().len()
    }

    /// Whether a receiver that can is to map it.
    pub fn is_mapped(&self) -> bool {
        matches!(self.block, Block::Mapped(_))
    }

    /// Sends it in the message that `head` makes of it. What is mapped has to stay until the receiver has
    /// answered something that was sent later.
    pub fn send<M: Serialize>(
        &self,
        stream: &mut impl Write,
        outbox: &mut Outbox,
        head: impl FnOnce(Shipped) -> M,
    ) -> io::Result<()> {
        let columns = self.columns.clone();
        let say = |place, payload: &[u8]| message::write(stream, &head(Shipped { columns, place }), payload);
        let block = self.block.bytes();
        let length = block.len() as u64;
        if let Block::Mapped(mapped) = &self.block
            && outbox.shares()
        {
            return say(Place::Mapped { file: mapped.file(), length }, &[]);
        }
        if block.len() >= LARGE
            && let Ok((slot, file, replaces)) = outbox.put(block)
        {
            return say(Place::Shared { slot, file, replaces, length }, &[]);
        }
        say(Place::Payload, block)
    }
}

/// A batch as it was received.
pub struct Parcel {
    columns: Vec<(String, ColumnKind)>,
    block: Buffer,
}

impl Parcel {
    /// Fetches the bytes of a batch.
    pub fn receive(shipped: Shipped, payload: Vec<u8>, inbox: &mut Inbox) -> io::Result<Parcel> {
        let block = match shipped.place {
            Place::Payload => Buffer::from_vec(payload),
            Place::Shared { slot, file, replaces, length } => {
                Buffer::from_vec(inbox.take((slot, file), replaces, length as usize)?)
            }
            Place::Mapped { file, length } => map_of(inbox.sender(), file, length)?,
        };
        Ok(Parcel { columns: shipped.columns, block })
    }

    /// Decodes it; the batch keeps the bytes.
    pub fn open(self) -> Result<RecordBatch, String> {
        let fields = self.columns.into_iter().map(|(name, kind)| match kind {
            ColumnKind::Cells => cell_field(name),
            ColumnKind::U32 => Field::new(name, DataType::UInt32, false),
            ColumnKind::U64 => Field::new(name, DataType::UInt64, false),
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let (_, batch) =
            decode_buffer(&self.block, &schema, "a worker").map_err(|error| error.to_string())?;
        Ok(batch)
    }
}
