//! What pool and worker need of the operating system: the worker's end of the socket, memory that
//! stays, an end of its own with the pool that it belongs to, how it ended, and the time that work takes.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{ExitStatusExt, parent_id};
use std::process::ExitStatus;
use std::time::Duration;

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

/// The version of glibc in this process, if it has one.
pub fn glibc() -> Option<(u32, u32)> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: gives a text that never changes.
        let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
        let mut numbers = version.to_str().ok()?.split('.').map_while(|number| number.parse().ok());
        Some((numbers.next()?, numbers.next()?))
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    None
}

/// The processor time of this thread so far. Unlike the clock on the wall it does not run while the
/// thread waits: for an interpreter, another process, or a core.
pub(crate) fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: fills in the struct that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How a process ended, for people.
pub(crate) fn ended(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            let name = match signal {
                libc::SIGSEGV => " (SIGSEGV)",
                libc::SIGABRT => " (SIGABRT)",
                libc::SIGBUS => " (SIGBUS)",
                libc::SIGFPE => " (SIGFPE)",
                libc::SIGILL => " (SIGILL)",
                libc::SIGTERM => " (SIGTERM)",
                libc::SIGKILL => " (SIGKILL: by somebody, or by the kernel because memory was short)",
                _ => "",
            };
            format!("was ended by signal {signal}{name}")
        }
        (None, Some(code)) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    }
}
