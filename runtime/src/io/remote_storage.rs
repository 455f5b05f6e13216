//! A cluster's file systems, reached through whoever knows them, by paths with a scheme. Paths without
//! one, and `file:` paths, are of the machine at hand: they are asked of the system itself, without a
//! detour.
//!
//! Questions and answers are texts; an answer about files is JSON. Must not know who answers.

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use serde::Deserialize;

use super::local_storage::{LocalStorage, scheme};
use super::storage::{Claim, ClaimMode, Entry, EntryKind, Files, NewFile, ReadAt, Stamp, Storage};
use crate::error::{Error, Result};
use crate::internal;

/// Schemes of stores in which a directory is no thing of its own: giving it another name copies file
/// after file, and may end half-way.
const WITHOUT_RENAME: [&str; 11] =
    ["s3a", "s3", "s3n", "gs", "oss", "obs", "cosn", "wasb", "wasbs", "abfs", "abfss"];

/// Who answers.
pub trait Link: Send + Sync {
    /// Asks for an operation on a path; `other` is what else it needs. What went wrong is an
    /// [`Error::Io`] that names the path.
    fn ask(&self, operation: &str, path: &str, other: &str) -> Result<Option<String>>;
}

/// Who also gives and takes the bytes of files.
pub trait DataLink: Link {
    /// Opens a file to read ranges of it.
    fn open(&self, path: &str) -> Result<Box<dyn ReadAt>>;

    /// Creates a file that must not exist yet, in a directory that must.
    fn create(&self, path: &str) -> Result<Box<dyn NewFile>>;
}

/// See the module.
pub struct RemoteStorage<L> {
    link: Arc<L>,
    /// Where copies go, if any are needed.
    temporary: Option<String>,
}

/// Whether a path, as `resolve` gave it, is of this machine's file system.
pub fn is_local(path: &str) -> bool {
    path.starts_with('/')
}

/// What the text of a failure says: a kind and a text, with a colon between them. `None`: it is not of
/// that form, and so about something else.
pub fn refused(text: &str) -> Option<io::Error> {
    let (kind, text) = text.split_once(':')?;
    let kind = match kind {
        "missing" => ErrorKind::NotFound,
        "denied" => ErrorKind::PermissionDenied,
        "exists" => ErrorKind::AlreadyExists,
        "other" => ErrorKind::Other,
        _ => return None,
    };
    Some(io::Error::new(kind, text))
}

/// How a file or directory is described.
#[derive(Deserialize)]
struct Described {
    directory: bool,
    size: u64,
    version: String,
    path: String,
}

impl From<Described> for Entry {
    fn from(described: Described) -> Entry {
        let Described { directory, size, version, path } = described;
        let kind = if directory { EntryKind::Directory } else { EntryKind::File };
        Entry { path, kind, stamp: Stamp { size, version } }
    }
}

/// The end of a claim.
struct Claimed<L: Link> {
    link: Arc<L>,
    path: String,
    number: String,
}

impl<L: Link> Drop for Claimed<L> {
    fn drop(&mut self) {
        if let Err(error) = self.link.ask("release", &self.path, &self.number) {
            tracing::warn!(%error, "a claim on a file is not released");
        }
    }
}

impl<L: Link> RemoteStorage<L> {
    /// What `link` reaches, and this machine's own.
    pub fn new(link: L) -> RemoteStorage<L> {
        RemoteStorage { link: Arc::new(link), temporary: None }
    }

    fn ask(&self, operation: &str, path: &str) -> Result<Option<String>> {
        self.link.ask(operation, path, "")
    }

    fn answer(&self, operation: &str, path: &str) -> Result<String> {
        self.ask(operation, path)?.ok_or_else(|| internal!("no answer to {operation} of {path}"))
    }
}

impl<L: Link + 'static> RemoteStorage<L> {
    /// With copies of this machine's files in a directory of `path`, for tasks that do not see them.
    /// Where that is of this machine too, they do.
    pub fn with_copies(mut self, path: &str) -> Result<RemoteStorage<L>> {
        self.temporary = Some(self.resolve(path)?).filter(|path| !is_local(path));
        Ok(self)
    }
}

