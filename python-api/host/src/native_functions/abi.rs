//! Opens shared libraries and calls their functions by the C ABI.
//!
//! Beside `batches`, the only file that handles pointers of others. All its safety rests on the promises that a library
//! makes: those of `nestflow_function.h`, or what the program said of a library without that header.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyAttributeError, PyOSError, PyValueError};
use pyo3::prelude::*;

/// Both texts of a function that gives them as a struct by value.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    value: *mut c_char,
    err: *mut c_char,
}

type TextFn = unsafe extern "C" fn(*const c_char) -> *mut c_char;
type PairFn = unsafe extern "C" fn(*const c_char) -> Pair;
type FreeFn = unsafe extern "C" fn(*mut c_char);

/// A library that is open until the process ends: Go's, for one, cannot be closed.
#[pyclass(frozen, module = "nestflow._host")]
pub(crate) struct NativeFile {
    handle: usize,
    /// Set where the library cannot be called any more.
    lost: Arc<AtomicBool>,
}

#[pymethods]
impl NativeFile {
    /// Opens the library; fails with what the system's linker says.
    #[new]
    fn open(py: Python<'_>, path: &str) -> PyResult<NativeFile> {
        let text = CString::new(path).map_err(|error| PyValueError::new_err(error.to_string()))?;
        // Constructors may take long, and Go's runtime starts threads.
        py.detach(|| {
            // SAFETY: a text that ends in a zero byte. What constructors do is up to the library.
            let handle = unsafe { libc::dlopen(text.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
            if handle.is_null() {
                // SAFETY: gives null, or a text of this thread until the next call.
                let told = unsafe { NonNull::new(libc::dlerror()) };
                // SAFETY: as above, and it is copied at once.
                let told =
                    told.map(|text| unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned());
                return Err(PyOSError::new_err(told.unwrap_or_else(|| format!("cannot open {path}"))));
            }
            Ok(NativeFile { handle: handle.expose_provenance(), lost: Arc::default() })
        })
    }

    /// Whether there is a function of this name.
    fn has(&self, name: &str) -> bool {
        self.address(name).is_ok()
    }

    /// From now on, functions refuse to be called: for a forked process, which lacks the threads of Go.
    fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    /// What a function without arguments says that gives a number.
    fn number(&self, py: Python<'_>, name: &str) -> PyResult<u32> {
        let address = self.address(name)?;
        // SAFETY: the library promises that a function of this name has this type.
        let function: unsafe extern "C" fn() -> u32 = unsafe { mem::transmute(address.as_ptr()) };
        // SAFETY: as above.
        Ok(py.detach(|| unsafe { function() }))
    }

    /// What a function without arguments says that gives a text, or a struct of a text and an error.
    #[pyo3(signature = (name, pair, free))]
    fn text(&self, py: Python<'_>, name: &str, pair: bool, free: Option<&str>) -> PyResult<Option<String>> {
        let address = self.address(name)?;
        let free = self.free(free)?;
        let texts = py.detach(|| {
            let raw = if pair {
                // SAFETY: the program or the library promises that a function of this name has this type.
                let function: unsafe extern "C" fn() -> Pair = unsafe { mem::transmute(address.as_ptr()) };
                // SAFETY: as above.
                unsafe { function() }
            } else {
                // SAFETY: as above.
                let function: unsafe extern "C" fn() -> *mut c_char =
                    unsafe { mem::transmute(address.as_ptr()) };
                // SAFETY: as above.
                Pair { value: unsafe { function() }, err: ptr::null_mut() }
            };
            Texts::of(raw, free)
        });
        if let Some(err) = texts.err() {
            return Err(PyValueError::new_err(format!("{name} failed: {err}")));
        }
        Ok(texts.value()?.map(str::to_owned))
    }
}

impl NativeFile {
    /// Whether the library cannot be called any more, now and later.
    pub(crate) fn lost(&self) -> Arc<AtomicBool> {
        self.lost.clone()
    }

    /// Where the function of this name is.
    pub(super) fn address(&self, name: &str) -> PyResult<Address> {
        let missing = || PyAttributeError::new_err(format!("the library has no function {name}"));
        let text = CString::new(name).map_err(|_| missing())?;
        // SAFETY: the handle is that of a library that is never closed; a text that ends in a zero byte.
        let found = unsafe { libc::dlsym(ptr::with_exposed_provenance_mut(self.handle), text.as_ptr()) };
        NonNull::new(found).map(Address).ok_or_else(missing)
    }

    /// The function that takes texts back: by name, of the C library by `libc`, or none.
    pub(crate) fn free(&self, name: Option<&str>) -> PyResult<Option<Free>> {
        let Some(name) = name else { return Ok(None) };
        if name == "libc" {
            return Ok(Some(Free(free_by_libc)));
        }
        // SAFETY: the program or the library promises that a function of this name has this type.
        Ok(Some(Free(unsafe { mem::transmute::<*mut c_void, FreeFn>(self.address(name)?.as_ptr()) })))
    }

    /// A function that takes a text and gives a struct of two, or one.
    pub(crate) fn entry(&self, name: &str, pair: bool) -> PyResult<Entry> {
        let address = self.address(name)?;
        // SAFETY: the program or the library promises that a function of this name has this type.
        Ok(unsafe {
            if pair {
                Entry::Pair(mem::transmute::<*mut c_void, PairFn>(address.as_ptr()))
            } else {
                Entry::Text(mem::transmute::<*mut c_void, TextFn>(address.as_ptr()))
            }
        })
    }
}

/// Where a function of a library is.
pub(super) struct Address(NonNull<c_void>);

// SAFETY: a number; whoever calls it answers for the call.
unsafe impl Send for Address {}
// SAFETY: as above.
unsafe impl Sync for Address {}

impl Address {
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.0.as_ptr()
    }
}

unsafe extern "C" fn free_by_libc(text: *mut c_char) {
    // SAFETY: as promised by whoever gave the text: it was allocated by the C library.
    unsafe { libc::free(text.cast()) }
}

/// What takes the texts of a library back.
#[derive(Clone, Copy)]
pub(crate) struct Free(FreeFn);

/// A function of the JSON form, or of one like it.
#[derive(Clone, Copy)]
pub(crate) enum Entry {
    Pair(PairFn),
    Text(TextFn),
}

impl Entry {
    /// Calls the function with a text.
    pub(crate) fn call(self, argument: &CStr, free: Option<Free>) -> Texts {
        // SAFETY: whoever made the entry promised its type; the text lives until the call returns.
        let raw = unsafe {
            match self {
                Entry::Pair(function) => function(argument.as_ptr()),
                Entry::Text(function) => Pair { value: function(argument.as_ptr()), err: ptr::null_mut() },
            }
        };
        Texts::of(raw, free)
    }
}

/// What a call gave; given back when it is dropped.
pub(crate) struct Texts {
    raw: Pair,
    free: Option<Free>,
}

// SAFETY: the texts are the caller's until they are freed, which any thread may do.
unsafe impl Send for Texts {}

impl Texts {
    fn of(raw: Pair, free: Option<Free>) -> Texts {
        Texts { raw, free }
    }

