//! Counts what native code has allocated in this process, so that a test can say that nothing is left. The
//! memory is the system's; only the count is ours.
//!
//! Must stay cheap: each thread counts in one of a few places of its own, which are added up when somebody asks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// Threads that share a place get in each other's way; there are about as many as cores.
const PLACES: usize = 64;

/// A count with a line of the cache to itself.
#[repr(align(128))]
struct Place(AtomicI64);

static COUNTS: [Place; PLACES] = [const { Place(AtomicI64::new(0)) }; PLACES];
static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Where this thread counts; needs neither memory nor an end.
    static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that are allocated now.
pub fn allocated() -> i64 {
    COUNTS.iter().map(|place| place.0.load(Ordering::Relaxed)).sum()
}

fn count(bytes: i64) {
    // Without a place of its own, at the very end of a thread, it counts in the first.
    let place = MINE.try_with(|mine| {
        if mine.get() == usize::MAX {
            mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % PLACES);
        }
        mine.get()
    });
    COUNTS[place.unwrap_or(0)].0.fetch_add(bytes, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "an allocator is")]
// SAFETY: all that is asked for is given by, and given back to, the system's allocator, as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let given = unsafe { System.alloc(layout) };
        if !given.is_null() {
            count(layout.size() as i64);
        }
        given
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let given = unsafe { System.alloc_zeroed(layout) };
        if !given.is_null() {
            count(layout.size() as i64);
        }
        given
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) };
        count(-(layout.size() as i64));
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        let given = unsafe { System.realloc(pointer, layout, size) };
        if !given.is_null() {
            count(size as i64 - layout.size() as i64);
        }
        given
    }
}
