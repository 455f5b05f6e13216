//! Writes sequence files: `BytesWritable` keys and values, not compressed.

use super::{BYTES, ESCAPE, MAGIC, MARKER};

/// Bytes between markers.
const BETWEEN_MARKERS: usize = 100 * (ESCAPE.len() + MARKER);

/// One file that is being written; its bytes go to the buffers that it is given.
pub(crate) struct SequenceWriter {
    marker: [u8; MARKER],
    since_marker: usize,
}

impl SequenceWriter {
    /// A writer, and the header of its file. What follows the header can be appended to another file with
    /// the same marker.
    pub(crate) fn begin(marker: [u8; MARKER], out: &mut Vec<u8>) -> SequenceWriter {
        out.extend_from_slice(&MAGIC);
        for class in [BYTES, BYTES] {
            out.push(class.len() as u8);
            out.extend_from_slice(class.as_bytes());
        }
        // Neither records nor blocks are compressed, and there is no metadata.
        out.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
        out.extend_from_slice(&marker);
        SequenceWriter { marker, since_marker: 0 }
    }

    /// Appends a record. False: it is longer than the format allows, and nothing was written.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], out: &mut Vec<u8>) -> bool {
        let length = |bytes: &[u8]| i32::try_from(bytes.len() + 4).ok();
        let (Some(key_length), Some(value_length)) = (length(key), length(value)) else { return false };
        let Some(record) = key_length.checked_add(value_length) else { return false };
        if self.since_marker >= BETWEEN_MARKERS {
            out.extend_from_slice(&ESCAPE);
            out.extend_from_slice(&self.marker);
            self.since_marker = 0;
        }
        let before = out.len();
        out.extend_from_slice(&record.to_be_bytes());
        out.extend_from_slice(&key_length.to_be_bytes());
        for bytes in [key, value] {
            out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            out.extend_from_slice(bytes);
        }
        self.since_marker += out.len() - before;
        true
    }
}
