//! Files in and out: where bytes live (`storage`, `local_storage`, `remote_storage`), which files a
//! source means (`paths`), how they are shared out to tasks (`splits`) and read (`source`: `piece`,
//! `line_batch` and `text_source` for text, `sequence` for Hadoop's sequence files), how parts are
//! written (`python_text`, `text_sink`) and how a directory of parts
//! appears all at once (`commit`).
//!
//! Synchronous: callers put it on threads of theirs. It knows descriptions of sources and sinks,
//! but neither the planner nor the executor.

pub mod local_storage;
pub mod remote_storage;
pub mod storage;

mod line_batch;
pub mod paths;
mod piece;
mod sequence;
mod source;
pub mod splits;
pub mod text_source;

pub mod commit;
mod one_part;
mod part_file;
mod python_text;
pub mod text_sink;

pub use commit::OutputJob;
pub use local_storage::LocalStorage;
pub use remote_storage::{DataLink, Link, RemoteStorage, is_local, refused};
pub use source::{Batches, open_source};
pub use splits::{Piece, Split, plan_splits, unread};
pub use storage::{Files, NewFile, ReadAt, Storage};
pub use text_sink::{PartWriter, TaskOutput, Written};

#[cfg(test)]
mod tests;
