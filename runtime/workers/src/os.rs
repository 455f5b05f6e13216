//! What needs the operating system itself: shared pages, and an end at once.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::Arc;

use arrow_buffer::Buffer;
use memmap2::Mmap;

/// The file's content, mapped. The caller promises that nobody writes to the file any more.
pub(crate) fn map(file: &File) -> io::Result<Buffer> {
    // SAFETY: the file lies in a folder of ours that no other user may enter, is complete before
    // its number is sent, and loses its name before it is mapped: nobody changes it.
    let mapped = Arc::new(unsafe { Mmap::map(file)? });
    let len = mapped.len();
    let Some(start) = NonNull::new(mapped.as_ptr().cast_mut()) else { return Ok(Buffer::from([])) };
    // SAFETY: start and length are those of the mapping, which the buffer keeps.
    Ok(unsafe { Buffer::from_custom_allocation(start, len, mapped) })
}

/// Ends a worker process that still runs user code, without running any of it again.
pub(crate) fn end_at_once() -> ! {
    // SAFETY: has no conditions.
    unsafe { libc::_exit(0) }
}
