//! What the engine asks of a file system.
//!
//! The local one is in `local_storage`, a cluster's in `remote_storage`. Only what reading and
//! committing need: no permissions, no attributes, no appending. Who plans and commits has a
//! [`Storage`]; who runs tasks has [`Files`].

use std::any::Any;
use std::collections::HashMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A file system, as far as it has names.
///
/// Contract: every path given to a method other than [`resolve`](Storage::resolve) is a path that
/// `resolve` gave, extended by `/` and names. Errors name the path. No method follows a symbolic
/// link in order to remove or rename what it points to; reading follows them.
pub trait Storage: Send + Sync {
    /// The absolute form of a path as the user wrote it, without a trailing `/`; an error if this
    /// storage does not know its scheme. Nothing has to exist.
    fn resolve(&self, path: &str) -> Result<String>;

    /// Whether this process lives in the directory: it is, or holds, the working directory or the
    /// home of the user. Such a directory must never be replaced. Nothing has to exist.
    fn is_home(&self, path: &str) -> bool;

    /// Whether a directory can be given another name at once: only there can an output appear whole.
    fn renames_at_once(&self, path: &str) -> bool;

    /// What is there; `None` if nothing is.
    fn stat(&self, path: &str) -> Result<Option<Entry>>;

    /// What a directory holds, in any order, without `.` and `..`.
    fn list(&self, directory: &str) -> Result<Vec<Entry>>;

    /// Where the bytes of a file lie: ranges, and the machines that have each. Nothing where nobody says.
    fn places(&self, path: &str) -> Result<Vec<(u64, u64, Vec<String>)>>;

    /// The CRC32C of the files of a directory by name, of those of which it is known without reading them.
    fn checksums(&self, directory: &str) -> Result<HashMap<String, u32>>;

    /// Creates a directory and those above it; one that exists is fine.
    fn create_directory(&self, path: &str) -> Result<()>;

    /// Gives a file or directory a new name in the same file system, at once. An existing file is
    /// replaced by a file; an existing directory is an error.
    fn rename(&self, from: &str, to: &str) -> Result<()>;

    /// Copies a file into a directory that is there. It may be of this machine, and the copy not, or
    /// the other way round; an older copy is replaced.
    fn copy(&self, from: &str, to: &str) -> Result<()>;

    /// A directory for copies of what only this machine has, and for what it is to get; it goes with
    /// whoever asked. `None`: whoever runs tasks sees the files of this machine.
    fn elsewhere(&self) -> Result<Option<String>>;

    /// Removes a file, or a directory with all that it holds. Nothing there is fine. After an error
    /// some of it may be gone.
    fn remove_tree(&self, path: &str) -> Result<()>;

    /// Removes a directory if it is empty; otherwise leaves it. Nothing there is fine.
    fn remove_empty(&self, path: &str) -> Result<()>;

    /// Takes the claim on a file: nobody else gets it until this one is dropped or its process is
    /// dead, however it died.
    fn claim(&self, path: &str, mode: ClaimMode) -> Result<Option<Claim>>;
}

/// A file system, and the bytes of its files. Shared by all tasks of a process.
pub trait Files: Storage {
    /// Opens a file to read ranges of it, and says which content it has.
    fn open(&self, path: &str) -> Result<(Box<dyn ReadAt>, Stamp)>;

    /// Creates a file that must not exist yet, in a directory that must.
    fn create(&self, path: &str) -> Result<Box<dyn NewFile>>;
}

/// A file that is being written.
pub trait NewFile: Write + Send {
    /// Ends it: all that was written is there for others. Dropped before, some of it may be.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Holds a claim until it is dropped. What it is made of is the storage's business.
pub type Claim = Box<dyn Any + Send + Sync>;

/// How [`Storage::claim`] goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimMode {
    /// Creates the file and waits for the claim. `None`: the file or its directory went away.
    Create,
    /// Only if the file exists and nobody holds it; `None` otherwise.
    Abandoned,
}

/// Reads ranges of one file.
pub trait ReadAt: Send {
    /// Reads at most `buffer.len()` bytes from `offset` on; 0 only at the file's end (or for an
    /// empty buffer).
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// Something in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its whole path.
    pub path: String,
    /// What it is, after following symbolic links.
    pub kind: EntryKind,
    /// Of a file.
    pub stamp: Stamp,
}

/// What tells one content of a file from another, without reading either.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Its bytes.
    pub size: u64,
    /// When it was written, or another name of its storage for what it holds.
    pub version: String,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link to nothing.
    BrokenLink,
    /// A pipe, a device.
    Other,
}

impl Entry {
    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// `directory/name`.
pub(crate) fn join(directory: &str, name: &str) -> String {
    if directory.ends_with('/') { format!("{directory}{name}") } else { format!("{directory}/{name}") }
}
