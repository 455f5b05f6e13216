"""What a case is, and the records that most of them use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
WORDS = ["fig", "apple", "fig", "", "banane", "éclair", "日本", "apple", "z"]
PAIRS = [("b", 1), ("a", 2), ("b", 3), ("c", None), ("a", 2), ("d", 0)]
OTHERS = [("a", "x"), ("c", "y"), ("a", "z"), ("e", "w"), ("b", None)]


@dataclass(frozen=True)
class Case:
    """A function of a dataset, and of outer data if it takes a second argument.

    Attributes:
        name: what it shows.
        fn: from the PCollection, and a PCollection from outside of the groups, to any datasets.
        records: the sample.
        outer: the records of the outer PCollection.
        any_order: the function looks at an order that is open, and does not care.
    """

    name: str
    fn: Callable[..., Any]
    records: list[Any] = field(default_factory=lambda: NUMBERS)
    outer: list[Any] = field(default_factory=lambda: [5, 3, 8, 5])
    any_order: bool = False

    def __str__(self) -> str:
        return self.name
