"""How side inputs look to user functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

from nestflow.host.program import MISSING, EmptySide, Side, Step


class SideView(Sequence[Any]):
    """The records of a `PCollection` given as a side input: read-only, as often as you like."""

    __slots__ = ("_records",)

    def __init__(self, records: list[Any]) -> None:
        """Show these records."""
        self._records = records

    def as_list(self) -> list[Any]:
        """The records as a list of your own."""
        return list(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._records)

    def __reversed__(self) -> Iterator[Any]:
        yield from reversed(self._records)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._records[index]

    def __contains__(self, value: object) -> bool:
        return value in self._records

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SideView):
            return self._records == other._records
        return self._records == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._records)

    def __reduce__(self) -> tuple[type[list[Any]], tuple[list[Any]]]:
        # Where a view is stored or sent, only its records matter.
        return list, (self._records,)


def arguments_of(step: Step, sides: Sequence[Side]) -> Callable[..., tuple[Any, ...]]:
    """What gives the side inputs of a step as arguments, from those that come by column.

    It raises where one has no value, so it is to be called just before a user function is.
    """
    columns = sorted(side.column for side in sides if side.records is None)
    # For each argument, its place among the columns, or its value.
    wanted = [
        (columns.index(side.column), None) if side.records is None else (-1, open_value(side))
        for side in (sides[index] for index in step.sides)
    ]
    if not wanted:
        return lambda *_: ()

    def arguments(*by_column: Any) -> tuple[Any, ...]:
        given = tuple(value if place < 0 else by_column[place] for place, value in wanted)
        if any(value is MISSING for value in given):
            raise EmptySide
        return given

    return arguments


def open_value(side: Side) -> Any:
    """A side input that is the same for all records, as functions see it; `MISSING`: it has no value."""
    records = side.records or []
    if side.shape == "sequence":
        return SideView(records)
    return records[0] if records else MISSING
