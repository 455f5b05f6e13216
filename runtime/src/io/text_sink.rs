//! Writes one part of an output: each record as `str()` has it, then the delimiter; or the pairs of
//! `bytes` of a sequence file.
//!
//! Records of simple kinds are printed here; the others must come as the `str` that the host made
//! of them. `str` goes out as UTF-8 in which escaped bytes become themselves again, so that text
//! that was read comes out byte by byte.

use std::io::Write;
use std::sync::Arc;

use arrow::array::BinaryViewArray;
use flate2::Compression;
use flate2::write::GzEncoder;
use nestflow_batch::cell::{Cell, Item};
use nestflow_batch::repr::repr;
use nestflow_batch::tag;
use serde::{Deserialize, Serialize};

use super::commit;
use super::python_text;
use super::sequence::SequenceWriter;
use super::storage::{Storage, join};
use crate::error::{Error, Result};
use crate::plan::logical::SinkForm;

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 256 << 10;

/// Whether a record with this tag can be written without the host's help. A tag alone does not say
/// it of a number in key form: sinks get value cells.
pub const fn natively_printable(tag: u8) -> bool {
    matches!(tag, tag::STR | tag::INT | tag::FLOAT | tag::FALSE | tag::TRUE | tag::NONE | tag::BYTES)
}

/// What a task has to know to write parts of an output; travels to where tasks run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskOutput {
    /// Where attempts write.
    pub(super) attempts: String,
    /// Where finished parts wait for the commit.
    pub(super) parts: String,
    /// What the user will see, for messages.
    pub(super) target: String,
    /// What stands in the files.
    pub(super) form: SinkForm,
}

impl TaskOutput {
    /// Begins an attempt at part number `part`.
    pub fn part_writer(&self, storage: Arc<dyn Storage>, part: u32) -> Result<PartWriter> {
        let gzip = matches!(self.form, SinkForm::Text { gzip: true, .. });
        let suffix = if gzip { ".gz" } else { "" };
        let name = format!("part-{part:05}{suffix}");
        let attempt = join(&self.attempts, &format!("{name}-{}", commit::unique()));
        let file = storage.create(&attempt)?;
        let file = if gzip {
            PartFile::Gzip(Box::new(GzEncoder::new(file, Compression::default())))
        } else {
            PartFile::Plain(file)
        };
        let mut buffer = Vec::with_capacity(WRITE_BYTES);
        let form = match &self.form {
            SinkForm::Text { delimiter, .. } => PartForm::Text { delimiter: delimiter.clone() },
            SinkForm::Sequence { .. } => PartForm::Sequence(SequenceWriter::begin(&mut buffer)),
        };
        Ok(PartWriter {
            storage,
            file: Some(file),
            attempt,
            part: join(&self.parts, &name),
            target: join(&self.target, &name),
            form,
            buffer,
            written: Written::default(),
        })
    }
}

/// What a part came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Records.
    pub records: u64,
    /// Bytes before compression.
    pub bytes: u64,
}

/// One attempt at a part. Its file becomes the part with [`finish`](Self::finish); dropped before,
/// it goes away. Of several attempts at a part the last to finish stays.
pub struct PartWriter {
    storage: Arc<dyn Storage>,
    file: Option<PartFile>,
    attempt: String,
    part: String,
    target: String,
    form: PartForm,
    buffer: Vec<u8>,
    written: Written,
}

/// What records become.
enum PartForm {
    Text { delimiter: Vec<u8> },
    Sequence(SequenceWriter),
}

enum PartFile {
    Plain(Box<dyn Write + Send>),
    Gzip(Box<GzEncoder<Box<dyn Write + Send>>>),
}

impl PartWriter {
    /// Whether a record can be written as it is, without the encoding function.
    pub fn takes(&self, cell: &[u8]) -> bool {
        match self.form {
            PartForm::Text { .. } => cell.first().is_some_and(|&tag| natively_printable(tag)),
            PartForm::Sequence(_) => false,
        }
    }

