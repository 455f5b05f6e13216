//! Writes one part of an output: each record as `str()` has it, then the delimiter; or the pairs of
//! `bytes` of a sequence file.
//!
//! Records of simple kinds are printed here; the others must come as the `str` that the host made
//! of them. `str` goes out as UTF-8 in which escaped bytes become themselves again, so that text
//! that was read comes out byte by byte.

use std::sync::Arc;

use arrow::array::BinaryViewArray;
use nestflow_batch::cell::{Cell, Item};
use nestflow_batch::repr::repr;
use nestflow_batch::tag;
use serde::{Deserialize, Serialize};

use super::commit;
use super::part_file::PartFile;
use super::python_text;
use super::sequence::SequenceWriter;
use super::storage::{Files, join};
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
    /// What the user will see, for messages.
    pub(super) target: String,
    /// What stands in the files.
    pub(super) form: SinkForm,
    /// The marker of sequence files, the same in all parts.
    pub(super) marker: [u8; 16],
    /// Whether files are written behind their tasks.
    pub(super) behind: bool,
}

impl TaskOutput {
    /// Begins an attempt at part number `part`.
    pub fn part_writer(&self, files: Arc<dyn Files>, part: u32) -> Result<PartWriter> {
        let name = self.part_name(part);
        let attempt = format!("{name}-{}", commit::unique());
        let path = join(&self.attempts, &attempt);
        let file = PartFile::new(files.create(&path)?, self.gzip(), self.behind);
        let mut buffer = Vec::with_capacity(WRITE_BYTES);
        let form = match &self.form {
            SinkForm::Text { delimiter, encode, .. } => {
                PartForm::Text { delimiter: delimiter.clone(), encoded: encode.is_some() }
            }
            SinkForm::Sequence { .. } => PartForm::Sequence(SequenceWriter::begin(self.marker, &mut buffer)),
        };
        Ok(PartWriter {
            files,
            file: Some(file),
            path,
            target: join(&self.target, &name),
            form,
            buffer,
            written: Written { part, attempt, ..Written::default() },
        })
    }

    /// Where attempts write.
    pub(crate) fn attempts(&self) -> &str {
        &self.attempts
    }

    /// The bytes at the beginning of every part that stand there once where parts become one.
    pub(super) fn header(&self) -> u64 {
        let mut header = Vec::new();
        if let SinkForm::Sequence { .. } = self.form {
            SequenceWriter::begin(self.marker, &mut header);
        }
        header.len() as u64
    }

    /// The directory that appears in the end.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What a part is called in the end.
    pub(super) fn part_name(&self, part: u32) -> String {
        format!("part-{part:05}{}", if self.gzip() { ".gz" } else { "" })
    }

    fn gzip(&self) -> bool {
        matches!(self.form, SinkForm::Text { gzip: true, .. })
    }
}

/// What a part came to; travels to who commits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Its number.
    pub part: u32,
    /// The name of the file, which no other attempt has.
    pub attempt: String,
    /// Records.
    pub records: u64,
    /// Bytes before compression.
    pub bytes: u64,
    /// Bytes of the file.
    pub size: u64,
    /// CRC32C of the file.
    pub crc32c: u32,
}

/// One attempt at a part. Its file stays with [`finish`](Self::finish); dropped before, it goes away.
/// Of several attempts at a part, who commits takes one.
pub struct PartWriter {
    files: Arc<dyn Files>,
    file: Option<PartFile>,
    path: String,
    target: String,
    form: PartForm,
    buffer: Vec<u8>,
    written: Written,
}

/// What records become.
enum PartForm {
    Text { delimiter: Vec<u8>, encoded: bool },
    Sequence(SequenceWriter),
}

impl PartWriter {
    /// Whether a record can be written as it is, without the encoding function.
    pub fn takes(&self, cell: &[u8]) -> bool {
        match self.form {
            PartForm::Text { encoded: true, .. } => false,
            PartForm::Text { .. } => cell.first().is_some_and(|&tag| natively_printable(tag)),
            PartForm::Sequence(_) => false,
        }
    }

    /// Writes records given as value cells; a null is no record.
    pub fn write(&mut self, cells: &BinaryViewArray) -> Result<()> {
        for cell in cells.iter().flatten() {
            match &mut self.form {
                PartForm::Text { delimiter, .. } => {
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
        self.written.bytes += self.buffer.len() as u64;
        let written = self.file.as_mut().map_or(Ok(()), |file| file.write(&mut self.buffer));
        written.map_err(|source| Error::Io { path: self.target.clone(), source })
    }

    /// Makes the file whole, and says what it is.
    pub fn finish(mut self) -> Result<Written> {
        let mut written = std::mem::take(&mut self.written);
        written.bytes += self.buffer.len() as u64;
        let finished = self.file.take().map_or(Ok((0, 0)), |file| file.finish(&mut self.buffer));
        (written.size, written.crc32c) = finished.map_err(|source| {
            self.discard();
            Error::Io { path: self.target.clone(), source }
        })?;
        Ok(written)
    }

    fn discard(&self) {
        if let Err(error) = self.files.remove_tree(&self.path) {
            tracing::warn!(path = self.path, %error, "an unfinished part stays behind");
        }
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            // Its thread, if it has one, is at its end after this.
            drop(file);
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
