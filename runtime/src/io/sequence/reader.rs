//! Reads the records of sequence files as batches of cells, pairs of `bytes`.
//!
//! A piece owns what follows the markers that begin in it (and the first piece what follows the
//! header), up to the next piece's first marker: so a file cut anywhere is read once.

use std::io;
use std::sync::Arc;
use std::vec::IntoIter;

use arrow::array::RecordBatch;
use nestflow_batch::columns::CellBuilder;
use nestflow_batch::{put, tag};

use super::MARKER;
use super::header::Header;
use super::input::{Input, LARGEST, bad, extra, variable_of};
use crate::error::{Error, Result};
use crate::io::line_batch::SCHEMA;
use crate::io::splits::{Piece, Split};
use crate::io::storage::Files;

/// Rows, and about how many bytes, of a batch.
const ROWS: usize = 4096;
const BATCH_BYTES: usize = 1 << 20;

/// The batches of a split, in order: one column `v` of cells. After an error it ends.
pub struct SequenceReader {
    files: Arc<dyn Files>,
    pieces: IntoIter<Piece>,
    current: Option<OpenFile>,
    named: bool,
}

impl SequenceReader {
    /// A reader of the split; with `named`, records are pairs of the file's path and the pair.
    pub fn new(files: Arc<dyn Files>, split: &Split, named: bool) -> SequenceReader {
        SequenceReader { files, pieces: split.pieces.clone().into_iter(), current: None, named }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let mut built = CellBuilder::with_capacity(ROWS);
        let (mut rows, mut bytes) = (0, 0);
        while rows < ROWS && bytes < BATCH_BYTES {
            let Some(file) = &mut self.current else {
                let Some(piece) = self.pieces.next() else { break };
                self.current = Some(OpenFile::open(self.files.as_ref(), &piece)?);
                continue;
            };
            let Some((key, value)) = file.next().map_err(|error| file.input.failed(error))? else {
                self.current = None;
                continue;
            };
            bytes += key.len() + value.len();
            rows += 1;
            let out = built.buffer();
            if self.named {
                put::open(out, tag::TUPLE);
                put::put_str(out, file.input.path.as_bytes(), true);
            }
            put::open(out, tag::TUPLE);
            put::put_bytes(out, &key, true);
            put::put_bytes(out, &value, true);
            put::close(out);
            if self.named {
                put::close(out);
            }
            built.commit();
        }
        if rows == 0 {
            return Ok(None);
        }
        let column = Arc::new(built.finish()?);
        Ok(Some(RecordBatch::try_new(Arc::clone(&SCHEMA), vec![column])?))
    }
}

impl Iterator for SequenceReader {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        let batch = self.next_batch();
        if batch.is_err() {
            self.current = None;
            self.pieces = Vec::new().into_iter();
        }
        batch.transpose()
    }
}

/// A piece of a sequence file, open at one of its records.
struct OpenFile {
    input: Input,
    header: Header,
    end: u64,
    /// The records of the current block, the last one first.
    block: Vec<Record>,
    over: bool,
}

type Record = (Vec<u8>, Vec<u8>);

impl OpenFile {
    fn open(files: &dyn Files, piece: &Piece) -> Result<OpenFile> {
        let mut input = Input::new(&piece.path, piece.open(files)?);
        let header = match Header::read(&mut input) {
            Ok(Some(header)) => header,
            Ok(None) => return Err(Error::Data(format!("{}: this is no sequence file", piece.path))),
            Err(error) => return Err(input.failed(error)),
        };
        let mut over = false;
        if piece.start > 0 {
            if piece.start > input.at {
                input.seek(piece.start);
            }
            over = !input.find(&header.marker, piece.end).map_err(|error| input.failed(error))?;
        }
        Ok(OpenFile { input, header, end: piece.end, block: Vec::new(), over })
    }

    fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            if let Some(record) = self.block.pop() {
                return Ok(Some(record));
            }
            if self.over || !self.input.has(1)? {
                return Ok(None);
            }
            let begin = self.input.at;
            let length = self.input.int()?;
            if length == -1 {
                if self.input.take(MARKER)? != self.header.marker {
                    return Err(bad("a wrong marker"));
                }
                if begin >= self.end {
                    self.over = true;
                } else if self.header.blocks {
                    self.block = self.read_block()?;
                }
                continue;
            }
            if self.header.blocks {
                return Err(bad("no marker before a block"));
            }
            return self.record(length).map(Some);
        }
    }

    fn record(&mut self, length: i64) -> io::Result<Record> {
        let key_length = self.input.int()?;
        let key = self.input.sized(key_length)?;
        let value = self.input.sized(length - key_length)?;
        let value = match self.header.codec {
            Some(codec) => codec.unpacked(&value, LARGEST)?,
            None => value,
        };
        Ok((self.header.classes.0.content(&key)?, self.header.classes.1.content(&value)?))
    }

    fn read_block(&mut self) -> io::Result<Vec<Record>> {
        let count = self.input.variable()?;
        let codec = self.header.codec.ok_or_else(|| bad("blocks without compression"))?;
        let mut part = || -> io::Result<Vec<u8>> {
            let length = self.input.variable()?;
            codec.unpacked(&self.input.sized(length)?, LARGEST)
        };
        let (key_lengths, keys, value_lengths, values) = (part()?, part()?, part()?, part()?);
        let mut keys = Parts { lengths: &key_lengths, bytes: &keys };
        let mut values = Parts { lengths: &value_lengths, bytes: &values };
        let mut records = Vec::new();
        for _ in 0..count {
            records.push((
                self.header.classes.0.content(keys.next()?)?,
                self.header.classes.1.content(values.next()?)?,
            ));
        }
        records.reverse();
        Ok(records)
    }
}

/// Pieces of a buffer by lengths that another one holds.
struct Parts<'a> {
    lengths: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Parts<'a> {
    fn next(&mut self) -> io::Result<&'a [u8]> {
        let short = || bad("a block that ends early");
        let (&first, rest) = self.lengths.split_first().ok_or_else(short)?;
        let (size, rest) = rest.split_at_checked(extra(first)).ok_or_else(short)?;
        self.lengths = rest;
        let length = usize::try_from(variable_of(first, size)).map_err(|_| short())?;
        let (part, rest) = self.bytes.split_at_checked(length).ok_or_else(short)?;
        self.bytes = rest;
        Ok(part)
    }
}
