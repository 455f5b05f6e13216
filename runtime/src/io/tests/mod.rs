//! Tests of files in and out, on a real file system.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod behind;
mod committing;
mod far;
mod finding;
mod printing;
mod reading;
mod sequences;
mod splitting;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use super::{Files, LocalStorage, Piece};

/// A directory that goes away.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().into()
    }

    /// Writes a file, and the directories above it.
    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        self.text(name)
    }
}

fn storage() -> Arc<dyn Files> {
    Arc::new(LocalStorage)
}

/// A piece of a file as it is now.
fn piece(path: &str, start: u64, end: u64) -> Piece {
    let stamp = storage().stat(path).unwrap().unwrap().stamp;
    Piece { path: path.into(), start, end, of_client: true, copy: None, stamp }
}

/// Names in a directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
