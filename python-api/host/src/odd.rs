//! The kinds of values that are rarer than text and small numbers, in safe code: big ints, dates,
//! times, UUIDs, decimals; and pickles of everything else.

use nestflow_batch::cell::Cell;
use nestflow_batch::put;
use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyType};

use crate::arrays;
use crate::kinds::{Kinds, kinds};

const DAY: i64 = 86_400_000_000;

/// Appends the cell of a value that is of none of the common types.
pub(crate) fn put(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, nested: bool) -> PyResult<()> {
    let kinds = kinds(value.py())?;
    let class = value.get_type();
    let is = |kind: &Py<PyType>| class.is(kind.bind(value.py()));
    let done = if is(&kinds.datetime) {
        put_datetime(kinds, value, out)?
    } else if is(&kinds.date) {
        put::put_date(out, days_of(value)?);
        true
    } else if is(&kinds.timedelta) {
        put_timedelta(value, out)?;
        true
    } else if is(&kinds.time) {
        put_time(value, out)?
    } else if is(&kinds.uuid) {
        put_uuid(kinds, value, out)?
    } else if is(&kinds.decimal) {
        let text = value.str()?;
        put::put_decimal(out, text.to_str()?, nested);
        true
    } else {
        false
    };
    if done {
        return Ok(());
    }
    if let Some(array) = arrays::bytes_of(value)? {
        put::put_object(out, &array, nested);
        return Ok(());
    }
    put_pickle(value, out, nested)
}

/// Appends the pickle of any value.
pub(crate) fn put_pickle(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, nested: bool) -> PyResult<()> {
    let pickle = kinds(value.py())?.dumps.bind(value.py()).call1((value,))?;
    put::put_object(out, pickle.cast::<PyBytes>()?.as_bytes(), nested);
    Ok(())
}

/// Appends an int of any size.
pub(crate) fn put_int(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
    let py = value.py();
    let negative = value.lt(0)?;
    let magnitude = value.call_method0(intern!(py, "__abs__"))?;
    let bits: usize = magnitude.call_method0(intern!(py, "bit_length"))?.extract()?;
    let bytes = magnitude.call_method1(intern!(py, "to_bytes"), (bits.div_ceil(8), intern!(py, "big")))?;
    put::put_big_int(out, negative, bytes.cast::<PyBytes>()?.as_bytes());
    Ok(())
}

/// Appends text that holds lone surrogates.
pub(crate) fn put_surrogates(value: &Bound<'_, PyAny>, out: &mut Vec<u8>, nested: bool) -> PyResult<()> {
    let py = value.py();
    let bytes =
        value.call_method1(intern!(py, "encode"), (intern!(py, "utf-8"), intern!(py, "surrogatepass")))?;
    put::put_str(out, bytes.cast::<PyBytes>()?.as_bytes(), nested);
    Ok(())
}