    /// Writes records given as value cells; a null is no record.
    pub fn write(&mut self, cells: &BinaryViewArray) -> Result<()> {
        for cell in cells.iter().flatten() {
            match &mut self.form {
                PartForm::Text { delimiter } => {
                    put_text(&mut self.buffer, cell, &self.target)?;
                    self.buffer.extend_from_slice(delimiter);
                }
                PartForm::Sequence(writer) => put_pair(writer, &mut self.buffer, cell, &self.target)?,
            }
            self.written.records += 1;
            if self.buffer.len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let written = match &mut self.file {
            Some(PartFile::Plain(file)) => file.write_all(&self.buffer),
            Some(PartFile::Gzip(file)) => file.write_all(&self.buffer),
            None => Ok(()),
        };
        written.map_err(|source| Error::Io { path: self.target.clone(), source })?;
        self.written.bytes += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Makes the attempt the part.
    pub fn finish(mut self) -> Result<Written> {
        self.flush()?;
        let flushed = match self.file.take() {
            Some(PartFile::Plain(mut file)) => file.flush(),
            Some(PartFile::Gzip(file)) => file.finish().and_then(|mut file| file.flush()),
            None => Ok(()),
        };
        let renamed = match flushed {
            Ok(()) => self.storage.rename(&self.attempt, &self.part),
            Err(source) => Err(Error::Io { path: self.target.clone(), source }),
        };
        if renamed.is_err() {
            self.discard();
        }
        renamed.map(|()| self.written)
    }

    fn discard(&self) {
        if let Err(error) = self.storage.remove_tree(&self.attempt) {
            tracing::warn!(path = self.attempt, %error, "an unfinished part stays behind");
        }
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            self.discard();
        }
    }
}

/// Appends the text of a record, as `str()` has it.
fn put_text(out: &mut Vec<u8>, cell: &[u8], target: &str) -> Result<()> {
    match Cell::read(cell) {
        Ok(Cell::Str(text)) => {
            return python_text::put_str(out, &text).map_err(|surrogate| {
                Error::Data(format!(
                    "{}: cannot write the str {:?}: U+{surrogate:04X} stands for no character and no byte",
                    target,
                    shortened(&text)
                ))
            });
        }
        Ok(Cell::Int(value)) => python_text::put_int(out, value),
        Ok(Cell::Float(value)) => python_text::put_float(out, value),
        Ok(Cell::Bool(value)) => out.extend_from_slice(if value { b"True" } else { b"False" }),
        Ok(Cell::None) => out.extend_from_slice(b"None"),
        Ok(Cell::Bytes(value)) => python_text::put_bytes(out, &value),
        Ok(_) => {
            let kind = cell.first().map_or("nothing", |&tag| tag::name(tag));
            return Err(Error::Internal(format!("{}: a {kind} came to the sink unprinted", target)));
        }
        Err(error) => return Err(Error::Internal(format!("{}: {error}", target))),
    }
    Ok(())
}

/// Appends a pair of `bytes`.
fn put_pair(writer: &mut SequenceWriter, out: &mut Vec<u8>, cell: &[u8], target: &str) -> Result<()> {
    let unfit = || Error::Data(format!("{target}: a sequence file takes pairs of bytes, not {}", repr(cell)));
    let Ok(Cell::Tuple(mut items)) = Cell::read(cell) else { return Err(unfit()) };
    let mut part = || match items.next() {
        Some(Ok(Item { cell: Cell::Bytes(part), .. })) => Ok(part),
        _ => Err(unfit()),
    };
    let (key, value) = (part()?, part()?);
    if items.next().is_some() {
        return Err(unfit());
    }
    match writer.put(&key, &value, out) {
        true => Ok(()),
        false => Err(Error::Data(format!("{target}: a record of more than 2 GiB"))),
    }
}

fn shortened(text: &[u8]) -> String {
    const LONGEST: usize = 80;
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * LONGEST)]);
    text.chars().take(LONGEST).collect()
}
