//! Batches on their way between two processes: as a block, in shared memory where they are large.

use std::io::{self, Write};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::{DataType, Field, Schema};
use nestflow_batch::block::{BlockHeader, decode_buffer, encode};
use nestflow_batch::columns::cell_field;
use serde::Serialize;

use crate::message::{self, ColumnKind, Place, Shipped};
use crate::shared::{Inbox, Outbox};

/// Smaller batches go through the socket: they fit its buffer.
const LARGE: usize = 32 << 10;

/// A batch as bytes, ready to be sent.
#[derive(PartialEq)]
pub struct Packed {
    columns: Vec<(String, ColumnKind)>,
    block: Vec<u8>,
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
        Ok(Packed { columns, block })
    }

    /// The bytes of its block.
    pub fn bytes(&self) -> usize {
        self.block.len()
    }

    /// Sends it in the message that `head` makes of it.
    pub fn send<M: Serialize>(
        &self,
        stream: &mut impl Write,
        outbox: &mut Outbox,
        head: impl FnOnce(Shipped) -> M,
    ) -> io::Result<()> {
        let Packed { columns, block } = self;
        if block.len() >= LARGE
            && let Ok((slot, file, replaces)) = outbox.put(block)
        {
            let place = Place::Shared { slot, file, replaces, length: block.len() as u64 };
            return message::write(stream, &head(Shipped { columns: columns.clone(), place }), &[]);
        }
        message::write(stream, &head(Shipped { columns: columns.clone(), place: Place::Payload }), block)
    }
}

/// A batch as it was received.
pub struct Parcel {
    columns: Vec<(String, ColumnKind)>,
    block: Vec<u8>,
}

impl Parcel {
    /// Fetches the bytes of a batch.
    pub fn receive(shipped: Shipped, payload: Vec<u8>, inbox: &mut Inbox) -> io::Result<Parcel> {
        let block = match shipped.place {
            Place::Payload => payload,
            Place::Shared { slot, file, replaces, length } => {
                inbox.take((slot, file), replaces, length as usize)?
            }
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
        let block = Buffer::from_vec(self.block);
        let (_, batch) = decode_buffer(&block, &schema, "a worker").map_err(|error| error.to_string())?;
        Ok(batch)
    }
}
