//! Files in memory that a sender writes and a receiver reads, so that large batches do not pass
//! through the socket.
//!
//! A slot holds one batch at a time; its first word says whether the batch is still to be read. The
//! sender makes slots, the receiver maps them when they are first named and removes their names at
//! once: nothing is left behind, however the processes end.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fs::{File, OpenOptions, remove_file};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use memmap2::{MmapMut, MmapOptions};

/// Where the data of a slot begins, after the word that says whether it is in use.
const DATA: usize = 64;
/// The smallest slot.
const SMALLEST: usize = 1 << 20;
const FREE: u32 = 0;
const FULL: u32 = 1;

/// The folder for slots: in memory, if this machine has such a place.
pub fn folder(otherwise: &Path) -> io::Result<tempfile::TempDir> {
    let builder = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("nestflow-");
        builder
    };
    // A temporary folder can only be entered by its owner.
    builder().tempdir_in("/dev/shm").or_else(|_| builder().tempdir_in(otherwise))
}

fn path(folder: &Path, sender: &str, slot: u32) -> PathBuf {
    folder.join(format!("{sender}-{slot}"))
}

struct Slot(MmapMut);

impl Slot {
    fn state(&self) -> &AtomicU32 {
        // SAFETY: the mapping is page-aligned, longer than a word, and lives as long as `self`;
        // both processes only touch the word through atomics.
        unsafe { AtomicU32::from_ptr(self.0.as_ptr().cast::<u32>().cast_mut()) }
    }

    fn capacity(&self) -> usize {
        self.0.len() - DATA
    }

    fn map(file: &File) -> io::Result<Slot> {
        // SAFETY: the file is in a folder that only we and our own other end can enter, and neither
        // shrinks it.
        unsafe { MmapOptions::new().map_mut(file) }.map(Slot)
    }
}

/// The slots that one side writes.
pub struct Outbox {
    folder: PathBuf,
    sender: String,
    slots: HashMap<u32, Slot>,
    next: u32,
}

impl Outbox {
    /// No slots yet.
    pub fn new(folder: PathBuf, sender: String) -> Outbox {
        Outbox { folder, sender, slots: HashMap::new(), next: 0 }
    }

    /// Puts the bytes into a free slot: its number, and that of a smaller one that it replaces.
    /// An error means that there is no room: they have to go another way.
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<(u32, Option<u32>)> {
        let free = |slot: &Slot| slot.state().load(Ordering::Acquire) == FREE;
        let fits = self.slots.iter().find(|(_, slot)| slot.capacity() >= bytes.len() && free(slot));
        let (number, replaces) = match fits {
            Some((&number, _)) => (number, None),
            None => {
                let small = self.slots.iter().find(|(_, slot)| free(slot)).map(|(&number, _)| number);
                let made = self.make(bytes.len())?;
                small.map(|small| self.slots.remove(&small));
                (made, small)
            }
        };
        if let Some(slot) = self.slots.get_mut(&number) {
            slot.0[DATA..DATA + bytes.len()].copy_from_slice(bytes);
            slot.state().store(FULL, Ordering::Release);
        }
        Ok((number, replaces))
    }

    fn make(&mut self, length: usize) -> io::Result<u32> {
        let number = self.next;
        let path = path(&self.folder, &self.sender, number);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        let size = (length + DATA).next_power_of_two().max(SMALLEST);
        // Taken now: to write into a mapping that the file system has no room for is fatal.
        // SAFETY: a plain call on a file that is open.
        let refused = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, size as libc::off_t) };
        if refused != 0 {
            let _ = remove_file(&path);
            return Err(io::Error::from_raw_os_error(refused));
        }
        self.slots.insert(number, Slot::map(&file)?);
        self.next += 1;
        Ok(number)
    }
}

/// The slots that the other side writes.
pub struct Inbox {
    folder: PathBuf,
    sender: String,
    slots: HashMap<u32, Slot>,
}

impl Inbox {
    /// No slots yet.
    pub fn new(folder: PathBuf, sender: String) -> Inbox {
        Inbox { folder, sender, slots: HashMap::new() }
    }

    /// Takes the bytes out of a slot and gives it free.
    pub fn take(&mut self, number: u32, replaces: Option<u32>, length: usize) -> io::Result<Vec<u8>> {
        if let Some(replaced) = replaces {
            self.slots.remove(&replaced);
        }
        if !self.slots.contains_key(&number) {
            let path = path(&self.folder, &self.sender, number);
            let file = OpenOptions::new().read(true).write(true).open(&path)?;
            self.slots.insert(number, Slot::map(&file)?);
            remove_file(&path)?;
        }
        let slot = self.slots.get(&number).filter(|slot| length <= slot.capacity());
        let slot =
            slot.ok_or_else(|| io::Error::other(format!("slot {number} cannot hold {length} bytes")))?;
        if slot.state().load(Ordering::Acquire) != FULL {
            return Err(io::Error::other(format!("slot {number} is empty")));
        }
        let bytes = slot.0[DATA..DATA + length].to_vec();
        slot.state().store(FREE, Ordering::Release);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again_and_replaced_by_larger_ones() {
        let folder = folder(&std::env::temp_dir()).unwrap();
        let mut outbox = Outbox::new(folder.path().into(), "a".into());
        let mut inbox = Inbox::new(folder.path().into(), "a".into());
        let small = vec![1; 1000];
        let (first, replaced) = outbox.put(&small).unwrap();
        let (second, _) = outbox.put(&small).unwrap();
        assert_ne!(first, second);
        assert_eq!(inbox.take(first, replaced, small.len()).unwrap(), small);
        assert_eq!(outbox.put(&small).unwrap(), (first, None));
        assert_eq!(inbox.take(second, None, small.len()).unwrap(), small);
        let large = vec![2; 3 << 20];
        let (third, replaced) = outbox.put(&large).unwrap();
        assert_eq!(replaced, Some(second));
        assert_eq!(inbox.take(third, replaced, large.len()).unwrap(), large);
        assert!(inbox.take(third, None, large.len()).is_err());
        assert_eq!(inbox.slots.len(), 2);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_room_is_an_error_and_not_a_crash() {
        let mut outbox = Outbox::new("/no/such/folder".into(), "a".into());
        assert!(outbox.put(&[1]).is_err());
    }
}
