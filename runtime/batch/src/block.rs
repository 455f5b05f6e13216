//! Blocks: a batch, addressed to a channel, as bytes. What shuffles, spill files and caches carry.
//!
//! A fixed header, a bitmap of the columns that are present, an Arrow IPC record batch message and
//! its data; two CRC32C sums. `docs/block-format.md` describes every byte. A block carries no
//! schema: both ends know it, and the header holds its fingerprint. Whatever is wrong with a block
//! is an error that names where it came from, before anything large is allocated.

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_schema::{ArrowError, DataType, Schema, SchemaRef};
use xxhash_rust::xxh3::Xxh3Default;

use crate::body;

/// Opens every block.
pub const MAGIC: [u8; 4] = *b"NFB1";
/// The version that this build writes and reads.
pub const VERSION: u16 = 1;
/// Bytes of the header; also how many [`BlockHeader::read`] needs.
pub const HEADER_LEN: usize = 48;
/// Flag: the data is compressed with LZ4.
const FLAG_LZ4: u16 = 1;

/// What a block says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockHeader {
    /// The channel that the rows are for.
    pub channel: u32,
    /// Ordinal of the task that made it, within its stage.
    pub producer: u32,
    /// Which block of that task and channel it is: with `producer`, the order of rows.
    pub sequence: u32,
    /// Rows; [`encode`] takes the batch's.
    pub rows: u32,
}

/// A block that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The bytes are not a good block for this schema.
    #[error("bad block from {origin}: {reason}")]
    Bad {
        /// Where the bytes came from, in the reader's words.
        origin: String,
        /// What is wrong with them.
        reason: String,
    },
    /// The batch does not fit the format.
    #[error("batch cannot be a block: {0}")]
    Unfit(String),
    /// Arrow could not build the batch.
    #[error("batch cannot be a block")]
    Arrow(#[from] ArrowError),
}

/// The header's fields in the order of the format.
struct Parts {
    header: BlockHeader,
    compressed: bool,
    fingerprint: u32,
    columns: u32,
    message_len: u32,
    data_len: u32,
    body_crc: u32,
}

impl BlockHeader {
    /// Reads a header, and the length of the whole block: how a reader finds the end of a block in
    /// a stream. The header is checked, what follows it is not.
    pub fn read(bytes: &[u8], origin: &str) -> Result<(BlockHeader, u64), BlockError> {
        let parts = Parts::read(bytes).map_err(|reason| bad(origin, reason))?;
        Ok((parts.header, parts.block_len()))
    }
}

/// Appends the batch as a block. `header.rows` is ignored. Cell columns are written as plain
/// `Binary`, columns without any value not at all; nested Arrow types do not fit.
pub fn encode(
    header: &BlockHeader,
    batch: &RecordBatch,
    compression: bool,
    out: &mut Vec<u8>,
) -> Result<(), BlockError> {
    let schema = batch.schema();
    let body = body::write(batch, compression)?;
    let length = |length: usize| {
        u32::try_from(length).map_err(|_| BlockError::Unfit(format!("{length} bytes, limit 4 GiB")))
    };
    let mut parts = Parts {
        header: BlockHeader { rows: length(batch.num_rows())?, ..*header },
        compressed: compression,
        fingerprint: fingerprint(&schema),
        columns: length(schema.fields().len())?,
        message_len: length(body.message.len())?,
        data_len: length(body.data.len())?,
        body_crc: 0,
    };
    let crc = crc32c::crc32c(&body.present);
    let crc = crc32c::crc32c_append(crc, &body.message);
    parts.body_crc = crc32c::crc32c_append(crc, &body.data);
    out.reserve(HEADER_LEN + body.present.len() + body.message.len() + body.data.len());
    parts.write(out);
    out.extend_from_slice(&body.present);
    out.extend_from_slice(&body.message);
    out.extend_from_slice(&body.data);
    Ok(())
}

/// Reads exactly one block; the batch holds a copy of the bytes.
pub fn decode(
    bytes: &[u8],
    schema: &SchemaRef,
    origin: &str,
) -> Result<(BlockHeader, RecordBatch), BlockError> {
    decode_buffer(&Buffer::from(bytes), schema, origin)
}

