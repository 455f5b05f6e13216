//! Bytes that never change, in a file in memory that has no name: the side inputs that all workers of a pool
//! read. Each maps the one copy that the pool has made.
//!
//! The file is sealed before anybody hears of it, and a reader looks whether it is: what is mapped cannot
//! shrink or change under it, whoever made it.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_buffer::Buffer;
use memmap2::{Mmap, MmapOptions};

use crate::shared::{Seals, files_of, nameless};

/// The bytes, and the file that others open.
pub struct Mapped {
    file: File,
    map: Mmap,
}

impl Mapped {
    /// Copies the bytes into a file of their own. An error means that there is no room, or no such files.
    pub fn new(bytes: &[u8]) -> io::Result<Mapped> {
        let mut file = nameless(c"nestflow-side")?;
        file.write_all(bytes)?;
        Seals::Whole.add(&file)?;
        let map = map(&file)?;
        Ok(Mapped { file, map })
    }

    /// The file, as this process has it open.
    pub fn file(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }
}

/// The bytes in a file that another process has made by [`Mapped::new`].
pub fn map_of(process: u32, file: RawFd, length: u64) -> io::Result<Buffer> {
    let path = files_of(process).join(file.to_string());
    // Whatever it is, to open it must not wait.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    Seals::Whole.check(&file)?;
    let map = map(&file)?;
    if map.len() as u64 != length || map.is_empty() {
        return Err(io::Error::other(format!("a file of {} bytes instead of {length}", map.len())));
    }
    let start = NonNull::from(&map[..]).cast::<u8>();
    let length = map.len();
    // SAFETY: the mapping has so many bytes from there, and lives as long as the buffer has it.
    Ok(unsafe { Buffer::from_custom_allocation(start, length, Arc::new(map)) })
}

fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the file is sealed: nobody can change or shrink it.
    unsafe { MmapOptions::new().map_copy_read_only(file) }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_is_one_copy_that_nobody_can_change() {
        let mapped = Mapped::new(b"of all workers").unwrap();
        let buffer = map_of(std::process::id(), mapped.file(), 14).unwrap();
        assert_eq!((mapped.bytes(), buffer.as_slice()), (&b"of all workers"[..], &b"of all workers"[..]));
        assert!((&mapped.file).write_all(b"x").is_err() && mapped.file.set_len(1).is_err());
        assert!(map_of(std::process::id(), mapped.file(), 15).is_err());
        drop(mapped);
        assert_eq!(buffer.as_slice(), b"of all workers");
    }
}
