"""The formats of batches: lists of records as NumPy arrays, Arrow batches or pandas objects, and back.

The libraries are imported with the first batch in their format. Must not copy more than they ask for.
"""

from __future__ import annotations

import importlib
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    Format = tuple[Callable[[list[Any]], Any], Callable[[Any], Iterable[Any]]]

FORMATS = ("list", "numpy", "arrow", "pandas")

_VALUE = "value"
_EXACT = 1 << 53
"""The largest integer up to which a float is any integer."""
# What Arrow has a type for that keeps any value of just this class.
_KEPT = frozenset({bool, int, float, str, bytes, date, time, timedelta})
# NumPy's kinds whose elements Python has numbers, texts and objects for.
_PLAIN = frozenset("biufcSUO")


def by_name(name: str) -> Format:
    """What makes a batch of records, and records of a batch."""
    return {
        "list": (lambda records: records, _of_list),
        "numpy": (_to_numpy, _of_numpy),
        "arrow": (_to_arrow, _of_arrow),
        "pandas": (_to_pandas, _of_pandas),
    }[name]


def _library(name: str, form: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"map_batches(format={form!r}) needs {name} where functions run ({error}): pip install {name}",
            name=name,
        ) from error


def _wrong(batch: Any, form: str, wanted: str) -> TypeError:
    return TypeError(
        f"the function of map_batches(format={form!r}) has to return {wanted}, or an iterator of these, "
        f"not {type(batch).__name__}"
    )


def _of_list(batch: Any) -> Iterable[Any]:
    if isinstance(batch, (list, tuple)):
        return batch
    raise _wrong(batch, "list", "a list")


def _columns(records: list[Any], form: str) -> dict[str, list[Any]]:
    """The fields of dicts: the same in all of them, since a column cannot say absent."""
    names = list(records[0])
    for record in records:
        if not isinstance(record, dict) or not names or record.keys() != records[0].keys():
            fields = ", ".join(map(str, names)) or "none"
            raise ValueError(
                f"map_batches(format={form!r}) needs the same fields in all records of a batch: the first "
                f"has {fields}, and one is {record!r:.100}"
            )
    return {name: [record[name] for record in records] for name in names}


def _to_numpy(records: list[Any]) -> Any:
    numpy = _library("numpy", "numpy")
    first = records[0]
    if isinstance(first, dict):
        return {name: _array(numpy, column) for name, column in _columns(records, "numpy").items()}
    if isinstance(first, tuple) and first and all(_is_like(record, first) for record in records):
        return tuple(_array(numpy, list(column)) for column in zip(*records, strict=True))
    return _array(numpy, records)


def _array(numpy: ModuleType, values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, numpy.ndarray) and all(_is_stackable(value, first) for value in values):
        return numpy.stack(values)
    if _is_one_kind(values):
        array = numpy.array(values)
        if array.ndim == 1 and (array.dtype.kind != "f" or type(values[0]) is not int):
            return array
    # Values that are sequences themselves, or of several kinds, stay what they are.
    array = numpy.empty(len(values), dtype=object)
    array[:] = values
    return array


def _is_like(record: Any, first: tuple[Any, ...]) -> bool:
    return isinstance(record, tuple) and len(record) == len(first)


def _is_stackable(value: Any, first: Any) -> bool:
    return isinstance(value, type(first)) and (value.shape, value.dtype) == (first.shape, first.dtype)


def _is_one_kind(values: list[Any]) -> bool:
    """Whether an array with a type of its own keeps all that the values are."""
    kinds = set(map(type, values))
    if kinds == {int, float}:
        return all(type(value) is float or abs(value) <= _EXACT for value in values)
    if len(kinds) != 1 or isinstance(values[0], (list, tuple, dict, set)):
        return False
    # NumPy cuts zeros off the end of texts.
    return not isinstance(values[0], (str, bytes)) or not any(value[-1:] in ("\0", b"\0") for value in values)


def _of_numpy(batch: Any) -> Iterable[Any]:
    numpy = _library("numpy", "numpy")
    if isinstance(batch, dict):
        columns = [_elements(numpy, column) for column in batch.values()]
        return [dict(zip(batch, row, strict=True)) for row in zip(*columns, strict=True)]
    if isinstance(batch, tuple):
        return list(zip(*(_elements(numpy, column) for column in batch), strict=True))
    return _elements(numpy, batch)


