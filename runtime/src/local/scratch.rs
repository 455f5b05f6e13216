//! The engine's folder of temporary files: private, removed at the end, and by the next engine where
//! a process died before.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crossbeam::channel::{Receiver, Sender, bounded};

use crate::error::{Error, Result};

const PREFIX: &str = "nestflow-";
const OWNER: &str = "owner";

/// A folder that lives as long as this.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
    /// Locked while we live: how others see that the folder is in use.
    _owner: File,
    /// Dropped last: how others see that the folder is gone.
    _trace: Sender<()>,
    trace: Receiver<()>,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::Io { path, source }
}

impl Scratch {
    /// A new folder below `parent`; folders of dead processes there are removed.
    pub fn new(parent: &Path) -> Result<Scratch> {
        remove_dead(parent);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent).map_err(failed(parent))?;
        let path = folder.path().join(OWNER);
        let owner = File::create(&path).map_err(failed(&path))?;
        owner.lock().map_err(failed(&path))?;
        let (_trace, trace) = bounded(0);
        Ok(Scratch { folder, _owner: owner, _trace, trace })
    }

    /// Disconnected when the folder has been removed.
    pub fn trace(&self) -> Receiver<()> {
        self.trace.clone()
    }

    /// A folder inside.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::create_dir_all(&path).map_err(failed(&path))?;
        Ok(path)
    }

    /// A new file inside that has no name any more.
    pub fn file(&self) -> Result<File> {
        tempfile::tempfile_in(self.folder.path()).map_err(failed(self.folder.path()))
    }
}

/// Best effort: what cannot be removed (another user's, say) stays.
fn remove_dead(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(owner) = File::open(entry.path().join(OWNER)) else { continue };
        if owner.try_lock().is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
