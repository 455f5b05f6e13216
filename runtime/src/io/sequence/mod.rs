//! Hadoop sequence files: pairs of key and value, with markers in between at which a reader can
//! begin. `reader` takes them apart (`input` the bytes, `header` what the file says of itself,
//! `codec` the compression), `writer` makes them.
//!
//! Version 6 of the format: a header (classes of key and value, compression, metadata, a marker of
//! sixteen bytes), then records, or blocks of records; before a block, and now and then before a
//! record, stand four bytes of ones and the marker. Numbers are big endian.

mod codec;
mod header;
mod input;
mod reader;
mod writer;

pub use reader::SequenceReader;
pub(super) use writer::SequenceWriter;

/// First bytes of a sequence file: a name and the newest version.
const MAGIC: [u8; 4] = *b"SEQ\x06";
/// Stands where a length would, and says that the marker follows.
const ESCAPE: [u8; 4] = [0xFF; 4];
/// Bytes of a marker.
const MARKER: usize = 16;
/// The class whose values are bytes after their length.
const BYTES: &str = "org.apache.hadoop.io.BytesWritable";
