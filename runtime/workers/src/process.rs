//! What a worker process needs of the operating system: its end of the socket, memory that stays,
//! and an end of its own with the pool that it belongs to.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::parent_id;

/// The socket with this number, which nobody else may use from now on.
pub fn adopt(socket: RawFd) -> UnixStream {
    // SAFETY: the caller gives the descriptor away; one that is not a socket fails at its first use.
    unsafe { UnixStream::from_raw_fd(socket) }
}

/// Ends this process at once: no handlers, no destructors, whatever other threads are doing.
pub(crate) fn end_process() -> ! {
    // SAFETY: never returns, and touches nothing.
    unsafe { libc::_exit(1) }
}

/// Makes the kernel end this process when the thread that started it ends. `parent` is the process
/// that did: if it has ended already, so does this one.
pub fn end_with_parent(parent: u32) {
    #[cfg(target_os = "linux")]
    // SAFETY: sets an attribute of this process; the arguments are plain numbers.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
    if parent_id() != parent {
        end_process();
    }
}

/// Makes the allocator keep what is freed, up to a limit: batches of the same size come again and
/// again, and giving their pages back and forth costs a third of a worker's time.
pub(crate) fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: sets two numbers of the allocator, at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 64 << 20);
    }
}
