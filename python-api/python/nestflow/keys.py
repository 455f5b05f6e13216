"""Keys of groups as keys of a Python dict: which are one key, and which of the equal ones is shown.

The engine decides what is one group; here its rows are only put together again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import InvalidDataException

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_SIMPLE = frozenset({str, bytes, int, type(None)})
_NUMBERS = (int, float, bool)


def nested_dict(rows: Iterable[tuple[Any, ...]], many: bool) -> dict[Any, Any]:
    """Build the dict that shows a table.

    Args:
        rows: ``(k0, …, kd, value)``; equal keys need not be neighbours. Without rows: ``{}``.
        many: values are lists of the values of one key, in the order of the rows.

    Raises:
        InvalidDataException: a key that a dict cannot have, or single values of equal keys.

    Example:
        >>> nested_dict([("a", 1, 5), ("a", 1, 6), ("b", 2, 7)], many=True)
        {'a': {1: [5, 6]}, 'b': {2: [7]}}
    """
    levels = 0
    top: dict[Any, list[Any]] = {}
    for row in rows:
        *keys, value = row
        levels = len(keys)
        within = top
        for key in keys[:-1]:
            within = _entry(within, key, {})[1]
        if many:
            _entry(within, keys[-1], [])[1].append(value)
            continue
        known = len(within)
        _entry(within, keys[-1], value)
        if len(within) == known:
            raise InvalidDataException(
                f"two values of a table have the key {keys[-1]!r:.100}, which a dict has once; "
                "use flatten() to get pairs of key and value"
            )
    return _shown(top, levels)


def dict_of_pairs(pairs: list[Any], levels: int, many: bool) -> dict[Any, Any]:
    """Build the same dict from flattened records ``(k0, (k1, … value))``.

    Example:
        >>> dict_of_pairs([("a", (1, 5))], levels=2, many=False)
        {'a': {1: 5}}
    """

    def row(record: Any) -> tuple[Any, ...]:
        keys = []
        for _ in range(levels):
            key, record = record
            keys.append(key)
        return (*keys, record)

    return nested_dict(map(row, pairs), many)


def identity(key: Any) -> Any:
    """Give something hashable that is equal for equal keys, and only for them.

    Raises:
        InvalidDataException: the key is a list, a set, a dict or another thing without a hash.

    Example:
        >>> identity((1, float("nan"))) == identity((True, float("nan")))
        True
    """
    return _identity(key, key)


def _identity(key: Any, whole: Any) -> Any:
    """Give the identity of a part of a key; the whole key is for the message."""
    kind = type(key)
    if kind in _SIMPLE or kind is bool:
        return key
    if isinstance(key, tuple):
        return tuple(_identity(part, whole) for part in key)
    try:
        hash(key)
    except TypeError:
        what = f"is a {kind.__name__}" if key is whole else f"holds a {kind.__name__}"
        raise InvalidDataException(
            f"a key of this table {what}, which cannot be a key of a dict: {whole!r:.100}; "
            "use flatten() to get pairs of key and value"
        ) from None
    # As the engine has it: Python may tell two objects, or two not-a-numbers, apart that are one key.
    from .schema.row_values import identity

    return identity(key)


def rank(key: Any) -> tuple[int, ...]:
    """Order the equal values of one key: the least is the one that is shown.

    Example:
        >>> rank(1) < rank(1.0) < rank(True)
        True
    """
    if isinstance(key, tuple):
        first = (0, type(key) is not tuple)
        return first + tuple(number for item in key for number in rank(item))
    for place, kind in enumerate(_NUMBERS):
        if type(key) is kind:
            return (place, 0)
    for place, kind in enumerate((int, float)):
        if isinstance(key, kind):
            return (place, 1)
    if isinstance(key, (set, frozenset)):
        return (0 if isinstance(key, frozenset) else 1, 0)
    name = type(key).__name__
    return ({"Decimal": 3, "Fraction": 4}.get(name, 0 if isinstance(key, (str, bytes)) else 5), 0)


def _entry(within: dict[Any, list[Any]], key: Any, fresh: Any) -> list[Any]:
    """Give ``[shown key, value]`` of the key, made with ``fresh`` where the key is new."""
    known = key if type(key) in _SIMPLE else identity(key)
    entry = within.get(known)
    if entry is None:
        entry = within[known] = [key, fresh]
    elif type(key) is not str and rank(key) < rank(entry[0]):
        entry[0] = key
    return entry


def _shown(within: dict[Any, list[Any]], levels: int) -> dict[Any, Any]:
    shown = {key: inner if levels <= 1 else _shown(inner, levels - 1) for key, inner in within.values()}
    if len(shown) < len(within):
        raise InvalidDataException(
            f"a dict takes some keys of this table for one, such as {next(iter(shown))!r:.100}, by an __eq__ "
            "that contradicts __nestflow_key__; use flatten() to get pairs of key and value"
        )
    return shown
