"""What an operator gives for one group: rows, and whether their order is promised."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from .identity import least


class Row(NamedTuple):
    """A record and the keys of the groups around it as they were given, the outermost first."""

    keys: tuple[Any, ...]
    value: Any


class Rows:
    """The rows of one group."""

    def __init__(self, rows: Iterable[Row], ordered: bool) -> None:
        self.rows = list(rows)
        self.ordered = ordered or len(self.rows) < 2

    def values(self) -> list[Any]:
        """The records; a `Bag` where no order is promised."""
        return (list if self.ordered else Bag)(row.value for row in self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


class Bag(list[Any]):
    """A list whose order is open."""


class View(Sequence[Any]):
    """A PCollection as a side input."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def as_list(self) -> list[Any]:
        """The records as a list."""
        return list(self._items)

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __len__(self) -> int:
        return len(self._items)

    def __deepcopy__(self, memo: dict[int, Any]) -> View:
        return View(copy.deepcopy(self._items, memo))

    def __reduce__(self) -> tuple[type, tuple[list[Any]]]:
        return list, (self._items,)


MISSING = object()
"""Stands for the key of a row that came from outside of the group."""


def merged(rows: Iterable[Row]) -> tuple[Any, ...]:
    """The keys of a row that is made of these rows: the least of each level."""
    levels = [
        [key for key in keys if key is not MISSING] for keys in zip(*(row.keys for row in rows), strict=True)
    ]
    return tuple(least(keys) if keys else MISSING for keys in levels)
