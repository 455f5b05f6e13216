//! The compiled module `nestflow._native`.
use pyo3::prelude::*;

/// The compiled module.
#[pymodule]
mod _native {}
