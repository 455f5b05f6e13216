//! The one C function of the host library: a message and batches in, a message and a batch out.
#![allow(unsafe_code)]

use arrow_array::RecordBatch;
use nestflow_chain::HostError;

use crate::batch::Passed;
use crate::message::{Answer, Ask, Failure, decode, encode};

/// The name of the function in the host library.
pub const SYMBOL: &std::ffi::CStr = c"nestflow_embedded_call";

/// Bytes that were made by one library and are freed by it.
#[repr(C)]
pub struct Text {
    at: *mut u8,
    length: usize,
    release: Option<unsafe extern "C" fn(*mut u8, usize)>,
}

/// What comes back.
#[repr(C)]
pub struct Reply {
    text: Text,
    batch: Passed,
}

/// The type of the function: the bytes of an [`Ask`], the batches that come along, which it takes, and
/// where the reply goes.
pub type Call = unsafe extern "C" fn(
    ask: *const u8,
    length: usize,
    batches: *mut Passed,
    count: usize,
    reply: *mut Reply,
);

unsafe extern "C" fn release(at: *mut u8, length: usize) {
    // SAFETY: the parts of the boxed slice that `Text::of` made, given back once.
    drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(at, length)) });
}

impl Text {
    fn of(bytes: Vec<u8>) -> Text {
        let bytes = Box::leak(bytes.into_boxed_slice());
        Text { at: bytes.as_mut_ptr(), length: bytes.len(), release: Some(release) }
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        if let Some(release) = self.release.take() {
            // SAFETY: taken out, so that it is called once, with what belongs to it.
            unsafe { release(self.at, self.length) };
        }
    }
}

impl Default for Reply {
    fn default() -> Reply {
        Reply { text: Text { at: std::ptr::null_mut(), length: 0, release: None }, batch: Passed::NONE }
    }
}

/// Calls the function, in the engine.
///
/// # Safety
/// It is the function of a library of this build.
pub unsafe fn call(
    function: Call,
    ask: &Ask,
    batches: Vec<RecordBatch>,
) -> Result<(Answer, Option<RecordBatch>), HostError> {
    let ask = encode(ask)?;
    let batches = batches.into_iter().map(Passed::of);
    let mut batches = batches.collect::<Result<Vec<_>, _>>().map_err(HostError::Internal)?;
    let mut reply = Reply::default();
    // SAFETY: the pointers are those of values that live until it returns; it takes the batches by
    // leaving empty ones in their places.
    unsafe { function(ask.as_ptr(), ask.len(), batches.as_mut_ptr(), batches.len(), &raw mut reply) };
    let bytes = match reply.text.length {
        0 => &[],
        // SAFETY: made by `Text::of`, and not released before `reply` goes.
        length => unsafe { std::slice::from_raw_parts(reply.text.at, length) },
    };
    match decode(bytes)? {
        Answer::Failed(failure) => Err(failure.into()),
        answer => {
            let batch = std::mem::replace(&mut reply.batch, Passed::NONE);
            // SAFETY: made by `Passed::of` in a library of this build.
            let batch = batch.is_some().then(|| unsafe { batch.open() }).transpose();
            Ok((answer, batch.map_err(HostError::Internal)?))
        }
    }
}

/// The body of the function, in the host library.
///
/// # Safety
/// The arguments are those of [`Call`], as [`call`] makes them.
pub unsafe fn answer(
    (ask, length): (*const u8, usize),
    (batches, count): (*mut Passed, usize),
    reply: *mut Reply,
    work: impl FnOnce(Ask, Vec<RecordBatch>) -> Result<(Answer, Option<RecordBatch>), HostError>,
) {
    let done = || {
        let mut given = Vec::with_capacity(count);
        for index in 0..count {
            // SAFETY: so many of them are there; what is taken is replaced.
            let passed = unsafe { std::mem::replace(&mut *batches.add(index), Passed::NONE) };
            // SAFETY: made by `Passed::of` in a library of this build.
            given.push(unsafe { passed.open() }.map_err(HostError::Internal)?);
        }
        // SAFETY: the bytes of a vector, which is not empty, and lives until this function returns.
        let (answer, batch) = work(decode(unsafe { std::slice::from_raw_parts(ask, length) })?, given)?;
        let batch = batch.map_or(Ok(Passed::NONE), Passed::of).map_err(HostError::Internal)?;
        Ok((encode(&answer)?, batch))
    };
    // No panic may pass from one library to the other.
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(done));
    let done = done.unwrap_or_else(|_| Err(HostError::Internal("the embedded host panicked".to_owned())));
    let (text, batch) = done.unwrap_or_else(|error: HostError| {
        // Failures are texts: that one cannot be encoded cannot be; without bytes, the caller says so.
        (encode(&Answer::Failed(Failure::from(error))).unwrap_or_default(), Passed::NONE)
    });
    // SAFETY: the reply of the caller, whole and empty.
    unsafe { *reply = Reply { text: Text::of(text), batch } };
}
