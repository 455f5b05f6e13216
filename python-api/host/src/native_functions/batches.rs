//! Calls functions of the Arrow form: batches by pointers, as the Arrow C data interface has them.
//!
//! Must not look into a batch. Its safety rests on the promises of `nestflow_function.h`.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::mem;
use std::ptr::{self, NonNull};

use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;

use super::abi::{Free, NativeFile, Texts};

type ArrowFn = unsafe extern "C" fn(
    *mut ArrowArray,
    *mut ArrowSchema,
    *mut ArrowArray,
    *mut ArrowSchema,
    *mut *mut c_char,
) -> i32;

/// `struct ArrowSchema` of the Arrow C data interface.
#[repr(C)]
struct ArrowSchema {
    texts: [*const c_char; 3],
    counts: [i64; 2],
    links: [*mut c_void; 2],
    release: Option<unsafe extern "C" fn(*mut ArrowSchema)>,
    private_data: *mut c_void,
}

/// `struct ArrowArray` of the Arrow C data interface.
#[repr(C)]
struct ArrowArray {
    counts: [i64; 5],
    links: [*mut c_void; 3],
    release: Option<unsafe extern "C" fn(*mut ArrowArray)>,
    private_data: *mut c_void,
}

const SCHEMA: &CStr = c"arrow_schema";
const ARRAY: &CStr = c"arrow_array";

/// A function of the Arrow form.
#[derive(Clone, Copy)]
pub(crate) struct ArrowEntry(ArrowFn);

/// Capsules of a schema and an array, as `__arrow_c_array__` gives them.
pub(crate) type Capsules<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

impl ArrowEntry {
    /// The function of this name.
    pub(crate) fn of(file: &NativeFile, name: &str) -> PyResult<ArrowEntry> {
        // SAFETY: the library promises that a function of this name has this type.
        Ok(ArrowEntry(unsafe { mem::transmute::<*mut c_void, ArrowFn>(file.address(name)?.as_ptr()) }))
    }

    /// Calls the function with what is in the capsules; `Err` of the inner result is what it complains of.
    pub(crate) fn call<'py>(
        self,
        given: &Capsules<'py>,
        free: Free,
    ) -> PyResult<Result<Capsules<'py>, String>> {
        let py = given.0.py();
        let mut call = ArrowCall {
            function: self.0,
            schema: content(&given.0, SCHEMA)?,
            array: content(&given.1, ARRAY)?,
            made_schema: ArrowSchema::EMPTY,
            made_array: ArrowArray::EMPTY,
            err: ptr::null_mut(),
        };
        if !call.is_whole() {
            return Err(PyValueError::new_err("this batch was moved out of its capsule before"));
        }
        let status = py.detach(|| call.run());
        let texts = Texts::of_error(call.err, free);
        if status != 0 {
            return Ok(Err(texts.err().unwrap_or_else(|| format!("status {status}"))));
        }
        if call.made_array.release.is_none() || call.made_schema.release.is_none() {
            return Ok(Err("it says that it succeeded, but gave no batch".to_owned()));
        }
        let schema = capsule(py, mem::replace(&mut call.made_schema, ArrowSchema::EMPTY))?;
        let array = capsule(py, mem::replace(&mut call.made_array, ArrowArray::EMPTY))?;
        Ok(Ok((schema, array)))
    }
}

/// A call of the Arrow form; what was made is released with it, unless it was taken out.
struct ArrowCall {
    function: ArrowFn,
    schema: NonNull<ArrowSchema>,
    array: NonNull<ArrowArray>,
    made_schema: ArrowSchema,
    made_array: ArrowArray,
    err: *mut c_char,
}

// SAFETY: the C data interface may be used from any thread, by one at a time; the capsules are held by the
// caller.
unsafe impl Send for ArrowCall {}

impl ArrowCall {
    fn is_whole(&self) -> bool {
        // SAFETY: whole structs, in capsules that the caller holds.
        unsafe { self.schema.as_ref().release.is_some() && self.array.as_ref().release.is_some() }
    }

    fn run(&mut self) -> i32 {
        // SAFETY: whoever made the entry promised its type, and what it does with these.
        unsafe {
            (self.function)(
                self.array.as_ptr(),
                self.schema.as_ptr(),
                &raw mut self.made_array,
                &raw mut self.made_schema,
                &raw mut self.err,
            )
        }
    }
}

impl Drop for ArrowCall {
    fn drop(&mut self) {
        self.made_schema.give_back();
        self.made_array.give_back();
    }
}

/// A struct of the C data interface that travels in a capsule.
trait InCapsule: Sized {
    const NAME: &CStr;
    const EMPTY: Self;

    /// Releases what the struct holds, if it was not moved out.
    fn give_back(&mut self);
}

impl InCapsule for ArrowSchema {
    const NAME: &CStr = SCHEMA;
    const EMPTY: Self = ArrowSchema {
        texts: [ptr::null(); 3],
        counts: [0; 2],
        links: [ptr::null_mut(); 2],
        release: None,
        private_data: ptr::null_mut(),
    };

    fn give_back(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: it was not released, and whoever made it promised that this does it.
            unsafe { release(self) }
        }
    }
}

impl InCapsule for ArrowArray {
    const NAME: &CStr = ARRAY;
    const EMPTY: Self = ArrowArray {
        counts: [0; 5],
        links: [ptr::null_mut(); 3],
        release: None,
        private_data: ptr::null_mut(),
    };

    fn give_back(&mut self) {
        if let Some(release) = self.release {
            // SAFETY: it was not released, and whoever made it promised that this does it.
            unsafe { release(self) }
        }
    }
}

/// What a capsule of this name holds.
fn content<T>(capsule: &Bound<'_, PyAny>, name: &CStr) -> PyResult<NonNull<T>> {
    // SAFETY: checks itself that it is given a capsule of this name; null with an exception set.
    let pointer = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), name.as_ptr()) };
    NonNull::new(pointer.cast()).ok_or_else(|| PyErr::fetch(capsule.py()))
}

fn capsule<T: InCapsule>(py: Python<'_>, value: T) -> PyResult<Bound<'_, PyAny>> {
    let boxed = Box::into_raw(Box::new(value));
    // SAFETY: not null, and the name is static; the destructor knows what the box holds.
    unsafe {
        let made = ffi::PyCapsule_New(boxed.cast(), T::NAME.as_ptr(), Some(drop_capsule::<T>));
        Bound::from_owned_ptr_or_err(py, made).inspect_err(|_| drop_box(boxed))
    }
}

unsafe extern "C" fn drop_capsule<T: InCapsule>(capsule: *mut ffi::PyObject) {
    // SAFETY: only called for capsules that `capsule` made, with what it put in.
    unsafe {
        let boxed = ffi::PyCapsule_GetPointer(capsule, T::NAME.as_ptr());
        if !boxed.is_null() {
            drop_box(boxed.cast::<T>());
        }
    }
}

/// # Safety
/// The pointer is that of a box that nobody else has.
unsafe fn drop_box<T: InCapsule>(boxed: *mut T) {
    // SAFETY: as promised by the caller.
    unsafe { Box::from_raw(boxed) }.give_back();
}