    /// An error alone, or a null pointer.
    pub(super) fn of_error(err: *mut c_char, free: Free) -> Texts {
        Texts::of(Pair { value: ptr::null_mut(), err }, Some(free))
    }

    /// The text of the value; `None` for a null pointer.
    pub(crate) fn value(&self) -> PyResult<Option<&str>> {
        // SAFETY: null, or a text that ends in a zero byte and is ours until the drop.
        let text = NonNull::new(self.raw.value).map(|text| unsafe { CStr::from_ptr(text.as_ptr()) }.to_str());
        text.transpose().map_err(|error| PyValueError::new_err(format!("no UTF-8: {error}")))
    }

    /// What went wrong; a null pointer and an empty text both mean nothing.
    pub(crate) fn err(&self) -> Option<String> {
        // SAFETY: as above.
        let text = NonNull::new(self.raw.err).map(|text| unsafe { CStr::from_ptr(text.as_ptr()) })?;
        (!text.is_empty()).then(|| text.to_string_lossy().into_owned())
    }
}

impl Drop for Texts {
    fn drop(&mut self) {
        let Some(Free(free)) = self.free else { return };
        for text in [self.raw.value, self.raw.err] {
            if !text.is_null() {
                // SAFETY: the library gave it to us to be given back with this function, once.
                unsafe { free(text) }
            }
        }
    }
}
