//! Reads the lines of a split as batches of cells.
//!
//! A line ends with `\n` or `\r\n`, which are no part of it, or with the file; NUL is a byte like
//! any other. A piece owns the lines that begin in it, so that every line of a file cut anywhere is
//! read once. Pieces of small files share batches. A gzip file may have several members.

use std::sync::Arc;
use std::vec::IntoIter;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::line_batch::{LineBatch, SCHEMA};
use super::piece::OpenPiece;
use super::splits::{Piece, Split};
use super::storage::Files;
use crate::error::{Error, Result};

/// What lines become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextEncoding {
    /// `str`, undecodable bytes as surrogates.
    Utf8,
    /// `str`, undecodable bytes are an error.
    Utf8Strict,
    /// `bytes`.
    Bytes,
}

impl TextEncoding {
    /// The encoding of this name.
    pub fn named(name: Option<&str>) -> Result<TextEncoding> {
        match name {
            None => Ok(TextEncoding::Bytes),
            Some("utf-8") => Ok(TextEncoding::Utf8),
            Some("utf-8-strict") => Ok(TextEncoding::Utf8Strict),
            Some(other) => Err(Error::Plan(format!(
                "unknown text encoding {other:?}. It is \"utf-8\", \"utf-8-strict\" or None (bytes)"
            ))),
        }
    }
}

/// How large things may become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Rows of a batch.
    pub(super) rows: usize,
    /// Least and most bytes that a batch makes room for; a longer line still gets its room.
    pub(super) batch_bytes: (usize, usize),
    /// Bytes of a line.
    pub(super) line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { rows: 8192, batch_bytes: (64 << 10, 1 << 20), line_bytes: 64 << 20 }
    }
}

/// The batches of a split, in order: one column `v` of cells, never null. After an error it ends.
pub struct TextReader {
    files: Arc<dyn Files>,
    pieces: IntoIter<Piece>,
    current: Option<OpenPiece>,
    encoding: TextEncoding,
    limits: Limits,
    /// Read but not yet taken.
    rest: Vec<u8>,
    /// Bytes that a full batch is likely to have.
    expected: usize,
}

impl TextReader {
    /// A reader of the split; opens its files one after the other.
    pub fn new(files: Arc<dyn Files>, split: &Split, encoding: TextEncoding) -> TextReader {
        TextReader::with_limits(files, split, encoding, Limits::default())
    }

    pub(super) fn with_limits(
        files: Arc<dyn Files>,
        split: &Split,
        encoding: TextEncoding,
        limits: Limits,
    ) -> TextReader {
        TextReader {
            files,
            pieces: split.pieces.clone().into_iter(),
            current: None,
            encoding,
            limits,
            rest: Vec::new(),
            expected: limits.batch_bytes.1 / 2,
        }
    }

    /// The schema of its batches.
    pub fn schema() -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut batch = LineBatch::new(&self.rest, self.expected.min(self.left()));
        self.rest.clear();
        while batch.rows() < self.limits.rows {
            let Some(piece) = &mut self.current else {
                let Some(piece) = self.pieces.next() else { break };
                self.current = Some(OpenPiece::open(self.files.as_ref(), &piece)?);
                continue;
            };
            batch.take_lines(piece, self.encoding, &self.limits)?;
            if batch.is_past(piece) {
                self.current = None;
                batch.drop_rest();
            } else if batch.rows() == self.limits.rows || (batch.is_full() && batch.rows() > 0) {
                break;
            } else {
                if batch.is_full() {
                    batch.grow(piece, &self.limits)?;
                }
                if !batch.fill(piece)? {
                    self.current = None;
                    batch.drop_rest();
                }
            }
        }
        if batch.rows() == 0 {
            return Ok(None);
        }
        self.rest.extend_from_slice(batch.rest());
        let (least, most) = self.limits.batch_bytes;
        self.expected = ((batch.taken_bytes() / batch.rows() + 1) * self.limits.rows).clamp(least, most);
        batch.finish().map(Some)
    }

    /// No more bytes than these will be needed, but for the end of a last line.
    fn left(&self) -> usize {
        const MARGIN: u64 = 256;
        let current = self.current.as_ref().map_or(0, |piece| piece.end().saturating_sub(piece.at()));
        let to_come = self
            .pieces
            .as_slice()
            .iter()
            .map(|piece| if piece.is_gzip() { u64::MAX } else { piece.end - piece.start });
        let left = to_come.fold(current, u64::saturating_add).saturating_add(MARGIN);
        left.try_into().unwrap_or(usize::MAX)
    }
}

impl Iterator for TextReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        let batch = self.next_batch();
        if batch.is_err() {
            self.current = None;
            self.pieces = Vec::new().into_iter();
            self.rest.clear();
        }
        batch.transpose()
    }
}
