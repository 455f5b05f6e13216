"""Functions of records with their positions, which the engine calls for composite transforms.

Shipped by reference, so a worker imports this module; keep it free of state.
"""

from __future__ import annotations

import math
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from ..transformer import Transformer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PLACE_BITS = 40
"""Above these bits of a position stands the part, below the place in it."""

BATCH = 256
BATCH_BYTES = 1 << 20
"""Records, and bytes of records, that a function of a part is given at a time."""

_PLACE = (1 << PLACE_BITS) - 1
_WORD = (1 << 64) - 1


def part_and_place(numbered: tuple[int, Any]) -> tuple[int, int]:
    """Give the part and the place in it.

    Example:
        >>> part_and_place(((3 << 40) + 5, "a"))
        (3, 5)
    """
    return numbered[0] >> PLACE_BITS, numbered[0] & _PLACE


def offsets(last: list[tuple[int, int]]) -> dict[int, int]:
    """Give the index of the first record of each part, from the last places.

    Example:
        >>> offsets([(4, 1), (0, 9)])
        {0: 0, 4: 10}
    """
    first, before = {}, 0
    for part, place in sorted(last):
        first[part] = before
        before += place + 1
    return first


def indexed(numbered: tuple[int, Any], first: dict[int, int]) -> tuple[Any, int]:
    """Give the record and its index."""
    position, record = numbered
    return record, first[position >> PLACE_BITS] + (position & _PLACE)


def as_one(part: Iterator[Any]) -> list[list[Any]]:
    """Give the part as one record."""
    return [list(part)]


class OfPart:
    """A function of the records of a part, as one of batches of records, and with such results."""

    def __init__(self, function: Callable[[Iterator[Any]], Iterable[Any]]) -> None:
        """Keep the function."""
        self.function = function

    def __call__(self, batches: Iterator[list[Any]]) -> Iterator[list[Any]]:
        """Give what the function gives, as it comes."""
        made = self.function(chain.from_iterable(batches))
        if made is None:
            raise TypeError("the function of map_partitions returned None: it has to give an iterable")
        results = iter(made)
        while batch := list(islice(results, BATCH)):
            yield batch


class Counter(Transformer):
    """Gives records with their index in the group."""

    def begin_process(self, *side_inputs: Any) -> list[Any]:
        """Start from 0."""
        self.index = -1
        return []

    def process(self, record: Any, *side_inputs: Any) -> list[Any]:
        """Count the record."""
        self.index += 1
        return [(record, self.index)]


class Chosen:
    """The record, or nothing: a coin for each position."""

    def __init__(self, fraction: float, seed: int) -> None:
        """Keep the chance of a record."""
        self.fraction = fraction
        self.seed = seed

    def __call__(self, numbered: tuple[int, Any]) -> tuple[Any, ...]:
        """Give the record if its coin says so."""
        position, record = numbered
        return (record,) if uniform(self.seed, position) < self.fraction else ()


class Copies(Chosen):
    """As many copies of the record as a Poisson die for each position says."""

    def __call__(self, numbered: tuple[int, Any]) -> tuple[Any, ...]:
        """Give the copies."""
        position, record = numbered
        # A sum of small Poisson numbers, so that the chance of none is never too small for a float.
        copies, left, turn = 0, self.fraction, 0
        while left > 0:
            copies += _poisson(min(left, 16.0), uniform(self.seed + turn, position))
            left -= 16.0
            turn += 1
        return (record,) * copies


def _poisson(mean: float, chance: float) -> int:
    number, here = 0, math.exp(-mean)
    total = here
    while chance >= total and here > 0:
        number += 1
        here *= mean / number
        total += here
    return number


def uniform(seed: int, position: int) -> float:
    """Give a number from 0 to 1 that looks random and follows from both.

    Example:
        >>> uniform(1, 2) == uniform(1, 2) != uniform(1, 3)
        True
    """
    x = (position * 0x9E3779B97F4A7C15 + (seed + 1) * 0xD1B54A32D192ED03) & _WORD
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        x = ((x ^ (x >> 31)) * factor) & _WORD
    return ((x ^ (x >> 31)) >> 11) / (1 << 53)