/// Reads exactly one block. Uncompressed data is not copied: the batch keeps the buffer (say, a
/// mapped file) alive instead.
pub fn decode_buffer(
    block: &Buffer,
    schema: &SchemaRef,
    origin: &str,
) -> Result<(BlockHeader, RecordBatch), BlockError> {
    let bad = |reason| bad(origin, reason);
    let parts = Parts::read(block).map_err(bad)?;
    if parts.block_len() != block.len() as u64 {
        return Err(bad(format!("{} bytes, header says {}", block.len(), parts.block_len())));
    }
    let found = crc32c::crc32c(&block[HEADER_LEN..]);
    if found != parts.body_crc {
        return Err(bad(format!("checksum is {found:08x}, header says {:08x}", parts.body_crc)));
    }
    if parts.columns as usize != schema.fields().len() || parts.fingerprint != fingerprint(schema) {
        return Err(bad(format!("made for another schema than {}", names(schema))));
    }
    let message = HEADER_LEN + present_len(parts.columns);
    let data = message + parts.message_len as usize;
    let body = body::Written {
        present: &block[HEADER_LEN..message],
        message: &block[message..data],
        data: block.slice(data),
    };
    let batch = body::read(&body, schema, parts.header.rows as usize, parts.compressed).map_err(bad)?;
    Ok((parts.header, batch))
}

impl Parts {
    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(if self.compressed { FLAG_LZ4 } else { 0 }).to_le_bytes());
        let BlockHeader { channel, producer, sequence, rows } = self.header;
        let words = [channel, producer, sequence, rows, self.fingerprint, self.columns];
        for word in words.into_iter().chain([self.message_len, self.data_len, self.body_crc]) {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let crc = crc32c::crc32c(&out[start..]);
        out.extend_from_slice(&crc.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Result<Parts, String> {
        let Some(bytes) = bytes.get(..HEADER_LEN) else {
            return Err(format!("{} bytes, a header has {HEADER_LEN}", bytes.len()));
        };
        if bytes[..4] != MAGIC {
            return Err("does not begin with NFB1".to_owned());
        }
        let version = word(bytes, 4) as u16;
        if version != VERSION {
            return Err(format!("format version {version}, this build reads {VERSION}"));
        }
        if crc32c::crc32c(&bytes[..44]) != word(bytes, 44) {
            return Err("checksum of the header does not match".to_owned());
        }
        let flags = (word(bytes, 4) >> 16) as u16;
        if flags & !FLAG_LZ4 != 0 {
            return Err(format!("unknown flags {flags:#06x}"));
        }
        Ok(Parts {
            header: BlockHeader {
                channel: word(bytes, 8),
                producer: word(bytes, 12),
                sequence: word(bytes, 16),
                rows: word(bytes, 20),
            },
            compressed: flags & FLAG_LZ4 != 0,
            fingerprint: word(bytes, 24),
            columns: word(bytes, 28),
            message_len: word(bytes, 32),
            data_len: word(bytes, 36),
            body_crc: word(bytes, 40),
        })
    }

    fn block_len(&self) -> u64 {
        (HEADER_LEN + present_len(self.columns)) as u64
            + u64::from(self.message_len)
            + u64::from(self.data_len)
    }
}

/// Bytes of the bitmap of present columns: whole 64-bit words.
fn present_len(columns: u32) -> usize {
    (columns as usize).div_ceil(64) * 8
}

/// Tells schemas apart: 32 bits of a hash of the columns' names and types. `Binary` is `BinaryView` here: they
/// are written alike, and who has the one may read the other.
fn fingerprint(schema: &Schema) -> u32 {
    let mut hash = Xxh3Default::new();
    for field in schema.fields() {
        hash.update(field.name().as_bytes());
        hash.update(&[0]);
        let kind =
            if field.data_type() == &DataType::Binary { &DataType::BinaryView } else { field.data_type() };
        hash.update(kind.to_string().as_bytes());
        hash.update(&[0]);
    }
    hash.digest() as u32
}

fn names(schema: &Schema) -> String {
    let names: Vec<_> = schema.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect();
    format!("({})", names.join(", "))
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes[at..at + 4].iter().rev().fold(0, |word, &byte| (word << 8) | u32::from(byte))
}

fn bad(origin: &str, reason: String) -> BlockError {
    BlockError::Bad { origin: origin.to_owned(), reason }
}
