//! Lines as cells, without copying them: the bytes are read into the buffer that the batch will
//! keep, and the byte before each line (the newline before it, no longer needed) becomes the cell's
//! tag. Arrow views then point at tag and line; lines short enough lie inside their view.
//!
//! Text that is not UTF-8 is the exception: such lines are written out with their undecodable bytes
//! escaped, into a second buffer.

use std::sync::{Arc, LazyLock};

use arrow::array::{BinaryViewArray, RecordBatch};
use arrow::buffer::{Buffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use nestflow_batch::tag;

use super::piece::OpenPiece;
use super::text_source::{Limits, TextEncoding};
use crate::error::{Error, Result};

/// The schema of lines: a column `v` of value cells.
pub(super) static SCHEMA: LazyLock<SchemaRef> =
    LazyLock::new(|| Arc::new(Schema::new(vec![Field::new("v", DataType::BinaryView, true)])));

/// Views read whole words: so many bytes after the last are always there.
const PADDING: usize = 16;
/// The longest cell that lies inside its view.
const INLINE: usize = 12;

/// A batch that is being made.
pub(super) struct LineBatch {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that hold text.
    filled: usize,
    /// Where the first line that is not taken begins; the byte before it is free.
    line: usize,
    /// There is no newline from `line` to here.
    searched: usize,
    /// The newline at the end of the text is ours, not the file's.
    completed: bool,
    views: Vec<u128>,
    /// Whether a view points into `buffer`.
    used: bool,
    /// Cells that could not stay as they were read.
    escaped: Vec<u8>,
}

impl LineBatch {
    /// Starts with text left over from the batch before, and room for `room` bytes more.
    pub(super) fn new(rest: &[u8], room: usize) -> LineBatch {
        // One byte for the first tag, one for a newline that the file may lack.
        let mut buffer = vec![0; 1 + rest.len() + room + 1 + PADDING];
        buffer[1..1 + rest.len()].copy_from_slice(rest);
        LineBatch {
            buffer,
            filled: 1 + rest.len(),
            line: 1,
            searched: 1,
            completed: false,
            views: Vec::new(),
            used: false,
            escaped: Vec::new(),
        }
    }

    /// Lines taken so far.
    pub(super) fn rows(&self) -> usize {
        self.views.len()
    }

    /// Bytes of the lines taken so far.
    pub(super) fn taken_bytes(&self) -> usize {
        self.line - 1
    }

    /// The text that no line was taken of.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.line..self.filled - usize::from(self.completed && self.line < self.filled)]
    }

    /// Drops the text that no line was taken of: it is another piece's.
    pub(super) fn drop_rest(&mut self) {
        self.filled = self.line;
        self.searched = self.line;
        self.completed = false;
    }

    fn room(&self) -> usize {
        (self.buffer.len() - PADDING - 1).saturating_sub(self.filled)
    }

    /// Whether nothing more can be read without [`grow`](Self::grow).
    pub(super) fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// Makes room for more of the one line that fills the buffer, up to `line_bytes` and its end.
    pub(super) fn grow(&mut self, piece: &OpenPiece, limits: &Limits) -> Result<()> {
        let most = self.line + limits.line_bytes + "\r\n".len() + 1 + PADDING;
        if self.buffer.len() >= most {
            return Err(piece.line_error(self.offset(piece, self.line), &too_long(limits)));
        }
        self.buffer.resize((self.buffer.len() * 2).min(most), 0);
        Ok(())
    }

    /// Reads more text. At the end of the file, completes a last line that has no newline; gives
    /// false if there is nothing to complete.
    pub(super) fn fill(&mut self, piece: &mut OpenPiece) -> Result<bool> {
        let room = self.room();
        let read = piece.read(&mut self.buffer[self.filled..self.filled + room])?;
        if read > 0 {
            self.filled += read;
            return Ok(true);
        }
        if self.filled == self.line || self.completed {
            return Ok(false);
        }
        self.buffer[self.filled] = b'\n';
        self.filled += 1;
        self.completed = true;
        Ok(true)
    }

    /// Offset in the file of a place in the buffer.
    fn offset(&self, piece: &OpenPiece, place: usize) -> u64 {
        piece.at() + u64::from(self.completed) - (self.filled - place) as u64
    }

    /// Whether the next line, if there is one, is not the piece's.
    pub(super) fn is_past(&self, piece: &OpenPiece) -> bool {
        self.offset(piece, self.line) >= piece.end()
    }

    /// Takes the complete lines of the piece, as far as the batch has rows left.
    pub(super) fn take_lines(
        &mut self,
        piece: &OpenPiece,
        encoding: TextEncoding,
        limits: &Limits,
    ) -> Result<()> {
        let Some(last) = memchr::memrchr(b'\n', &self.buffer[self.searched..self.filled]) else {
            self.searched = self.filled;
            return Ok(());
        };
        let from = self.line;
        let region = from..self.searched + last + 1;
        self.searched = region.end;
        let valid =
            encoding == TextEncoding::Bytes || std::str::from_utf8(&self.buffer[region.clone()]).is_ok();
        let tag = if encoding == TextEncoding::Bytes { tag::BYTES } else { tag::STR };
        let owned = piece.end().saturating_sub(self.offset(piece, from));
        let first_row = self.views.len();
        for newline in memchr::memchr_iter(b'\n', &self.buffer[region]) {
            let (start, newline) = (self.line, from + newline);
            if (start - from) as u64 >= owned || self.views.len() == limits.rows {
                break;
            }
            let ours = self.completed && newline + 1 == self.filled;
            let carriage_return = !ours && newline > start && self.buffer[newline - 1] == b'\r';
            let end = newline - usize::from(carriage_return);
            if end - start > limits.line_bytes {
                return Err(piece.line_error(self.offset(piece, start), &too_long(limits)));
            }
            let line = &self.buffer[start..end];
            if valid || std::str::from_utf8(line).is_ok() {
                self.views.push(view(tag, word(&self.buffer, start), end - start, 0, start - 1));
            } else if encoding == TextEncoding::Utf8 {
                let begin = self.escaped.len();
                self.escaped.push(tag);
                escape(line, &mut self.escaped);
                let length = self.escaped.len() - begin - 1;
                self.views.push(view(tag, word(&self.escaped, begin + 1), length, 1, begin));
            } else {
                return Err(piece.line_error(self.offset(piece, start), "is not UTF-8"));
            }
            self.line = newline + 1;
        }
        self.write_tags(first_row, tag);
        Ok(())
    }

    /// Puts the tags before the lines that stay in the buffer.
    fn write_tags(&mut self, first_row: usize, tag: u8) {
        for view in &self.views[first_row..] {
            let (length, buffer, offset) = (*view as u32, (*view >> 64) as u32, (*view >> 96) as u32);
            if length as usize > INLINE && buffer == 0 {
                self.buffer[offset as usize] = tag;
                self.used = true;
            }
        }
    }

    /// The batch.
    pub(super) fn finish(mut self) -> Result<RecordBatch> {
        let mut buffers = Vec::new();
        if self.used || !self.escaped.is_empty() {
            self.buffer.truncate(self.line);
            if self.buffer.capacity() > 2 * self.buffer.len() {
                self.buffer.shrink_to_fit();
            }
            buffers.push(Buffer::from_vec(self.buffer));
        }
        if !self.escaped.is_empty() {
            buffers.push(Buffer::from_vec(self.escaped));
        }
        let cells = BinaryViewArray::try_new(ScalarBuffer::from(self.views), buffers, None);
        let cells = Arc::new(cells.map_err(|e| Error::Internal(format!("lines as views: {e}")))?);
        RecordBatch::try_new(Arc::clone(&SCHEMA), vec![cells])
            .map_err(|e| Error::Internal(format!("lines as a batch: {e}")))
    }
}

