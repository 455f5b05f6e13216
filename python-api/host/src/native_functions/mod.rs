//! Functions in shared libraries of others (Go, Rust, C, C++), called by Python: `nestflow.native`.
//!
//! `abi` opens libraries and calls what is in them, `batches` does so with batches of Arrow; `write` and
//! `read` turn objects into JSON and back, guided by `shape` where the library describes its types; `json`
//! and `arrow` are the functions that Python sees, of the two forms of `nestflow_function.h`. Must not know
//! how libraries are found (that is `nestflow/native/` in Python), nor anything of chains: to those a native
//! function is like any other.

mod abi;
mod arrow;
mod batches;
mod json;
mod read;
mod shape;
mod write;

pub(crate) use abi::NativeFile;
pub(crate) use arrow::NativeBatchCall;
pub(crate) use json::NativeCall;