fn number(value: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> PyResult<i64> {
    value.getattr(name)?.extract()
}

/// Days since 1970-01-01 of a date or datetime.
fn days_of(value: &Bound<'_, PyAny>) -> PyResult<i32> {
    let ordinal: i32 = value.call_method0(intern!(value.py(), "toordinal"))?.extract()?;
    Ok(ordinal - 719_163)
}

/// Microseconds since midnight of a time or datetime.
fn clock_of(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = value.py();
    let seconds = number(value, intern!(py, "hour"))? * 3600
        + number(value, intern!(py, "minute"))? * 60
        + number(value, intern!(py, "second"))?;
    Ok(seconds * 1_000_000 + number(value, intern!(py, "microsecond"))?)
}

fn fold_of(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(number(value, intern!(value.py(), "fold"))? != 0)
}

/// `false` if its zone is more than an offset: such a datetime is pickled.
fn put_datetime(kinds: &Kinds, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<bool> {
    let py = value.py();
    let zone = value.getattr(intern!(py, "tzinfo"))?;
    let micros = i64::from(days_of(value)?) * DAY + clock_of(value)?;
    let fold = fold_of(value)?;
    if zone.is_none() {
        put::put_datetime(out, micros, fold);
        return Ok(true);
    }
    let Some(offset) = plain_offset(kinds, &zone)? else { return Ok(false) };
    put::put_datetime_aware(out, micros - i64::from(offset) * 1_000_000, offset, fold);
    Ok(true)
}

/// The offset in seconds of a `timezone` without a name of its own.
fn plain_offset(kinds: &Kinds, zone: &Bound<'_, PyAny>) -> PyResult<Option<i32>> {
    let py = zone.py();
    if zone.is(kinds.utc.bind(py)) {
        return Ok(Some(0));
    }
    if !zone.get_type().is(kinds.timezone.bind(py)) {
        return Ok(None);
    }
    let arguments = zone.call_method0(intern!(py, "__getinitargs__"))?;
    if arguments.len()? != 1 {
        return Ok(None);
    }
    let offset = arguments.get_item(0)?;
    if number(&offset, intern!(py, "microseconds"))? != 0 {
        return Ok(None);
    }
    let seconds = number(&offset, intern!(py, "days"))? * 86_400 + number(&offset, intern!(py, "seconds"))?;
    // A zero offset that is not the one UTC object would come back as it: not the same object,
    // but equal and printed alike.
    Ok(i32::try_from(seconds).ok())
}

fn put_time(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<bool> {
    if !value.getattr(intern!(value.py(), "tzinfo"))?.is_none() {
        return Ok(false);
    }
    put::put_time(out, clock_of(value)? as u64, fold_of(value)?);
    Ok(true)
}

fn put_timedelta(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<()> {
    let py = value.py();
    let micros =
        number(value, intern!(py, "seconds"))? * 1_000_000 + number(value, intern!(py, "microseconds"))?;
    let days: i32 = value.getattr(intern!(py, "days"))?.extract()?;
    put::put_timedelta(out, days, micros as u64);
    Ok(())
}

/// `false` if it knows how safely it was made, which its bytes do not tell.
fn put_uuid(kinds: &Kinds, value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> PyResult<bool> {
    let py = value.py();
    if !value.getattr(intern!(py, "is_safe"))?.is(kinds.uuid_unknown.bind(py)) {
        return Ok(false);
    }
    let number = value.getattr(intern!(py, "int"))?;
    let bytes = number.call_method1(intern!(py, "to_bytes"), (16, intern!(py, "big")))?;
    let bytes: [u8; 16] = bytes.extract()?;
    put::put_uuid(out, &bytes);
    Ok(true)
}

/// The object of a cell that is neither a container nor of the common types.
pub(crate) fn get<'py>(py: Python<'py>, cell: &Cell<'_>) -> PyResult<Bound<'py, PyAny>> {
    let kinds = kinds(py)?;
    match cell {
        Cell::BigInt { negative, magnitude } => {
            let class = py.get_type::<pyo3::types::PyInt>();
            let number = class
                .call_method1(intern!(py, "from_bytes"), (PyBytes::new(py, magnitude), intern!(py, "big")))?;
            if *negative { number.neg() } else { Ok(number) }
        }
        Cell::Date(days) => {
            kinds.date.bind(py).call_method1(intern!(py, "fromordinal"), (i64::from(*days) + 719_163,))
        }
        Cell::Datetime { micros, fold } => datetime(kinds, *micros, *fold, py.None().bind(py)),
        Cell::DatetimeAware { utc_micros, offset_seconds, fold } => {
            let zone = if *offset_seconds == 0 {
                kinds.utc.bind(py).clone()
            } else {
                let offset = kinds.timedelta.bind(py).call1((0, *offset_seconds))?;
                kinds.timezone.bind(py).call1((offset,))?
            };
            let local = utc_micros.saturating_add(i64::from(*offset_seconds) * 1_000_000);
            datetime(kinds, local, *fold, &zone)
        }
        Cell::Time { micros, fold } => {
            let [hour, minute, second, micro] = clock(*micros as i64);
            let fold = u8::from(*fold);
            let class = kinds.time.bind(py);
            if fold == 0 {
                return class.call1((hour, minute, second, micro));
            }
            class.call1((hour, minute, second, micro))?.call_method(
                intern!(py, "replace"),
                (),
                Some(&fold_argument(py, fold)?),
            )
        }
        Cell::Timedelta { days, micros } => kinds.timedelta.bind(py).call1((*days, 0, *micros)),
        Cell::Uuid(bytes) => kinds.uuid.bind(py).call1((py.None(), PyBytes::new(py, bytes))),
        Cell::Decimal(text) => kinds.decimal.bind(py).call1((String::from_utf8_lossy(text),)),
        Cell::Object(bytes) => match arrays::array_of(py, bytes)? {
            Some(array) => Ok(array),
            None => kinds.loads.bind(py).call1((PyBytes::new(py, bytes),)),
        },
        _ => Err(PyValueError::new_err("the identity of an object cannot be made an object again")),
    }
}

fn fold_argument<'py>(py: Python<'py>, fold: u8) -> PyResult<Bound<'py, pyo3::types::PyDict>> {
    let arguments = pyo3::types::PyDict::new(py);
    arguments.set_item(intern!(py, "fold"), fold)?;
    Ok(arguments)
}

/// Hour, minute, second, microsecond.
fn clock(micros: i64) -> [i64; 4] {
    let seconds = micros / 1_000_000;
    [seconds / 3600, seconds / 60 % 60, seconds % 60, micros % 1_000_000]
}

fn datetime<'py>(
    kinds: &Kinds,
    micros: i64,
    fold: bool,
    zone: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = zone.py();
    let (year, month, day) = civil(micros.div_euclid(DAY));
    let [hour, minute, second, micro] = clock(micros.rem_euclid(DAY));
    let made = kinds.datetime.bind(py).call1((year, month, day, hour, minute, second, micro, zone))?;
    if fold {
        return made.call_method(intern!(py, "replace"), (), Some(&fold_argument(py, 1)?));
    }
    Ok(made)
}

/// Year, month and day of a number of days since 1970-01-01, in the calendar that Python uses.
fn civil(days: i64) -> (i64, i64, i64) {
    // Counted from 0000-03-01, so that the leap day is the last of its year.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Leaves the exception to the interpreter; the null that tells of it.
#[cold]
pub(crate) fn give_up(py: Python<'_>, error: PyErr) -> *mut ffi::PyObject {
    error.restore(py);
    std::ptr::null_mut()
}

/// Gives up a cell that is none.
#[cold]
pub(crate) fn bad_cell(py: Python<'_>, what: &str) -> *mut ffi::PyObject {
    give_up(py, PyValueError::new_err(format!("damaged data: {what}")))
}
