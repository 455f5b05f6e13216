//! Python types and helpers that conversions need, looked up once per process.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyInt, PyString, PyType};

/// Handles that live as long as the interpreter.
pub(crate) struct Kinds {
    pub(crate) date: Py<PyType>,
    pub(crate) datetime: Py<PyType>,
    pub(crate) time: Py<PyType>,
    pub(crate) timedelta: Py<PyType>,
    pub(crate) timezone: Py<PyType>,
    pub(crate) utc: Py<PyAny>,
    pub(crate) uuid: Py<PyType>,
    /// `uuid.SafeUUID.unknown`: what every UUID is but for some of those made by the platform.
    pub(crate) uuid_unknown: Py<PyAny>,
    pub(crate) decimal: Py<PyType>,
    /// `pickle.loads`.
    pub(crate) loads: Py<PyAny>,
    /// `nestflow.host.pickles.dumps`.
    pub(crate) dumps: Py<PyAny>,
    /// `nestflow.host.pickles.copied`.
    pub(crate) copied: Py<PyAny>,
    /// `nestflow.host.program.MISSING`: instead of a value where there is none.
    pub(crate) missing: Py<PyAny>,
    /// `nestflow.host.program.GONE`: instead of a part of a row that is null.
    pub(crate) gone: Py<PyAny>,
    /// `nestflow.host.program.DROP`: instead of a row.
    pub(crate) drop: Py<PyAny>,
    /// `nestflow.host.sides.SideView`.
    pub(crate) side_view: Py<PyType>,
    /// `nestflow.host.program.Unfit`.
    pub(crate) unfit: Py<PyType>,
    /// `nestflow.host.counting.enter`.
    pub(crate) enter: Py<PyAny>,
    /// `nestflow.host.counting.leave`.
    pub(crate) leave: Py<PyAny>,
    /// `nestflow.host.keys.canonical`.
    pub(crate) canonical: Py<PyAny>,
    /// `nestflow.host.keys.Identity`.
    pub(crate) identity: Py<PyType>,
    /// `nestflow.host.keys.Beyond`.
    pub(crate) beyond: Py<PyType>,
}

impl Kinds {
    /// Whether a scalar is of a kind that has a cell of its own and, mostly, a key.
    #[inline]
    pub(crate) fn is_native(&self, value: &Bound<'_, PyAny>) -> bool {
        value.is_exact_instance_of::<PyString>()
            || value.is_exact_instance_of::<PyInt>()
            || value.is_exact_instance_of::<PyFloat>()
            || value.is_exact_instance_of::<PyBool>()
            || value.is_exact_instance_of::<PyBytes>()
            || value.is_none()
            || self.is_moment(value)
    }

    fn is_moment(&self, value: &Bound<'_, PyAny>) -> bool {
        let class = value.get_type();
        [&self.date, &self.datetime, &self.time, &self.timedelta, &self.uuid].iter().any(|k| class.is(*k))
    }
}

static KINDS: PyOnceLock<Kinds> = PyOnceLock::new();

/// The handles; imports what they come from on first use.
#[inline]
pub(crate) fn kinds(py: Python<'_>) -> PyResult<&Kinds> {
    KINDS.get_or_try_init(py, || look_up(py))
}

fn look_up(py: Python<'_>) -> PyResult<Kinds> {
    let datetime = py.import("datetime")?;
    let uuid = py.import("uuid")?;
    let program = py.import("nestflow.host.program")?;
    let keys = py.import("nestflow.host.keys")?;
    let counting = py.import("nestflow.host.counting")?;
    let pickles = py.import("nestflow.host.pickles")?;
    let class = |module: &Bound<'_, PyModule>, name: &str| -> PyResult<Py<PyType>> {
        Ok(module.getattr(name)?.cast_into::<PyType>()?.unbind())
    };
    Ok(Kinds {
        date: class(&datetime, "date")?,
        datetime: class(&datetime, "datetime")?,
        time: class(&datetime, "time")?,
        timedelta: class(&datetime, "timedelta")?,
        timezone: class(&datetime, "timezone")?,
        utc: datetime.getattr("timezone")?.getattr("utc")?.unbind(),
        uuid: class(&uuid, "UUID")?,
        uuid_unknown: uuid.getattr("SafeUUID")?.getattr("unknown")?.unbind(),
        decimal: class(&py.import("decimal")?, "Decimal")?,
        loads: py.import("pickle")?.getattr("loads")?.unbind(),
        dumps: pickles.getattr("dumps")?.unbind(),
        copied: pickles.getattr("copied")?.unbind(),
        missing: program.getattr("MISSING")?.unbind(),
        gone: program.getattr("GONE")?.unbind(),
        drop: program.getattr("DROP")?.unbind(),
        side_view: class(&py.import("nestflow.host.sides")?, "SideView")?,
        unfit: class(&program, "Unfit")?,
        enter: counting.getattr("enter")?.unbind(),
        leave: counting.getattr("leave")?.unbind(),
        canonical: keys.getattr("canonical")?.unbind(),
        identity: class(&keys, "Identity")?,
        beyond: class(&keys, "Beyond")?,
    })
}
