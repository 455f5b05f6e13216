"""What an odd object is as a key: a plain value that it equals, or an identity of class and state.

The host makes the keys of plain values itself and asks here for the rest. Equal objects must give
equal answers in every process, so nothing here may use `hash` or `id`.
"""

from __future__ import annotations

import collections
import copyreg
import dataclasses
import sys
from array import array
from collections.abc import Callable, Mapping, Set
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from math import floor, inf, nextafter
from types import FunctionType, SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

from nestflow.host import foreign
from nestflow.host.program import Unfit


class Identity(NamedTuple):
    """A key that is equal to no plain value."""

    parts: tuple[Any, ...]


class Beyond(NamedTuple):
    """A number that no `int` or `float` is: see `put_beyond_key`."""

    negative: bool
    magnitude: bytes
    fraction: float
    extra: int
    text: str


Maker = Callable[[Any], Any]


def canonical(value: Any, ordering: bool) -> Any:
    """A plainer value with the same identity; with `ordering` also with the same order."""
    return _maker(type(value), ordering)(value)  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _maker(kind: type, ordering: bool) -> Maker:
    if ordering:
        maker = _ordered(kind)
        if maker is not None:
            return maker
    elif hasattr(kind, "__nestflow_key__"):
        return lambda value: Identity(("key", _name(kind), value.__nestflow_key__()))
    maker = foreign.maker(kind, ordering)
    if maker is not None:
        return maker
    equality = _owner(kind, "__eq__")
    if equality in _EQUALITIES:
        return _EQUALITIES[equality]
    for base, plain in _PLAIN.items():
        if issubclass(kind, base):
            if equality is base or _is_standard(equality):
                return plain
            break
    if _generated(kind, equality):
        return lambda value: Identity(("fields", _name(kind), _compared(value)))
    if equality is not object and not _is_standard(equality):
        raise Unfit(
            f"{_name(kind)} has its own __eq__, so it can only be a key with a method __nestflow_key__() "
            "that returns equal values for equal objects"
        )
    if issubclass(kind, Enum):
        return lambda value: Identity(("enum", _name(kind), value.name or value.value))
    pathlib = sys.modules.get("pathlib")
    if pathlib is not None and issubclass(kind, pathlib.PurePath):
        # Its state is the text that it was made from, which need not be the same for equal paths.
        folded = issubclass(kind, pathlib.PureWindowsPath)
        text = (lambda value: str(value).lower()) if folded else str
        return lambda value: Identity(("path", folded, text(value)))
    if issubclass(kind, type):
        return lambda value: Identity(("class", _name(value)))
    if issubclass(kind, FunctionType):
        raise Unfit("a function cannot be a key")
    return _by_state


def _ordered(kind: type) -> Maker | None:
    """How objects sort that have an order of their own; `None`: as the key does."""
    order = _owner(kind, "__lt__")
    if order is object or order in _PLAIN or foreign.maker(kind, True) is not None:
        return None
    if _generated(kind, order):
        return _compared
    raise TypeError(
        f"{_name(kind)} has its own __lt__, which cannot be a sort order: return a tuple of what it compares"
    )


def _owner(kind: type, method: str) -> type:
    """The class that a method comes from."""
    return next(base for base in kind.__mro__ if method in base.__dict__)


def _is_standard(kind: type) -> bool:
    """Whether it is a class of Python's own, whose state tells what is equal."""
    root = kind.__module__.partition(".")[0]
    return root in sys.stdlib_module_names and root != "__main__"


def _generated(kind: type, owner: type) -> bool:
    """Whether a comparison compares the fields of a dataclass or an attrs class, no more."""
    if "__attrs_attrs__" in owner.__dict__:
        file = getattr(getattr(owner.__eq__, "__code__", None), "co_filename", "")
        return owner is kind and file.startswith("<attrs")
    if "__dataclass_fields__" not in owner.__dict__:
        return False
    file = getattr(getattr(owner.__eq__, "__code__", None), "co_filename", "")
    return owner is kind and file == "<string>"


def _compared(value: Any) -> tuple[Any, ...]:
    """The fields that generated comparisons compare."""
    fields = getattr(type(value), "__attrs_attrs__", None)
    if fields is not None:
        return tuple(getattr(value, field.name) for field in fields if field.eq)
    return tuple(getattr(value, field.name) for field in dataclasses.fields(value) if field.compare)


