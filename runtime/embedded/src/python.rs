//! The C functions of a Python library that start an interpreter, found by name in the open library.
//!
//! The structs of its settings differ from version to version, but begin alike from 3.10 to 3.14; the rest of
//! them is made by Python itself. Other versions are not embedded.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::mem;
use std::ptr::{self, NonNull};

/// More bytes than the settings of any version have.
const ROOM: usize = 1024;

/// `PyPreConfig`, as far as it is needed.
#[repr(C, align(16))]
struct Before {
    _first: [c_int; 7],
    utf8_mode: c_int,
    _rest: [u64; ROOM],
}

/// `PyConfig`, as far as it is needed.
#[repr(C, align(16))]
struct Config {
    _first: [c_int; 5],
    use_hash_seed: c_int,
    hash_seed: c_ulong,
    _rest: [u64; ROOM],
}

/// `PyStatus`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Status {
    kind: c_int,
    function: *const c_char,
    message: *const c_char,
    exit_code: c_int,
}

/// An open shared library; it is never closed.
pub(crate) struct Library {
    handle: usize,
    path: String,
}

impl Library {
    /// Opens a library; `global`: its symbols are found by all that are opened later, as Python's modules
    /// expect it.
    pub(crate) fn open(path: &str, global: bool) -> Result<Library, String> {
        let text = CString::new(path).map_err(|error| error.to_string())?;
        let scope = if global { libc::RTLD_GLOBAL } else { libc::RTLD_LOCAL };
        // SAFETY: a text that ends in a zero byte; what constructors do is up to the library.
        let handle = unsafe { libc::dlopen(text.as_ptr(), libc::RTLD_NOW | scope) };
        match NonNull::new(handle) {
            Some(handle) => Ok(Library { handle: handle.expose_provenance().get(), path: path.to_owned() }),
            None => Err(format!("{path} cannot be opened: {}", trouble())),
        }
    }

    /// The address of a function.
    pub(crate) fn symbol(&self, name: &CStr) -> Result<NonNull<c_void>, String> {
        // SAFETY: the handle is that of an open library; a text that ends in a zero byte.
        let found = unsafe { libc::dlsym(ptr::with_exposed_provenance_mut(self.handle), name.as_ptr()) };
        NonNull::new(found).ok_or_else(|| format!("{} has no {}", self.path, name.to_string_lossy()))
    }

    /// The one function of the host library.
    pub(crate) fn call(&self) -> Result<crate::call::Call, String> {
        // SAFETY: a function of this name has this type; that the library is of this build is the first
        // thing that it is asked.
        Ok(unsafe {
            mem::transmute::<*mut c_void, crate::call::Call>(self.symbol(crate::call::SYMBOL)?.as_ptr())
        })
    }

    /// What a Python library says its version is.
    pub(crate) fn version(&self) -> Result<String, String> {
        let function = self.symbol(c"Py_GetVersion")?;
        // SAFETY: so it is declared in Python's headers, to be called at any time.
        let function: unsafe extern "C" fn() -> *const c_char = unsafe { mem::transmute(function.as_ptr()) };
        // SAFETY: gives a text that is constant.
        Ok(unsafe { CStr::from_ptr(function()) }.to_string_lossy().into_owned())
    }

    /// Whether somebody has started the interpreter.
    pub(crate) fn is_running(&self) -> Result<bool, String> {
        let function = self.symbol(c"Py_IsInitialized")?;
        // SAFETY: so it is declared in Python's headers, to be called at any time.
        let function: unsafe extern "C" fn() -> c_int = unsafe { mem::transmute(function.as_ptr()) };
        // SAFETY: as above.
        Ok(unsafe { function() } != 0)
    }

    /// Starts the interpreter as the one with this path would start, but without the environment, handlers
    /// of signals and buffers of its own. This thread becomes Python's main one, and lets go of its lock.
    pub(crate) fn start(&self, executable: &str, hash_seed: Option<u32>) -> Result<(), String> {
        let executable = CString::new(executable).map_err(|error| error.to_string())?;
        let (before, config) =
            (self.symbol(c"PyPreConfig_InitIsolatedConfig")?, self.symbol(c"PyConfig_InitIsolatedConfig")?);
        let (arguments, clear) = (self.symbol(c"PyConfig_SetBytesArgv")?, self.symbol(c"PyConfig_Clear")?);
        let (prepare, start) = (self.symbol(c"Py_PreInitialize")?, self.symbol(c"Py_InitializeFromConfig")?);
        let save = self.symbol(c"PyEval_SaveThread")?;
        // SAFETY: these are their types in Python's headers.
        let (before, config) = unsafe {
            (
                mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut Before)>(before.as_ptr()),
                mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut Config)>(config.as_ptr()),
            )
        };
        // SAFETY: as above.
        let (prepare, start, clear) = unsafe {
            (
                mem::transmute::<*mut c_void, unsafe extern "C" fn(*const Before) -> Status>(
                    prepare.as_ptr(),
                ),
                mem::transmute::<*mut c_void, unsafe extern "C" fn(*const Config) -> Status>(start.as_ptr()),
                mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut Config)>(clear.as_ptr()),
            )
        };
        type SetArguments = unsafe extern "C" fn(*mut Config, isize, *const *const c_char) -> Status;
        // SAFETY: as above.
        let (arguments, save) = unsafe {
            (
                mem::transmute::<*mut c_void, SetArguments>(arguments.as_ptr()),
                mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *mut c_void>(save.as_ptr()),
            )
        };
        let mut settings = Before { _first: [0; 7], utf8_mode: 0, _rest: [0; ROOM] };
        let mut more = Config { _first: [0; 5], use_hash_seed: 0, hash_seed: 0, _rest: [0; ROOM] };
        let argument = executable.as_ptr();
        // SAFETY: the order that Python asks for; the structs have room for those of any version, begin as
        // theirs do, and live until the end. What the library allocates for them, `clear` frees.
        unsafe {
            before(&raw mut settings);
            // The locale of the process is not for us to set, and files are not in the ASCII of `C`.
            settings.utf8_mode = 1;
            prepare(&raw const settings).check()?;
            config(&raw mut more);
            if let Some(seed) = hash_seed {
                (more.use_hash_seed, more.hash_seed) = (1, c_ulong::from(seed));
            }
            let done = arguments(&raw mut more, 1, &raw const argument).check();
            let done = done.and_then(|()| start(&raw const more).check());
            clear(&raw mut more);
            done?;
            save();
        }
        Ok(())
    }
}

impl Status {
    fn check(self) -> Result<(), String> {
        if self.kind == 0 {
            return Ok(());
        }
        let text = |text: *const c_char| match text.is_null() {
            true => String::new(),
            // SAFETY: Python gives constants here.
            false => unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned(),
        };
        Err(format!("Python does not start: {} {}", text(self.function), text(self.message)))
    }
}

/// What the system's linker complains of.
fn trouble() -> String {
    // SAFETY: gives null, or a text of this thread until the next call.
    let told = unsafe { libc::dlerror() };
    match told.is_null() {
        true => "the system does not say why".to_owned(),
        // SAFETY: as above, and it is copied at once.
        false => unsafe { CStr::from_ptr(told) }.to_string_lossy().into_owned(),
    }
}
