"""Which values are equal and how they sort, for the operators of a record's own datasets.

The engine has this for cells; here it is said again for Python's values, by the same rules: numbers are
equal across types, not-a-number is one key, sets and dicts have no order inside, None sorts first.
"""

from __future__ import annotations

import functools
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..errors import InvalidDataException
from ..host.keys import Beyond, Identity, canonical
from ..host.program import Unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_SIMPLE = frozenset({str, bytes, int, bool, type(None)})
_AS_THEY_ARE = (date, time, timedelta, UUID)
_NUMBERS = (int, float)
_NAN = ("not a number",)


def identity(value: Any) -> Any:
    """Give something hashable that is equal for what is one key, and only for that.

    Raises:
        InvalidDataException: the value cannot be a key.

    Example:
        >>> identity((1, {2.0: "a"})) == identity((True, {2: "a"})) != identity([1, {2: "a"}])
        True
    """
    kind = type(value)
    if kind in _SIMPLE:
        return value
    if kind is float:
        return _NAN if value != value else value
    if kind in (tuple, list):
        return (kind.__name__, *map(identity, value))
    if kind in (set, frozenset):
        return ("set", frozenset(map(identity, value)))
    if kind is dict:
        return ("dict", frozenset((identity(key), identity(item)) for key, item in value.items()))
    if kind is Identity:
        return ("object", identity(value.parts))
    if kind is Beyond:
        return ("number", *value)
    try:
        plain = canonical(value, False)
    except Unfit as error:
        raise InvalidDataException(str(error)) from error
    if type(plain) is kind and isinstance(plain, _AS_THEY_ARE):
        return (kind.__name__, plain)
    return identity(plain)


def in_order(values: Iterable[Any], key: Callable[[Any], Any] | None, reverse: bool) -> list[Any]:
    """Give the values sorted by a key, those of equal keys in their order. None is least.

    Raises:
        TypeError: two keys that Python cannot compare.

    Example:
        >>> in_order([2, None, 1.5], None, False), in_order(["a", "b"], None, True)
        ([None, 1.5, 2], ['b', 'a'])
    """
    return _sorted([(value if key is None else key(value), value) for value in values], reverse)


def _sorted(keyed: Iterable[tuple[Any, Any]], reverse: bool) -> list[Any]:
    """Give the values of pairs with keys by their keys."""

    def compare(a: tuple[list[Any], Any], b: tuple[list[Any], Any]) -> int:
        for (left, down), (right, _) in zip(a[0], b[0], strict=False):
            order = _compared(left, right)
            if order:
                return -order if down else order
        return 0

    parted = [(list(_parts(key, reverse)), value) for key, value in keyed]
    parted.sort(key=functools.cmp_to_key(compare))
    return [value for _, value in parted]


def _parts(key: Any, reverse: bool) -> Iterator[tuple[Any, bool]]:
    """Give the parts of a sort key with their directions: one where none is given inside."""
    if hasattr(type(key), "__nestflow_order__"):
        yield from _parts(key.key, key.reverse)
    elif _directed(key):
        for part in key:
            yield from _parts(part, reverse)
    else:
        yield key, reverse


def _directed(key: Any) -> bool:
    if hasattr(type(key), "__nestflow_order__"):
        return True
    return isinstance(key, (tuple, list)) and any(map(_directed, key))


def extreme(values: list[Any], key: Callable[[Any], Any] | None, largest: bool) -> Any:
    """Give the largest or smallest value, the first of those that tie.

    Raises:
        TypeError: two keys that Python cannot compare; None with anything else.

    Example:
        >>> extreme(["aa", "b", "cc"], len, True)
        'aa'
    """
    keyed = [(value if key is None else key(value), value) for value in values]
    nones = [key is None for key, _ in keyed]
    if any(nones) and not all(nones):
        raise TypeError(f"'<' not supported between instances of None and others: the values {values!r:.200}")
    return _sorted(keyed, largest)[0]


def _compared(a: Any, b: Any) -> int:
    if a is None or b is None:
        return (a is not None) - (b is not None)
    if isinstance(a, (tuple, list)) and type(a) is type(b):
        for left, right in zip(a, b, strict=False):
            order = _compared(left, right)
            if order:
                return order
        return (len(a) > len(b)) - (len(a) < len(b))
    if isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS) and (a != a or b != b):
        return int(a != a) - int(b != b)
    if isinstance(a, (set, frozenset)):
        raise TypeError(f"sets have no order: the keys {a!r:.100} and {b!r:.100}")
    try:
        return int(a > b) - int(a < b)
    except TypeError as error:
        raise TypeError(f"{error}: the keys {a!r:.100} and {b!r:.100}") from None
