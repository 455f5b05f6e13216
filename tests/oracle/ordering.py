"""The order of sort: Python's, with None least, directions per component, and errors kept."""

from __future__ import annotations

from functools import cmp_to_key
from typing import TYPE_CHECKING, Any

from nestflow.transform_impls.sort import ASC, DESC

if TYPE_CHECKING:
    from collections.abc import Callable


def sorted_by(rows: list[Any], key: Callable[[Any], Any], reverse: bool) -> list[Any]:
    """The rows, stably sorted by their keys."""
    return sorted(rows, key=cmp_to_key(lambda a, b: compare(key(a), key(b), reverse)))


def tied(a: Any, b: Any) -> bool:
    """Whether two keys are equal to a sort."""
    return compare(a, b, False) == 0


def compare(a: Any, b: Any, reverse: bool) -> int:
    """-1, 0 or 1."""
    for (left, down), (right, _) in zip(components(a, reverse), components(b, reverse), strict=False):
        order = _plain(left, right)
        if order:
            return -order if down else order
    return 0


def components(key: Any, reverse: bool) -> list[tuple[Any, bool]]:
    """The parts of a key with their directions: one part if no direction is given inside."""
    if isinstance(key, (ASC, DESC)):
        return components(key.key, key.reverse)
    if isinstance(key, (tuple, list)) and _directed(key):
        return [part for item in key for part in components(item, reverse)]
    return [(key, reverse)]


def _directed(key: Any) -> bool:
    return isinstance(key, (ASC, DESC)) or (isinstance(key, (tuple, list)) and any(map(_directed, key)))


def _plain(a: Any, b: Any) -> int:
    if a is None or b is None:
        return (a is not None) - (b is not None)
    if isinstance(a, (tuple, list)) and type(a) is type(b):
        for left, right in zip(a, b, strict=False):
            order = _plain(left, right)
            if order:
                return order
        return (len(a) > len(b)) - (len(a) < len(b))
    return (a > b) - (a < b)