def _by_state(value: Any) -> Identity:
    """By class and what pickle would store."""
    kind = type(value)
    try:
        reduce = copyreg.dispatch_table.get(kind)
        reduced = reduce(value) if reduce is not None else value.__reduce_ex__(4)
    except Exception as error:
        raise Unfit(f"a {_name(kind)} cannot be a key: {error}") from error
    if isinstance(reduced, str):
        return Identity(("global", kind.__module__, reduced))
    function, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    made_by = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    extra = (list(items or ()), dict(pairs or ()))
    return Identity(("object", _name(kind), made_by, arguments, state, *extra))


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _number(value: Decimal | Fraction) -> Any:
    if isinstance(value, Decimal):
        if not value.is_finite():
            return float("nan") if value.is_nan() else float(value)
        if value and abs(value.adjusted()) > 5_000:
            raise Unfit("a Decimal with so large an exponent cannot be a key")
    exact = Fraction(value)
    if exact.denominator == 1:
        return exact.numerator
    try:
        if Fraction(float(exact)) == exact:
            return float(exact)
    except OverflowError:
        pass
    size = abs(exact)
    whole = floor(size)
    rest = size - whole
    fraction = float(rest)
    if Fraction(fraction) > rest:
        fraction = nextafter(fraction, 0.0)
    step = Fraction(nextafter(fraction, inf)) - Fraction(fraction)
    extra = floor((rest - Fraction(fraction)) / step * 2**64)
    magnitude = whole.to_bytes((whole.bit_length() + 7) // 8, "big")
    text = f"{exact.numerator}/{exact.denominator}"
    return Beyond(exact < 0, magnitude, fraction, min(extra, 2**64 - 1), text)


def _complex(value: complex) -> Any:
    return value.real if value.imag == 0 else Identity(("complex", value.real, value.imag))


def _datetime(value: datetime) -> Any:
    offset = value.utcoffset()
    parts = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
    local = datetime(*parts)
    if offset is None:
        return local
    try:
        return (local - offset).replace(tzinfo=timezone.utc)
    except OverflowError:
        return Identity(("datetime", local, offset))


def _time(value: time) -> Any:
    offset = value.utcoffset()
    clock = time(value.hour, value.minute, value.second, value.microsecond)
    if offset is None:
        return clock
    since = timedelta(
        hours=clock.hour, minutes=clock.minute, seconds=clock.second, microseconds=clock.microsecond
    )
    return Identity(("time", since - offset))


def _range(value: range) -> Identity:
    # What it was made from may differ: range(0, 3, 2) is range(0, 4, 2).
    return Identity(
        ("range", len(value), *([value[0]] if value else []), *([value.step] if value[1:] else []))
    )


def _ordered_dict(value: Any) -> Any:
    raise Unfit(
        "an OrderedDict cannot be a key: two of them are equal in the same order only, but to a dict in any; "
        "use a dict, or a tuple of its items"
    )


def _counter(value: collections.Counter[Any]) -> dict[Any, int]:
    if 0 in value.values():
        raise Unfit(
            "a Counter that holds a count of 0 cannot be a key: it is equal to a Counter without it, but not "
            "to a dict without it; remove it"
        )
    return dict(value)


# Classes of Python's own whose state does not tell what is equal, by where `__eq__` comes from.
_EQUALITIES: dict[type, Maker] = {
    range: _range,
    array: lambda value: Identity(("array", value.tolist())),
    collections.deque: lambda value: Identity(("deque", list(value))),
    collections.OrderedDict: _ordered_dict,
    collections.Counter: _counter,
    collections.UserList: lambda value: list(value.data),
    collections.UserString: lambda value: str(value.data),
    Mapping: lambda value: dict(value.items()),
    Set: lambda value: frozenset(value),
    SimpleNamespace: lambda value: Identity(("namespace", dict(vars(value)))),
    timezone: lambda value: Identity(("timezone", value.utcoffset(None))),
}

# In this order: a datetime is a date. Each makes the exact base of an instance of a subclass.
_PLAIN: dict[type, Maker] = {
    int: int.__int__,
    float: float.__float__,
    str: str.__str__,
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    bytearray: lambda value: bytes(bytearray.__getitem__(value, slice(None))),
    tuple: lambda value: tuple.__getitem__(value, slice(None)),
    list: lambda value: list.__getitem__(value, slice(None)),
    dict: lambda value: dict(dict.items(value)),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
    set: lambda value: frozenset(set.__iter__(value)),
    datetime: _datetime,
    date: lambda value: date(value.year, value.month, value.day),
    time: _time,
    timedelta: lambda value: timedelta(value.days, value.seconds, value.microseconds),
    UUID: lambda value: UUID(int=value.int),
    Decimal: _number,
    Fraction: _number,
    complex: _complex,
}
