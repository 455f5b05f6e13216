//! Memory that a sender writes and a receiver reads, so that large batches do not pass through the
//! socket.
//!
//! A slot holds one batch at a time; its first word says whether the batch is still to be read. The
//! sender makes slots: files in memory that never have a name. The receiver finds them among the open
//! files of the sender. So nothing is ever left behind, however the processes end. Where a system has
//! no such files, or hides those of others, nothing is shared and batches go through the socket.
//!
//! What is received is copied: a batch that was sorted or kept would otherwise hold a slot for long.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use memmap2::{MmapMut, MmapOptions};

/// Where the data of a slot begins, after the word that says whether it is in use.
const DATA: usize = 64;
/// The smallest slot.
const SMALLEST: usize = 1 << 20;
const FREE: u32 = 0;
const FULL: u32 = 1;

/// The open files of a process.
pub(crate) fn files_of(process: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{process}/fd"))
}

/// Whether this process can open what that one has open; then that is so the other way round too.
pub fn can_share(process: u32) -> bool {
    std::fs::read_dir(files_of(process)).is_ok()
}

/// A new file in memory; the name is only shown to people who look what a process has mapped.
#[cfg(target_os = "linux")]
pub(crate) fn nameless(shown: &CStr) -> io::Result<File> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: a plain call with a text that ends with a zero.
    let made = unsafe { libc::syscall(libc::SYS_memfd_create, shown.as_ptr(), flags) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that was made just now, and that nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(made as RawFd) }.into())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn nameless(_: &CStr) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What nobody can do to a file in memory any more. A process that reads what another has made looks for it
/// first: to read behind the end of a file that was made shorter would be fatal.
#[derive(Clone, Copy)]
pub(crate) enum Seals {
    /// Change its length.
    Length,
    /// Change anything.
    Whole,
}

#[cfg(target_os = "linux")]
impl Seals {
    fn bits(self) -> libc::c_int {
        let length = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;
        match self {
            Seals::Length => length,
            Seals::Whole => length | libc::F_SEAL_WRITE,
        }
    }

    /// Seals a file.
    pub(crate) fn add(self, file: &File) -> io::Result<()> {
        // SAFETY: a plain call on a file that is open.
        let added = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, self.bits()) };
        if added < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// An error unless the file is sealed.
    pub(crate) fn check(self, file: &File) -> io::Result<()> {
        // SAFETY: a plain call on a file that is open.
        let found = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
        if found >= 0 && found & self.bits() == self.bits() {
            return Ok(());
        }
        Err(io::Error::other("a file that is not sealed"))
    }
}