impl<L: Link + 'static> Storage for RemoteStorage<L> {
    fn resolve(&self, path: &str) -> Result<String> {
        match scheme(path) {
            None | Some("file") => LocalStorage.resolve(path),
            Some(_) => Ok(self.answer("resolve", path)?.trim_end_matches('/').into()),
        }
    }

    fn is_home(&self, path: &str) -> bool {
        match is_local(path) {
            true => LocalStorage.is_home(path),
            // Who cannot be asked cannot be written to either, and will say so.
            false => matches!(self.ask("home", path), Ok(Some(answer)) if answer == "true"),
        }
    }

    fn renames_at_once(&self, path: &str) -> bool {
        is_local(path) || scheme(path).is_none_or(|scheme| !WITHOUT_RENAME.contains(&scheme))
    }

    fn stat(&self, path: &str) -> Result<Option<Entry>> {
        if is_local(path) {
            return LocalStorage.stat(path);
        }
        let answer = self.ask("stat", path)?;
        Ok(answer.map(|text| serde_json::from_str::<Described>(&text)).transpose()?.map(Entry::from))
    }

    fn list(&self, directory: &str) -> Result<Vec<Entry>> {
        if is_local(directory) {
            return LocalStorage.list(directory);
        }
        let entries: Vec<Described> = serde_json::from_str(&self.answer("list", directory)?)?;
        Ok(entries.into_iter().map(Entry::from).collect())
    }

    fn places(&self, path: &str) -> Result<Vec<(u64, u64, Vec<String>)>> {
        match is_local(path) {
            true => LocalStorage.places(path),
            false => Ok(serde_json::from_str(&self.answer("hosts", path)?)?),
        }
    }

    fn checksums(&self, directory: &str) -> Result<HashMap<String, u32>> {
        match is_local(directory) {
            true => LocalStorage.checksums(directory),
            false => Ok(serde_json::from_str(&self.answer("checksums", directory)?)?),
        }
    }

    fn create_directory(&self, path: &str) -> Result<()> {
        match is_local(path) {
            true => LocalStorage.create_directory(path),
            false => self.ask("create_directory", path).map(drop),
        }
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        match is_local(from) {
            true => LocalStorage.rename(from, to),
            false => self.link.ask("rename", from, to).map(drop),
        }
    }

    fn copy(&self, from: &str, to: &str) -> Result<()> {
        match is_local(from) && is_local(to) {
            true => LocalStorage.copy(from, to),
            false => self.link.ask("copy", from, to).map(drop),
        }
    }

    fn elsewhere(&self) -> Result<Option<String>> {
        self.temporary.as_ref().map(|path| self.answer("elsewhere", path)).transpose()
    }

    fn remove_tree(&self, path: &str) -> Result<()> {
        match is_local(path) {
            true => LocalStorage.remove_tree(path),
            false => self.ask("remove_tree", path).map(drop),
        }
    }

    fn remove_empty(&self, path: &str) -> Result<()> {
        match is_local(path) {
            true => LocalStorage.remove_empty(path),
            false => self.ask("remove_empty", path).map(drop),
        }
    }

    fn claim(&self, path: &str, mode: ClaimMode) -> Result<Option<Claim>> {
        if is_local(path) {
            return LocalStorage.claim(path, mode);
        }
        let mode = match mode {
            ClaimMode::Create => "create",
            ClaimMode::Abandoned => "abandoned",
        };
        let number = self.link.ask("claim", path, mode)?;
        let claimed = |number| Claimed { link: self.link.clone(), path: path.into(), number };
        Ok(number.map(|number| Box::new(claimed(number)) as Claim))
    }
}

impl<L: DataLink + 'static> Files for RemoteStorage<L> {
    fn open(&self, path: &str) -> Result<(Box<dyn ReadAt>, Stamp)> {
        if is_local(path) {
            return LocalStorage.open(path);
        }
        let gone =
            || Error::Io { path: path.into(), source: io::Error::new(ErrorKind::NotFound, "no such file") };
        let opened = self.link.open(path).map_err(|error| match error {
            Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => gone(),
            error => error,
        })?;
        // Looked at after it was opened: a file that takes its place in between has another stamp.
        Ok((opened, self.stat(path)?.ok_or_else(gone)?.stamp))
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        match is_local(path) {
            true => LocalStorage.create(path),
            false => self.link.create(path),
        }
    }
}
