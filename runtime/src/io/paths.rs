//! Which files a source's paths mean.
//!
//! Order: the arguments as given; inside a directory or glob by path (its bytes). A directory means
//! its regular files, not those of its directories. Names that begin with `.` or `_` are skipped in
//! a directory, as Hadoop does (`_SUCCESS`, files still being written), and by a wildcard, unless
//! the pattern itself begins with that character; a file named outright is always read. A path that
//! exists is that path, even with `*` in its name; a comma is a comma. `*`, `?` and `[…]` match
//! inside one name; `**` is `*`.

use std::io::{self, ErrorKind};

use glob::Pattern;

use super::local_storage::scheme;
use super::storage::{Entry, EntryKind, Stamp, Storage, join};
use crate::error::{Error, Result};

const BROKEN: &str = "a symbolic link to nothing";

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its resolved path.
    pub path: String,
    /// Its content when the run began.
    pub stamp: Stamp,
    /// Whether only the client's machine need have it: it was named by a path without a scheme.
    pub of_client: bool,
}

/// The files that `paths` mean. A path that is missing, or a glob without a match, is an error.
pub fn expand(storage: &dyn Storage, paths: &[String]) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for path in paths {
        expand_one(storage, path, &mut files)?;
    }
    Ok(files)
}

fn expand_one(storage: &dyn Storage, path: &str, files: &mut Vec<SourceFile>) -> Result<()> {
    let found = match storage.stat(&storage.resolve(path)?)? {
        Some(entry) => vec![entry],
        None if path.contains(['*', '?', '[']) => matches(storage, path)?,
        None => return Err(missing(path, "no such file or directory")),
    };
    let from = files.len();
    let of_client = scheme(path).is_none();
    let file = |entry: Entry| SourceFile { path: entry.path, stamp: entry.stamp, of_client };
    for entry in found {
        match entry.kind {
            EntryKind::File => files.push(file(entry)),
            EntryKind::Directory => {
                let inside = storage.list(&entry.path)?;
                for e in inside.into_iter().filter(|e| !is_hidden(e.name())) {
                    match e.kind {
                        EntryKind::File => files.push(file(e)),
                        // A file that ought to be there must not be left out in silence.
                        EntryKind::BrokenLink => return Err(missing(&e.path, BROKEN)),
                        EntryKind::Directory | EntryKind::Other => {}
                    }
                }
            }
            EntryKind::BrokenLink => return Err(missing(&entry.path, BROKEN)),
            EntryKind::Other => return Err(missing(&entry.path, "neither a file nor a directory")),
        }
    }
    files[from..].sort_by(|a, b| a.path.cmp(&b.path));
    Ok(())
}

/// What a glob matches: never nothing.
fn matches(storage: &dyn Storage, glob: &str) -> Result<Vec<Entry>> {
    let wildcard = glob.find(['*', '?', '[']).unwrap_or(glob.len());
    // Only what the user wrote is a pattern: the working directory may have `[` in its name.
    let (base, pattern) = match glob[..wildcard].rfind('/') {
        Some(slash) => glob.split_at(slash + 1),
        None => (".", glob),
    };
    let mut level = Vec::from_iter(storage.stat(&storage.resolve(base)?)?);
    let names = pattern.split('/').filter(|name| !name.is_empty()).collect::<Vec<_>>();
    for name in names {
        let mut next = Vec::new();
        for directory in level.iter().filter(|entry| entry.kind == EntryKind::Directory) {
            descend(storage, directory, name, glob, &mut next)?;
        }
        level = next;
    }
    // A pipe or a socket is no match, just as it is no file of a directory.
    level.retain(|entry| entry.kind != EntryKind::Other);
    if level.is_empty() {
        return Err(missing(glob, "no file matches"));
    }
    Ok(level)
}

/// Adds what one part of a pattern matches in a directory.
fn descend(
    storage: &dyn Storage,
    directory: &Entry,
    name: &str,
    glob: &str,
    out: &mut Vec<Entry>,
) -> Result<()> {
    if !name.contains(['*', '?', '[']) {
        out.extend(storage.stat(&join(&directory.path, name))?);
        return Ok(());
    }
    let pattern = Pattern::new(if name == "**" { "*" } else { name })
        .map_err(|error| Error::Data(format!("{glob}: not a glob: {}", error.msg)))?;
    let shows_hidden = is_hidden(name);
    let inside = storage.list(&directory.path)?.into_iter();
    out.extend(
        inside.filter(|entry| (shows_hidden || !is_hidden(entry.name())) && pattern.matches(entry.name())),
    );
    Ok(())
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

fn missing(path: &str, text: &'static str) -> Error {
    Error::Io { path: path.into(), source: io::Error::new(ErrorKind::NotFound, text) }
}