#[cfg(not(target_os = "linux"))]
impl Seals {
    /// There is nothing to seal.
    pub(crate) fn add(self, _: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Nothing is sealed.
    pub(crate) fn check(self, _: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

struct Slot(MmapMut);

impl Slot {
    fn state(&self) -> &AtomicU32 {
        // SAFETY: the mapping is page-aligned, longer than a word, and lives as long as `self`;
        // both processes only touch the word through atomics.
        unsafe { AtomicU32::from_ptr(self.0.as_ptr().cast::<u32>().cast_mut()) }
    }

    fn capacity(&self) -> usize {
        self.0.len().saturating_sub(DATA)
    }

    fn map(file: &File) -> io::Result<Slot> {
        Seals::Length.check(file)?;
        // SAFETY: nobody can make the file shorter, and who else writes it does so between two changes of
        // the word that both go by.
        let slot = unsafe { MmapOptions::new().map_mut(file) }.map(Slot)?;
        if slot.capacity() == 0 {
            return Err(io::Error::other("a file without room for a batch"));
        }
        Ok(slot)
    }
}

/// The slots that one side writes.
pub struct Outbox {
    /// Whether the other side can open them.
    shares: Arc<AtomicBool>,
    slots: HashMap<u32, (Slot, File)>,
    next: u32,
}

impl Outbox {
    /// No slots yet; none before `shares` is true.
    pub fn new(shares: Arc<AtomicBool>) -> Outbox {
        Outbox { shares, slots: HashMap::new(), next: 0 }
    }

    /// Whether the other side can open our files.
    pub fn shares(&self) -> bool {
        self.shares.load(Ordering::Relaxed)
    }

    /// Puts the bytes into a free slot: its number, its file here, and the number of a smaller one
    /// that it replaces. An error means that there is no room: they have to go another way.
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<(u32, RawFd, Option<u32>)> {
        if !self.shares() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let free = |slot: &Slot| slot.state().load(Ordering::Acquire) == FREE;
        let fits = self.slots.iter().find(|(_, (slot, _))| slot.capacity() >= bytes.len() && free(slot));
        let (number, replaces) = match fits {
            Some((&number, _)) => (number, None),
            None => {
                let small = self.slots.iter().find(|(_, (slot, _))| free(slot)).map(|(&number, _)| number);
                let made = self.make(bytes.len())?;
                small.map(|small| self.slots.remove(&small));
                (made, small)
            }
        };
        let (slot, file) = self.slots.get_mut(&number).ok_or(io::ErrorKind::NotFound)?;
        slot.0[DATA..DATA + bytes.len()].copy_from_slice(bytes);
        slot.state().store(FULL, Ordering::Release);
        Ok((number, file.as_raw_fd(), replaces))
    }

    fn make(&mut self, length: usize) -> io::Result<u32> {
        let file = nameless(c"nestflow")?;
        let size = (length + DATA).next_power_of_two().max(SMALLEST);
        // Taken now: to write into a mapping that there is no memory for is fatal.
        // SAFETY: a plain call on a file that is open.
        let refused = unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, size as libc::off_t) };
        if refused != 0 {
            return Err(io::Error::from_raw_os_error(refused));
        }
        Seals::Length.add(&file)?;
        let number = self.next;
        self.slots.insert(number, (Slot::map(&file)?, file));
        self.next += 1;
        Ok(number)
    }
}

/// The slots that the other side writes.
pub struct Inbox {
    sender: u32,
    slots: HashMap<u32, Slot>,
}

impl Inbox {
    /// No slots yet; `sender` is the process that makes them.
    pub fn new(sender: u32) -> Inbox {
        Inbox { sender, slots: HashMap::new() }
    }

    /// The process that makes them.
    pub fn sender(&self) -> u32 {
        self.sender
    }

    /// Takes the bytes out of a slot, which is that file of the sender's, and gives it free.
    pub fn take(&mut self, slot: (u32, RawFd), replaces: Option<u32>, length: usize) -> io::Result<Vec<u8>> {
        let (number, file) = slot;
        if let Some(replaced) = replaces {
            self.slots.remove(&replaced);
        }
        if !self.slots.contains_key(&number) {
            let path = files_of(self.sender).join(file.to_string());
            let mut options = OpenOptions::new();
            // Whatever it is, to open it must not wait.
            let file = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
            self.slots.insert(number, Slot::map(&file)?);
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

    fn outbox(shares: bool) -> Outbox {
        Outbox::new(Arc::new(shares.into()))
    }

    #[test]
    fn slots_are_used_again_and_replaced_by_larger_ones() {
        let (mut outbox, mut inbox) = (outbox(true), Inbox::new(std::process::id()));
        let small = vec![1; 1000];
        let (first, file, replaced) = outbox.put(&small).unwrap();
        let (second, other_file, _) = outbox.put(&small).unwrap();
        assert_ne!(first, second);
        assert_eq!(inbox.take((first, file), replaced, small.len()).unwrap(), small);
        assert_eq!(outbox.put(&small).unwrap(), (first, file, None));
        assert_eq!(inbox.take((second, other_file), None, small.len()).unwrap(), small);
        let large = vec![2; 3 << 20];
        let (third, file, replaced) = outbox.put(&large).unwrap();
        assert_eq!(replaced, Some(second));
        assert_eq!(inbox.take((third, file), replaced, large.len()).unwrap(), large);
        assert!(inbox.take((third, file), None, large.len()).is_err());
        assert_eq!(inbox.slots.len(), 2);
    }

    #[test]
    fn nothing_is_shared_where_the_other_side_could_not_see_it() {
        assert!(outbox(false).put(&[1]).is_err());
        assert!(can_share(std::process::id()));
        assert!(!can_share(u32::MAX));
    }
}
