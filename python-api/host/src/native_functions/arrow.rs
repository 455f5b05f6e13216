//! Functions of the Arrow form: a batch in, a batch out, by pointers alone.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pyo3::prelude::*;

use super::abi::{Free, NativeFile};
use super::batches::ArrowEntry;
use super::json::{check_lost, failure};

/// A function of a library; `nestflow.native` adds what it takes to make batches of data frames.
#[pyclass(frozen, subclass, dict, module = "nestflow._host")]
pub(crate) struct NativeBatchCall {
    name: String,
    library: String,
    entry: ArrowEntry,
    lost: Arc<AtomicBool>,
    free: Free,
}

#[pymethods]
impl NativeBatchCall {
    /// A function of a library by its symbol; `name` and `library` are for messages.
    #[new]
    fn new(file: &NativeFile, symbol: &str, free: &str, name: String, library: String) -> PyResult<Self> {
        let missing = || pyo3::exceptions::PyValueError::new_err("a batch function needs what frees texts");
        let free = file.free(Some(free))?.ok_or_else(missing)?;
        Ok(NativeBatchCall { name, library, entry: ArrowEntry::of(file, symbol)?, lost: file.lost(), free })
    }

    /// Calls the function with the capsules of `__arrow_c_array__`; gives the same of the result.
    fn on_capsules<'py>(
        &self,
        py: Python<'py>,
        schema: Bound<'py, PyAny>,
        array: Bound<'py, PyAny>,
        argument: Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        check_lost(&self.lost, &self.library)?;
        let done = self.entry.call(&(schema, array), self.free)?;
        done.map_err(|message| failure(py, &message, &self.name, &self.library, &argument))
    }

    #[getter(__name__)]
    fn name(&self) -> &str {
        &self.name
    }

    fn __repr__(&self) -> String {
        format!("<native batch function {} of {}>", self.name, self.library)
    }
}
