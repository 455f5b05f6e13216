//! The compiled module `nestflow._native`: plan bytes in, rows and texts out.
//!
//! Ten functions. What they mean to Python stands in `_native.pyi`; sessions live in
//! `session`, errors leave through `failure`. Must not know operators.

mod exit;
mod failure;
mod logs;
mod machine;
mod pools;
mod session;
mod spark;

use nestflow_batch::block::{self, BlockHeader};
use nestflow_host::gate;
use nestflow_runtime::plan::wire;
use nestflow_runtime::planner;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

use failure::{RunError, raised};

/// Literal data is cut into about so many blocks, since a block is the least that a task reads, and a
/// few records may be a lot of work.
const LITERAL_BLOCKS: usize = 64;
/// Records in one block of literal data, at least and at most.
const LITERAL_ROWS: (usize, usize) = (4, 4096);

/// Opens a session.
#[pyfunction]
fn open_session(options: &Bound<'_, PyDict>) -> PyResult<u64> {
    session::open(options)
}

/// Gives back everything that a session holds.
#[pyfunction]
fn close_session(py: Python<'_>, session: u64) {
    // At the interpreter's end all are closed anyway.
    if let Some(inside) = gate::enter() {
        // Task threads that end may need the interpreter.
        py.detach(|| {
            session::close(session);
            inside.or_park(())
        });
    }
}

/// Executes a plan.
#[pyfunction]
#[pyo3(signature = (session, plan, progress, kit = None))]
fn run<'py>(
    py: Python<'py>,
    session: u64,
    plan: &[u8],
    progress: Option<Bound<'py, PyAny>>,
    kit: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    session::run(py, session, plan, progress, kit)
}

/// Rows of a kept dataset: tuples of keys and value.
#[pyfunction]
fn fetch<'py>(py: Python<'py>, session: u64, cache: u64) -> PyResult<Bound<'py, PyList>> {
    let inside = session::enter()?;
    let (_inside, batches) = py.detach(|| inside.or_park(session::kept(session, cache)));
    let batches = batches.map_err(|error| raised(py, error))?;
    session::rows(py, &batches)
}

/// Forgets a kept dataset.
#[pyfunction]
fn release(session: u64, cache: u64) {
    session::release(session, cache);
}

/// Describes a plan.
#[pyfunction]
#[pyo3(signature = (plan, form, session = None, settings = None, ask = None))]
fn explain(
    py: Python<'_>,
    plan: &[u8],
    form: &str,
    session: Option<u64>,
    settings: Option<&str>,
    ask: Option<Py<PyAny>>,
) -> PyResult<String> {
    if form == "code" {
        return code(py, plan);
    }
    let text = py.detach(|| {
        let plan = wire::decode_plan(plan)?;
        let settings = match (session, settings, ask) {
            (Some(session), ..) => session::planning(session, &plan)?,
            (None, Some(settings), Some(ask)) => spark::planning(&plan, settings, ask)?,
            _ => planner::Settings { channels: 1, ..planner::Settings::default() },
        };
        nestflow_runtime::explain::explain(&plan, &settings, form)
    });
    text.map_err(|error| raised(py, error))
}

/// The code that is written for the functions of a plan, stage by stage.
fn code(py: Python<'_>, plan: &[u8]) -> PyResult<String> {
    let programs = wire::decode_plan(plan).and_then(|plan| nestflow_runtime::explain::programs(&plan));
    let mut text = String::new();
    for (stage, chain) in programs.map_err(|error| raised(py, error))? {
        let source = nestflow_host::source(py, &chain)?;
        if !source.is_empty() {
            text += &format!("# {stage}\n{source}\n");
        }
    }
    Ok(text)
}

/// Records as blocks of value cells.
#[pyfunction]
fn encode<'py>(py: Python<'py>, records: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyList>> {
    let blocks = PyList::empty(py);
    let rows = records.len().div_ceil(LITERAL_BLOCKS).clamp(LITERAL_ROWS.0, LITERAL_ROWS.1);
    for start in (0..records.len()).step_by(rows) {
        let end = (start + rows).min(records.len());
        let cells = nestflow_host::encode_records(&records.get_slice(start, end))?;
        let bytes = encoded(cells).map_err(|error| raised(py, error))?;
        blocks.append(PyBytes::new(py, &bytes))?;
    }
    Ok(blocks)
}

fn encoded(cells: arrow::array::BinaryViewArray) -> nestflow_runtime::error::Result<Vec<u8>> {
    let batch = arrow::array::RecordBatch::try_from_iter_with_nullable([(
        "v",
        std::sync::Arc::new(cells) as arrow::array::ArrayRef,
        true,
    )])?;
    let mut bytes = Vec::new();
    let written = block::encode(&BlockHeader::default(), &batch, false, &mut bytes);
    written.map_err(|error| nestflow_runtime::error::Error::Data(error.to_string()))?;
    Ok(bytes)
}

/// The compiled module.
#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    logs::install();
    // For workers of an installation whose only library is this one; the small one starts faster.
    module.add_wrapped(pyo3::wrap_pymodule!(nestflow_host::_host))?;
    module.add("RunError", module.py().get_type::<RunError>())?;
    module.add_function(wrap_pyfunction!(open_session, module)?)?;
    module.add_function(wrap_pyfunction!(close_session, module)?)?;
    module.add_function(wrap_pyfunction!(run, module)?)?;
    module.add_function(wrap_pyfunction!(fetch, module)?)?;
    module.add_function(wrap_pyfunction!(release, module)?)?;
    module.add_function(wrap_pyfunction!(explain, module)?)?;
    module.add_function(wrap_pyfunction!(encode, module)?)?;
    module.add_function(wrap_pyfunction!(spark::spark_plan, module)?)?;
    module.add_function(wrap_pyfunction!(spark::spark_end, module)?)?;
    module.add_function(wrap_pyfunction!(spark::spark_rows, module)?)?;
    Ok(())
}
