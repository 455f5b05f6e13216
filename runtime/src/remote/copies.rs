//! Copies of files that only the client's machine has, where tasks run on machines that do not see them.
//!
//! A copy is named by its file and the content that it had: the runs of a client share it, and one that
//! was cut off is of another size, and made again. Must not decide whether copies are needed.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use crate::error::{Error, Result};
use crate::internal;
use crate::io::storage::Stamp;
use crate::io::{Piece, Storage};
use crate::local::sources::Splits;

/// Makes copies of what tasks would not see, and sends them there.
pub(super) fn make(splits: &mut Splits, storage: &dyn Storage) -> Result<()> {
    let mut made = HashMap::new();
    let pieces = splits.values_mut().flatten().flat_map(|split| &mut split.pieces);
    for piece in pieces.filter(|piece| piece.of_client) {
        if !made.contains_key(&piece.path) {
            let Some(folder) = storage.elsewhere()? else { return Ok(()) };
            made.insert(piece.path.clone(), copied(piece, &folder, storage)?);
        }
        let (copy, stamp) = &made[&piece.path];
        piece.copy = Some(copy.clone());
        piece.stamp = stamp.clone();
    }
    Ok(())
}

/// A copy of a piece's whole file, and the stamp that tasks will find.
fn copied(piece: &Piece, folder: &str, storage: &dyn Storage) -> Result<(String, Stamp)> {
    let mut hasher = DefaultHasher::new();
    (&piece.path, &piece.stamp.version, piece.stamp.size).hash(&mut hasher);
    let copy = format!("{folder}/input-{:016x}", hasher.finish());
    let there = storage.stat(&copy)?.map(|entry| entry.stamp);
    if let Some(stamp) = there.filter(|stamp| stamp.size == piece.stamp.size) {
        return Ok((copy, stamp));
    }
    storage.copy(&piece.path, &copy)?;
    if storage.stat(&piece.path)?.map(|entry| entry.stamp).as_ref() != Some(&piece.stamp) {
        return Err(Error::Data(format!("{}: the file has changed while it was copied", piece.path)));
    }
    let stamp = storage.stat(&copy)?.map(|entry| entry.stamp);
    let stamp = stamp.ok_or_else(|| internal!("the copy of {} at {copy} is gone", piece.path))?;
    Ok((copy, stamp))
}
