//! Side inputs that come by column: equal neighbours are decoded once and are the same object.

use arrow_array::{Array, BinaryViewArray};
use nestflow_chain::SideShape;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::decode;
use crate::kinds::Kinds;

/// One such side input, over all batches of a chain.
pub(crate) struct ColumnSide {
    /// Its column: `x0`, `x1`, ….
    pub(crate) name: String,
    shape: SideShape,
    last: Option<(Option<Vec<u8>>, Py<PyAny>)>,
}

impl ColumnSide {
    pub(crate) fn new(name: String, shape: SideShape) -> Self {
        ColumnSide { name, shape, last: None }
    }

    /// The objects of some rows.
    pub(crate) fn list<'py>(
        &mut self,
        py: Python<'py>,
        kinds: &Kinds,
        cells: &BinaryViewArray,
        rows: impl Iterator<Item = usize>,
    ) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for row in rows {
            list.append(self.object(py, kinds, cells.is_valid(row).then(|| cells.value(row)))?)?;
        }
        Ok(list)
    }

    /// The object of a cell; a null is an empty `PObject` or an empty sequence.
    pub(crate) fn object<'py>(
        &mut self,
        py: Python<'py>,
        kinds: &Kinds,
        cell: Option<&[u8]>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some((last, object)) = &self.last
            && last.as_deref() == cell
        {
            return Ok(object.bind(py).clone());
        }
        let object = match (cell, self.shape) {
            (None, SideShape::Value) => kinds.missing.bind(py).clone(),
            (None, SideShape::Sequence) => kinds.side_view.bind(py).call1((PyList::empty(py),))?,
            (Some(cell), SideShape::Value) => decode::get_value(py, cell)?,
            (Some(cell), SideShape::Sequence) => {
                kinds.side_view.bind(py).call1((decode::get_value(py, cell)?,))?
            }
        };
        self.last = Some((cell.map(<[u8]>::to_vec), object.clone().unbind()));
        Ok(object)
    }
}
