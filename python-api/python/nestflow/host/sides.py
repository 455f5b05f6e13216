"""How side inputs look to user functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload


class SideView(Sequence[Any]):
    """The records of a `PCollection` given as a side input: read-only, as often as you like."""

    __slots__ = ("_records",)

    def __init__(self, records: list[Any]) -> None:
        self._records = records

    def as_list(self) -> list[Any]:
        """The records as a list of your own."""
        return list(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._records)

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._records)

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
