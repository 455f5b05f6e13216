//! Makes one file of the parts that tasks have written: on one machine, an output is one part unless
//! somebody asks for more. Tasks write at the same time all the same, and compress as they do.
//!
//! Text, gzip members and sequence files behind their header can follow each other in a file.

use super::commit::unique;
use super::storage::{Files, join};
use super::text_sink::{TaskOutput, Written};
use crate::error::{Error, Result};

/// Bytes that are copied at a time.
const COPY_BYTES: usize = 1 << 20;

/// Writes a further attempt, at part 0, with what all these hold.
pub(super) fn join_parts(
    output: &TaskOutput,
    parts: &[Written],
    files: &dyn Files,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Written> {
    let attempt = format!("{}-{}", output.part_name(0), unique());
    let path = join(&output.attempts, &attempt);
    let mut file = files.create(&path)?;
    let mut joined = Written { attempt, ..Written::default() };
    let mut buffer = vec![0; COPY_BYTES];
    for part in parts {
        let from = join(&output.attempts, &part.attempt);
        let (mut bytes, _) = files.open(&from)?;
        let mut at = if joined.size == 0 { 0 } else { output.header() };
        loop {
            go_on()?;
            let read = bytes.read_at(&mut buffer, at).map_err(io_at(&from))?;
            if read == 0 {
                break;
            }
            file.write_all(&buffer[..read]).map_err(io_at(&path))?;
            at += read as u64;
            joined.size += read as u64;
        }
        joined.records += part.records;
        joined.bytes += part.bytes;
        files.remove_tree(&from)?;
    }
    file.finish().map_err(io_at(&path))?;
    Ok(joined)
}

fn io_at(path: &str) -> impl FnOnce(std::io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_owned(), source }
}
