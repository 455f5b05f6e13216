"""Functions that the engine calls for composite transforms: they see records, never handles.

Shipped by reference, so a worker imports this module; keep it free of state.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from ..errors import InvalidDataException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def product(record: Any, *others: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Give a tuple for each combination of the record with elements of the others."""
    return itertools.product((record,), *others)


def one_tuple(record: Any) -> tuple[Any]:
    """Give the record as a tuple of one."""
    return (record,)


class Limit:
    """``take(n)`` where ``n`` is a PObject, which arrives as a sequence of at most one value.

    The value is looked at with the first record only: an empty dataset asks for none.
    """

    def __init__(self, what: str) -> None:
        """Remember the transform's name for messages."""
        self.what = what

    def start(self, emitter: Any, limit: Sequence[Any]) -> int | None:
        """Give the number of records still to take: not known yet."""
        return None

    def step(self, left: int | None, emitter: Any, record: Any, limit: Sequence[Any]) -> int:
        """Pass a record on while there are some to take."""
        if left is None:
            left = self._number(limit)
        if left > 0:
            emitter.emit(record)
        if left <= 1:
            emitter.done()
        return left - 1

    def finish(self, left: int | None, emitter: Any, limit: Sequence[Any]) -> None:
        """Nothing is left to do."""

    def _number(self, limit: Sequence[Any]) -> int:
        if not len(limit):
            raise InvalidDataException(f"the number of records for {self.what} is an empty PObject")
        number = limit[0]
        if not hasattr(number, "__index__"):
            raise ValueError(f"{self.what} needs a whole number of records, not {number!r:.100}")
        return int(number.__index__())


class PartOf:
    """A partition function with its number of parts."""

    def __init__(self, function: Callable[[Any, int], int], parts: int) -> None:
        """Keep both."""
        self.function = function
        self.parts = parts
        self.__name__ = getattr(function, "__name__", "partition")

    def __call__(self, record: Any) -> int:
        """Give the part of a record."""
        return self.function(record, self.parts)


class RightOperand:
    """A binary operator with a constant on its right."""

    def __init__(self, function: Callable[[Any, Any], Any], right: object) -> None:
        """Keep the operator and the constant."""
        self.function = function
        self.right = right
        self.__name__ = function.__name__

    def __call__(self, left: Any) -> Any:
        """Give the operator's result."""
        return self.function(left, self.right)


class LeftOperand:
    """A binary operator with a constant on its left."""

    def __init__(self, function: Callable[[Any, Any], Any], left: object) -> None:
        """Keep the operator and the constant."""
        self.function = function
        self.left = left
        self.__name__ = function.__name__

    def __call__(self, right: Any) -> Any:
        """Give the operator's result."""
        return self.function(self.left, right)


class _Around:
    """A function of a pair or record around one of the user's, whose name it has."""

    def __init__(self, function: Callable[..., Any]) -> None:
        """Keep the function."""
        self.function = function
        self.__name__ = getattr(function, "__name__", "function")


class Keyed(_Around):
    """A record with its key in front."""

    def __call__(self, record: Any) -> tuple[Any, Any]:
        """Give the pair."""
        return self.function(record), record


class ValueMapped(_Around):
    """A pair with another value."""

    def __call__(self, pair: Any) -> tuple[Any, Any]:
        """Give the pair."""
        key, value = pair
        return key, self.function(value)


class ValueExpanded(_Around):
    """A pair for each element that comes of a pair's value."""

    def __call__(self, pair: Any) -> Iterator[tuple[Any, Any]]:
        """Give the pairs."""
        key, value = pair
        return ((key, part) for part in self.function(value))


def whole_record(record: Any) -> Any:
    """Give the record itself."""
    return record


def first_of_pair(pair: Any) -> Any:
    """Give the key."""
    key, _ = pair
    return key


def second_of_pair(pair: Any) -> Any:
    """Give the value."""
    _, value = pair
    return value


def last_by_key(pairs: list[Any]) -> dict[Any, Any]:
    """Give the dict of pairs, by the identity of keys: the last value of each."""
    from ..keys import nested_dict

    found = nested_dict(((key, value) for key, value in pairs), many=True)
    return {key: values[-1] for key, values in found.items()}