/// An Arrow view of the cell that is `tag` and the `length` bytes that `word` begins with.
fn view(tag: u8, word: u128, length: usize, buffer: u128, offset: usize) -> u128 {
    let size = length + 1;
    let head = size as u128 | u128::from(tag) << 32;
    if size <= INLINE {
        let kept = word & !(u128::MAX << (8 * length));
        return head | kept << 40;
    }
    let prefix = word & 0x00FF_FFFF;
    head | prefix << 40 | buffer << 64 | (offset as u128) << 96
}

/// The bytes from `start` on, the first lowest; zeros after the last.
fn word(bytes: &[u8], start: usize) -> u128 {
    match bytes[start..].first_chunk::<16>() {
        Some(chunk) => u128::from_le_bytes(*chunk),
        None => bytes[start..].iter().rev().fold(0, |word, &byte| word << 8 | u128::from(byte)),
    }
}

/// Appends text with each undecodable byte as the surrogate U+DC00 + byte, as Python's
/// `surrogateescape` has it.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        for &byte in chunk.invalid() {
            out.extend_from_slice(&[0xED, 0xB0 | (byte >> 6), 0x80 | (byte & 0x3F)]);
        }
    }
}

fn too_long(limits: &Limits) -> String {
    format!("is longer than {} bytes", limits.line_bytes)
}
