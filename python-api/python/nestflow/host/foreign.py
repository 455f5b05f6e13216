"""Keys of NumPy and pandas values: the Python values that they equal, to the nanosecond.

Neither library is imported here: a value of theirs shows that it is.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from nestflow.host.program import Unfit

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH = datetime(1970, 1, 1)


def maker(kind: type, ordering: bool) -> Callable[[Any], Any] | None:
    """What makes a plain value of values of this class; `None` for classes of others."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and issubclass(kind, numpy.generic):
        if issubclass(kind, (numpy.datetime64, numpy.timedelta64)):
            return lambda value: _numpy_time(numpy, value, ordering)
        return _numpy_scalar
    if kind.__module__.partition(".")[0] == "pandas":
        if kind.__name__ in ("NAType", "NaTType"):
            return lambda value: _missing(kind, ordering)
        if kind.__name__ == "Timestamp":
            return lambda value: _with_nanoseconds(
                "timestamp", value.to_pydatetime(warn=False), value.nanosecond, ordering
            )
        if kind.__name__ == "Timedelta":
            return lambda value: _with_nanoseconds(
                "timedelta", value.to_pytimedelta(), value.nanoseconds, ordering
            )
    if hasattr(kind, "__array__"):
        raise Unfit(f"a {kind.__module__}.{kind.__qualname__} cannot be a key: use a tuple of its values")
    return None


def _identity(*parts: Any) -> Any:
    from nestflow.host.keys import Identity

    return Identity(parts)


def _missing(kind: type, ordering: bool) -> Any:
    if ordering:
        raise TypeError(f"a {kind.__name__} has no place in a sort order")
    return _identity("missing", kind.__name__)


def _numpy_scalar(value: Any) -> Any:
    plain = value.item()
    if type(plain) is not type(value):
        return plain
    # A long double: only a fraction holds all its digits.
    return (
        Fraction(*value.as_integer_ratio()) if value == value and abs(value) != float("inf") else float(value)
    )


def _numpy_time(numpy: Any, value: Any, ordering: bool) -> Any:
    if numpy.isnat(value):
        return _missing(type(value), ordering)
    name = "datetime64" if isinstance(value, numpy.datetime64) else "timedelta64"
    if numpy.datetime_data(value)[0] == "generic":
        return int(value.astype("int64"))
    micros = value.astype(f"{name}[us]")
    try:
        plain: Any = timedelta(microseconds=int(micros.astype("int64")))
        if name == "datetime64":
            plain += _EPOCH
    except OverflowError:
        return _identity(name, str(value))
    nanos = 0 if micros == value else int((value - micros).astype("timedelta64[ns]").astype("int64"))
    return _with_nanoseconds("timestamp" if name == "datetime64" else "timedelta", plain, nanos, ordering)


def _with_nanoseconds(name: str, plain: Any, nanos: int, ordering: bool) -> Any:
    if ordering:
        return (plain, nanos)
    return plain if nanos == 0 else _identity(name, plain, nanos)
