//! User functions in an interpreter inside this process, which need not be one of Python's own: the JVM of a
//! Spark executor.
//!
//! `probe` asks the job's interpreter where its library is; `interpreter` opens and starts that, once for
//! the life of the process, with `python` for Python's C functions; then the small host library
//! (`python-api/host`) is opened, and [`host`] is the `Host` that the engine sees. Between the two libraries there
//! is one C function: [`message`] says what is said, [`batch`] how batches pass without being copied, and
//! [`call`] how the function looks; all three are compiled into both.
//!
//! Must not name Python's types, and must not be linked against a Python.

pub mod batch;
pub mod call;
pub mod host;
mod interpreter;
pub mod message;
mod probe;
mod python;

pub use host::{EmbeddedHost, Settings};
