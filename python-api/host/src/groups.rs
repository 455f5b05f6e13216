//! Fold and Combine programs: states and values of many groups in, new states out.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, BinaryViewArray, RecordBatch};
use arrow_schema::Schema;
use nestflow_batch::columns::{CellBuilder, cell_field};
use nestflow_chain::{ChainSpec, Counts, HostError, OpenChain, Program, SideFrom};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::chunk::chunk;
use crate::counting::counted;
use crate::failure::{raised, unfit, unloadable};
use crate::kinds::kinds;
use crate::program::{Describe, cells, ours};
use crate::{decode, fast, pin};

/// An opened fold.
pub(crate) struct Groups {
    driver: Py<PyAny>,
    done: VecDeque<RecordBatch>,
    counts: Counts,
}

impl Groups {
    /// Loads the functions.
    pub(crate) fn open(
        py: Python<'_>,
        chain: &ChainSpec,
        open: &[BinaryViewArray],
    ) -> Result<Self, HostError> {
        if chain.sides.iter().any(|side| side.from != SideFrom::Open) {
            return Err(HostError::Internal("a fold has no side inputs by column".to_owned()));
        }
        let built = (|| {
            let describe = Describe::new(py)?;
            let module = py.import("nestflow.host.groups")?;
            match &chain.program {
                Program::Combine { function, site } => {
                    module.call_method1("build_combine", (describe.step("combine", &[function], site, &[])?,))
                }
                Program::Fold { step, zero, site, sides } => {
                    let step = describe.step("fold", &[step], site, sides)?;
                    let start = zero.as_ref().map(|zero| PyBytes::new(py, &zero.function.pickled));
                    let callable = zero.as_ref().is_some_and(|zero| zero.callable);
                    let sides = describe.sides(&chain.sides, open)?;
                    module.call_method1("build_fold", (step, start, callable, sides))
                }
                _ => Ok(py.None().into_bound(py)),
            }
        })();
        let driver = built.map_err(|error| unloadable(py, &error))?;
        Ok(Groups { driver: driver.unbind(), done: VecDeque::new(), counts: Counts::default() })
    }

    fn run(&self, py: Python<'_>, input: &RecordBatch) -> Result<CellBuilder, HostError> {
        let kinds = ours(kinds(py))?;
        let driver = self.driver.bind(py);
        let values = cells(input, "v")?;
        let groups = input.column_by_name("g").and_then(|column| column.as_primitive_opt::<UInt32Type>());
        let groups =
            groups.ok_or_else(|| HostError::Internal("a fold needs the column g".to_owned()))?.values();
        // Row i holds the state of group i as long as there are states.
        let states = groups.iter().zip(0..).take_while(|(group, row)| *group == row).count();
        let failed = |error: PyErr| raised(py, &error, driver, None);

        let list = ours(decode::list_of(py, values, 0..states, kinds.missing.bind(py)))?;
        let mut state = driver.call_method1(intern!(py, "begin"), (list,)).map_err(failed)?;
        let feed = ours(driver.getattr(intern!(py, "feed")))?;
        let mut start = states;
        while start < values.len() {
            let (rows, _) = chunk(values, start, values.len());
            start = rows.end;
            let numbers = ours(PyList::new(py, &groups[rows.clone()]))?;
            let records = ours(decode::list_of(py, values, rows, kinds.missing.bind(py)))?;
            feed.call1((&state, numbers, records)).map_err(failed)?;
            pin::offer(py);
        }
        state = driver.call_method1(intern!(py, "end"), (state,)).map_err(failed)?;

        let mut column = CellBuilder::with_capacity(states);
        for state in ours(state.cast::<PyList>().map_err(PyErr::from))?.iter() {
            if state.is(&kinds.missing) {
                column.append_null();
                continue;
            }
            fast::append_value(&state, &mut column)
                .map_err(|error| unfit(py, &error, driver, 0, &state, "value"))?;
        }
        Ok(column)
    }
}

fn batch(mut states: CellBuilder) -> Result<RecordBatch, HostError> {
    let column = states.finish().map_err(|error| HostError::Data(error.to_string()))?;
    let schema = Arc::new(Schema::new(vec![cell_field("v")]));
    RecordBatch::try_new(schema, vec![Arc::new(column)])
        .map_err(|error| HostError::Internal(error.to_string()))
}

impl OpenChain for Groups {
    fn credits(&self) -> usize {
        1
    }

    fn push(&mut self, input: RecordBatch) -> Result<(), HostError> {
        let (states, counts) = pin::attach(|py| counted(py, || self.run(py, &input)))?;
        self.done.push_back(batch(states)?);
        self.counts.add(counts);
        Ok(())
    }

    fn pull(&mut self) -> Result<RecordBatch, HostError> {
        self.done.pop_front().ok_or_else(|| HostError::Internal("pull without a push".to_owned()))
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, HostError> {
        Ok(None)
    }
    fn counted(&mut self) -> Counts {
        self.counts.take()
    }
}
