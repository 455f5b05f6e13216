//! The file system of this machine: paths without a scheme, and `file:` paths.
//!
//! Files are read with `pread` into the reader's own buffers, never mapped: a mapped file that
//! somebody truncates kills the process, and the copy is cheap beside what follows it.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::storage::{Claim, ClaimMode, Entry, EntryKind, Files, NewFile, ReadAt, Stamp, Storage, join};
use crate::error::{Error, Result};

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalStorage;

impl Storage for LocalStorage {
    fn resolve(&self, path: &str) -> Result<String> {
        let plain = match scheme(path) {
            None => path,
            Some("file") => file_path(path)?,
            Some(other) => {
                return Err(Error::Data(format!(
                    "{path}: this engine has no file system for the scheme {other:?}. It knows paths without a \
                     scheme and file: paths"
                )));
            }
        };
        if plain.is_empty() {
            return Err(Error::Data(format!("{path:?} is not a path")));
        }
        let absolute = std::path::absolute(plain).map_err(at(path))?;
        let text = utf8(&absolute)?;
        // POSIX lets `//` at the front mean something of its own; no system that we run on does.
        Ok(format!("/{}", text.trim_matches('/')))
    }

    fn is_home(&self, path: &str) -> bool {
        // Replacing a link does nothing to what it points to.
        let real = if Path::new(path).is_symlink() { Ok(path.into()) } else { fs::canonicalize(path) };
        // Nothing is there that could be lost.
        let Ok(path) = real else { return false };
        let homes = [std::env::current_dir().ok(), std::env::var_os("HOME").map(Into::into)];
        let holds = |home: &PathBuf| {
            home.starts_with(&path) || fs::canonicalize(home).is_ok_and(|home| home.starts_with(&path))
        };
        homes.iter().flatten().any(holds)
    }

    fn renames_at_once(&self, _: &str) -> bool {
        true
    }

    fn stat(&self, path: &str) -> Result<Option<Entry>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(entry(path.into(), &metadata))),
            Err(error) if error.kind() == ErrorKind::NotFound => match fs::symlink_metadata(path) {
                Ok(_) => {
                    let kind = EntryKind::BrokenLink;
                    Ok(Some(Entry { path: path.into(), kind, stamp: Stamp::default() }))
                }
                Err(_) => Ok(None),
            },
            Err(error) if error.kind() == ErrorKind::NotADirectory => Ok(None),
            Err(source) => Err(Error::Io { path: path.into(), source }),
        }
    }

    fn list(&self, directory: &str) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for found in fs::read_dir(directory).map_err(at(directory))? {
            let found = found.map_err(at(directory))?;
            let name = found.file_name();
            let path = join(directory, utf8(Path::new(&name))?);
            // Gone since the directory was read: it might as well have gone before.
            if let Some(entry) = self.stat(&path)? {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn places(&self, _: &str) -> Result<Vec<(u64, u64, Vec<String>)>> {
        Ok(Vec::new())
    }

    fn checksums(&self, _: &str) -> Result<HashMap<String, u32>> {
        Ok(HashMap::new())
    }

    fn create_directory(&self, path: &str) -> Result<()> {
        fs::create_dir_all(path).map_err(at(path))
    }

    fn rename(&self, from: &str, to: &str) -> Result<()> {
        // The system would let a directory replace an empty one.
        if fs::symlink_metadata(to).is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Error::Io { path: to.into(), source: ErrorKind::AlreadyExists.into() });
        }
        fs::rename(from, to).map_err(at(to))
    }

    fn copy(&self, from: &str, to: &str) -> Result<()> {
        fs::copy(from, to).map(drop).map_err(at(from))
    }

    fn elsewhere(&self) -> Result<Option<String>> {
        Ok(None)
    }

    fn remove_tree(&self, path: &str) -> Result<()> {
        let gone = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
            Ok(_) => fs::remove_file(path),
            Err(error) => Err(error),
        };
        match gone {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(at(path)(error)),
            _ => Ok(()),
        }
    }

    fn remove_empty(&self, path: &str) -> Result<()> {
        match fs::remove_dir(path) {
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
                Err(at(path)(error))
            }
            _ => Ok(()),
        }
    }

    /// A `flock`, which the system takes back from a dead process and which, unlike a process id,
    /// means the same in every container that sees the file.
    fn claim(&self, path: &str, mode: ClaimMode) -> Result<Option<Claim>> {
        let mut options = File::options();
        let opened = match mode {
            ClaimMode::Create => options.read(true).write(true).create(true).truncate(false).open(path),
            ClaimMode::Abandoned => options.read(true).write(true).open(path),
        };
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            // Another user's: not ours to clean up.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && mode == ClaimMode::Abandoned => {
                return Ok(None);
            }
            Err(error) => return Err(at(path)(error)),
        };
        match mode {
            ClaimMode::Create => file.lock().map_err(at(path))?,
            ClaimMode::Abandoned => match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(at(path)(error)),
            },
        }
        // Whoever held it before may have removed the file.
        let there = fs::exists(path).map_err(at(path))?;
        Ok(there.then(|| Box::new(file) as Claim))
    }
}

impl Files for LocalStorage {
    fn open(&self, path: &str) -> Result<(Box<dyn ReadAt>, Stamp)> {
        let file = File::open(path).map_err(at(path))?;
        let stamp = stamp(&file.metadata().map_err(at(path))?);
        Ok((Box::new(LocalFile(file)), stamp))
    }

    fn create(&self, path: &str) -> Result<Box<dyn NewFile>> {
        Ok(Box::new(File::create_new(path).map_err(at(path))?))
    }
}

impl NewFile for File {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.flush()
    }
}

struct LocalFile(File);

impl ReadAt for LocalFile {
    fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(buffer, offset) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

/// The scheme of a path: letters, digits, `+`, `-`, `.` before `:/`, or `file:`.
pub(super) fn scheme(path: &str) -> Option<&str> {
    let (scheme, rest) = path.split_once(':')?;
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (named && (rest.starts_with('/') || scheme == "file")).then_some(scheme)
}

/// `/a` of `file:/a`, `file:///a` and `file://localhost/a`.
fn file_path(path: &str) -> Result<&str> {
    let rest = path.strip_prefix("file:").unwrap_or(path);
    let Some(after) = rest.strip_prefix("//") else { return Ok(rest) };
    let (host, _) = after.split_at(after.find('/').unwrap_or(after.len()));
    if !host.is_empty() && host != "localhost" {
        return Err(Error::Data(format!(
            "{path}: a file: path names no host but {host:?} stands in its place"
        )));
    }
    Ok(&after[host.len()..])
}

fn entry(path: String, metadata: &fs::Metadata) -> Entry {
    let kind = if metadata.is_file() {
        EntryKind::File
    } else if metadata.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::Other
    };
    Entry { path, kind, stamp: stamp(metadata) }
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    // To the nanosecond, as far as the file system has it.
    Stamp { size: metadata.len(), version: format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec()) }
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::Data(format!("{}: the name is not UTF-8", path.display())))
}

fn at(path: &str) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.into(), source }
}
