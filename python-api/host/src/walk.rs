//! A chunk of records on its way through a driver: where it stands, so that it can pause there.

use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyTuple};

use arrow_array::{Array, BinaryViewArray};

use crate::decode::Frozen;
use crate::fast;
use crate::rows::{Given, Rows, Unfit};

/// What a driver gave at once: rows, and how many there were after each record that ended.
type Part<'py> = (Bound<'py, PyList>, Vec<usize>);

/// A chunk that a driver has begun.
pub(crate) struct Walk {
    /// The first row behind the chunk.
    pub(crate) end: usize,
    pub(crate) records: Py<PyList>,
    /// What the driver takes the records from.
    pub(crate) iterator: Py<PyAny>,
    /// For each record, where it lies if nobody can change it.
    pub(crate) frozen: Vec<Frozen>,
    /// The record that the next row comes from.
    pub(crate) record: usize,
    /// Whether only so many rows of a record are of use, and how many it has given, markers aside.
    pub(crate) limited: bool,
    pub(crate) given: usize,
    /// What the driver was called with.
    pub(crate) arguments: Py<PyTuple>,
    /// How many rows the driver should give at once, where it can be told.
    pub(crate) room: Py<PyList>,
    /// What the driver gave when it was called: rows, or a generator of parts.
    pub(crate) result: Py<PyAny>,
}

impl Walk {
    /// The next part of a generator; `None` at its end. What was given before is gone then.
    pub(crate) fn next_part<'py>(&self, py: Python<'py>) -> PyResult<Option<Part<'py>>> {
        let mut parts = self.result.bind(py).cast::<PyIterator>()?.clone();
        parts.next().transpose()?.map(|part| part.extract()).transpose()
    }

    /// What is known of a row of this record.
    #[inline]
    fn given<'a>(&self, values: &'a BinaryViewArray, row: usize) -> Given<'a> {
        Given { values, row, record: self.frozen[self.record] }
    }

    /// Stores one row, or word that there is none, for each record from `row` on, markers in between.
    pub(crate) fn store_all<'py>(
        &mut self,
        py: Python<'py>,
        rows: &mut Rows<'_>,
        values: &BinaryViewArray,
        row: &mut usize,
    ) -> Result<(), Unfit<'py>> {
        let result = self.result.bind(py);
        let odd = |error: PyErr| Unfit { error, value: result.clone(), part: 0, role: "value" };
        let list = result.cast::<PyList>().map_err(|error| odd(error.into()))?;
        for number in *row..self.end {
            if !values.is_valid(number) {
                rows.push_marker(number as u32);
                continue;
            }
            let given = self.given(values, number);
            rows.push(given, &*fast::list_item(list, self.record).map_err(odd)?)?;
            self.record += 1;
        }
        *row = self.end;
        Ok(())
    }

    /// Stores a part from `row` on; it then is the row of the first record that has not ended.
    pub(crate) fn store_part<'py>(
        &mut self,
        rows: &mut Rows<'_>,
        values: &BinaryViewArray,
        row: &mut usize,
        (list, ends): &Part<'py>,
    ) -> Result<(), Unfit<'py>> {
        let odd = |error: PyErr| Unfit { error, value: list.clone().into_any(), part: 0, role: "value" };
        let mut next = 0;
        let unfinished = (list.len() > ends.last().map_or(0, |&end| end)).then_some(list.len());
        for (record, end) in ends.iter().copied().chain(unfinished).enumerate() {
            self.store_markers(rows, values, row);
            if next < end {
                let given = self.given(values, *row);
                for index in next..end {
                    let item = fast::list_item(list, index).map_err(odd)?;
                    if self.limited && !rows.is_marker(&item) {
                        self.given += 1;
                    }
                    rows.push(given, &item)?;
                }
                next = end;
            }
            if record < ends.len() {
                self.record += 1;
                self.given = 0;
                *row += 1;
            }
        }
        Ok(())
    }

    /// Lets go of what the record in hand has still to give, and goes on behind it.
    pub(crate) fn next_record(&mut self, py: Python<'_>, run: &Py<PyAny>, row: &mut usize) -> PyResult<()> {
        // The iterators in the arguments stand behind that record.
        self.result = run.bind(py).call1(self.arguments.bind(py))?.unbind();
        self.record += 1;
        self.given = 0;
        *row += 1;
        Ok(())
    }

    /// Stores the markers in front of the next record.
    pub(crate) fn store_markers(&self, rows: &mut Rows<'_>, values: &BinaryViewArray, row: &mut usize) {
        while *row < self.end && !values.is_valid(*row) {
            rows.push_marker(*row as u32);
            *row += 1;
        }
    }
}