def _elements(numpy: ModuleType, array: Any) -> list[Any]:
    if isinstance(array, list):
        return array
    if not isinstance(array, numpy.ndarray) or array.ndim == 0:
        raise _wrong(array, "numpy", "an array, a tuple or a dict of arrays")
    # Other kinds, such as times of nanoseconds, would lose by becoming Python's.
    plain = array.ndim == 1 and array.dtype.kind in _PLAIN and array.dtype.itemsize <= 16
    return list(array.tolist()) if plain and array.dtype != numpy.longdouble else list(array)


def _to_arrow(records: list[Any]) -> Any:
    arrow = _library("pyarrow", "arrow")
    if isinstance(records[0], dict):
        columns = _columns(records, "arrow")
        if list(columns) == [_VALUE]:
            raise ValueError(
                "for map_batches(format='arrow'), one column 'value' is of records without names"
            )
        arrays = [_arrow_array(arrow, column, f"the field {name!r}") for name, column in columns.items()]
        return arrow.RecordBatch.from_arrays(arrays, list(columns))
    return arrow.RecordBatch.from_arrays([_arrow_array(arrow, records, "the records")], [_VALUE])


def _arrow_array(arrow: ModuleType, values: list[Any], what: str) -> Any:
    """An array; Arrow has no objects for what it would change."""
    try:
        array = arrow.array(values)
        kinds = set(map(type, values)) - {type(None)}
        sure = len(kinds) <= 1 and all(kind in _KEPT or kind.__module__ == "numpy" for kind in kinds)
        changed = None if sure else _first_changed(values, array.to_pylist())
    except (arrow.ArrowException, OverflowError, UnicodeError) as error:
        raise ValueError(f"{_UNFIT} {what} ({error}). {_HINT}") from error
    if changed is not None:
        value, other = changed
        raise ValueError(f"{_UNFIT} {what}: it would make {other!r:.80} of {value!r:.80}. {_HINT}")
    return array


_UNFIT = "map_batches(format='arrow') cannot make a column of"
_HINT = "format='list' takes any values"


def _first_changed(values: list[Any], others: list[Any]) -> tuple[Any, Any] | None:
    pairs = zip(values, others, strict=True)
    return next(((value, other) for value, other in pairs if not _is_kept(value, other)), None)


def _is_kept(value: Any, other: Any) -> bool:
    """Whether Arrow gave an equal value back; tuples and arrays become lists."""
    if isinstance(other, list):
        if isinstance(value, (str, bytes, set, dict)) or not hasattr(value, "__len__"):
            return False
        return len(value) == len(other) and all(map(_is_kept, value, other))
    if isinstance(other, dict):
        return (
            isinstance(value, dict)
            and value.keys() == other.keys()
            and all(_is_kept(value[name], other[name]) for name in other)
        )
    return isinstance(value, bool) == isinstance(other, bool) and bool(
        value == other or (value != value and other != other)
    )


def _of_arrow(batch: Any) -> Iterable[Any]:
    arrow = _library("pyarrow", "arrow")
    if isinstance(batch, (arrow.Array, arrow.ChunkedArray)):
        return list(batch.to_pylist())
    if not isinstance(batch, (arrow.RecordBatch, arrow.Table)):
        raise _wrong(batch, "arrow", "a RecordBatch, a Table or an Array")
    if batch.schema.names == [_VALUE]:
        return list(batch.column(0).to_pylist())
    return list(batch.to_pylist())


def _to_pandas(records: list[Any]) -> Any:
    pandas = _library("pandas", "pandas")
    if isinstance(records[0], dict):
        columns = _columns(records, "pandas")
        return pandas.DataFrame({name: _series(pandas, column) for name, column in columns.items()})
    return _series(pandas, records, name=_VALUE)


def _series(pandas: ModuleType, values: list[Any], **options: Any) -> Any:
    # pandas makes floats of integers beside None.
    return pandas.Series(values, dtype=None if _is_one_kind(values) else object, **options)


def _of_pandas(batch: Any) -> Iterable[Any]:
    pandas = _library("pandas", "pandas")
    if isinstance(batch, pandas.DataFrame):
        return list(batch.to_dict("records"))
    if isinstance(batch, pandas.Series):
        return list(batch.tolist())
    raise _wrong(batch, "pandas", "a DataFrame or a Series")
