//! How files are shared out to tasks.
//!
//! A big file is cut by size, so that all cores have work; small ones that follow each other share
//! a split, so that thousands of files do not make thousands of tasks; a gzip file is never cut.
//! Splits are in the order of the source: by file, then by position.

use serde::{Deserialize, Serialize};

use super::paths::SourceFile;
use super::storage::{Files, ReadAt, Stamp};
use crate::error::{Error, Result};

/// No split is made smaller than this for the sake of more tasks.
const SMALLEST: u64 = 64 << 10;
/// What opening a file costs, in bytes that could have been read instead.
const OPEN_COST: u64 = 16 << 10;

/// What one task reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Its place in the order of the source, from 0.
    pub index: u32,
    /// What to read, in order; may be nothing.
    pub pieces: Vec<Piece>,
}

impl Split {
    /// Bytes of its files, as they lie there.
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.end - piece.start).sum()
    }
}

/// A range of one file: the lines that *begin* in `start..end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The file's resolved path.
    pub path: String,
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// Whether only the client's machine need have the file.
    pub of_client: bool,
    /// Where tasks find the file, if not there: a copy.
    pub copy: Option<String>,
    /// The content of the file that was cut: no other is read.
    pub stamp: Stamp,
}

impl Piece {
    /// Opens the file. One that is not what it was when it was cut is an error: other tasks, or an
    /// earlier attempt at this one, may have read the other content.
    pub(super) fn open(&self, files: &dyn Files) -> Result<Box<dyn ReadAt>> {
        let (file, stamp) = files.open(self.copy.as_ref().unwrap_or(&self.path))?;
        if stamp == self.stamp {
            return Ok(file);
        }
        let (path, before) = (&self.path, &self.stamp);
        Err(Error::Data(format!(
            "{path}: the file has changed since the run began: it had {} bytes (version {}), and has {} \
             (version {})",
            before.size, before.version, stamp.size, stamp.version
        )))
    }

    /// Whether the file's name says that it is compressed.
    pub fn is_gzip(&self) -> bool {
        is_gzip(&self.path)
    }
}

/// Shares out `files` into splits of about `target_bytes`, or smaller where that gives at least
/// `min_splits` of them. There is always one split, even of nothing.
pub fn plan_splits(files: &[SourceFile], target_bytes: u64, min_splits: usize) -> Vec<Split> {
    let total: u64 = files.iter().map(|file| file.stamp.size).sum();
    let fair = total.div_ceil((min_splits as u64).max(1));
    let size = fair.max(SMALLEST).min(target_bytes.max(1));
    let mut splits: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut room = size;
    for file in files.iter().filter(|file| file.stamp.size > 0) {
        let bytes = file.stamp.size;
        // A little more than a split is not worth a second one.
        let cuts = if is_gzip(&file.path) || bytes <= size + size / 10 { 1 } else { bytes.div_ceil(size) };
        let step = bytes.div_ceil(cuts);
        for cut in 0..cuts {
            let (start, end) = ((cut * step).min(bytes), ((cut + 1) * step).min(bytes));
            if start == end {
                continue;
            }
            let cost = (end - start).max(OPEN_COST);
            if cost > room && splits.last().is_some_and(|pieces| !pieces.is_empty()) {
                splits.push(Vec::new());
                room = size;
            }
            room = room.saturating_sub(cost);
            if let Some(pieces) = splits.last_mut() {
                pieces.push(Piece {
                    path: file.path.clone(),
                    start,
                    end,
                    of_client: file.of_client,
                    copy: None,
                    stamp: file.stamp.clone(),
                });
            }
        }
    }
    (0..).zip(splits).map(|(index, pieces)| Split { index, pieces }).collect()
}

/// One split of all files, of which nothing is read but that they are there.
pub fn unread(files: &[SourceFile]) -> Vec<Split> {
    let piece = |file: &SourceFile| Piece {
        path: file.path.clone(),
        start: 0,
        end: 0,
        of_client: false, // nobody opens it, so that nobody needs a copy
        copy: None,
        stamp: file.stamp.clone(),
    };
    vec![Split { index: 0, pieces: files.iter().map(piece).collect() }]
}

fn is_gzip(path: &str) -> bool {
    path.len() >= 3 && path.as_bytes()[path.len() - 3..].eq_ignore_ascii_case(b".gz")
}
