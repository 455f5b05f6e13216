"""Folds over many groups at once, stateless between batches (`Fold` and `Combine` programs).

The records of a batch come in chunks, each with its group's number. In loops that call a user
function the record is called `x`: errors look for it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from nestflow.host import functions
from nestflow.host.program import MISSING, Side, Step
from nestflow.host.sides import arguments_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


class GroupsDriver(NamedTuple):
    """A fold ready to run: `end(feed(feed(begin(states), …), …))` are the new states."""

    begin: Callable[[list[Any]], list[Any]]
    feed: Callable[[list[Any], Iterable[int], Iterable[Any]], None]
    end: Callable[[list[Any]], list[Any]]
    steps: tuple[Step, ...]
    made_by: tuple[int, ...] = (0,)
    lines: Mapping[int, tuple[int, str]] = MappingProxyType({})


def build_fold(step: Step, zero: bytes | None, callable_zero: bool, sides: Sequence[Side]) -> GroupsDriver:
    """`state = f(state, x, *sides)`, from the zero, or without one from the first value."""
    function = functions.load_for(step, 0)
    given = arguments_of(step, sides)
    start = None if zero is None else functions.start_of(step, zero, callable_zero, given)

    def begin(states: list[Any]) -> list[Any]:
        return states if start is None else [start() if state is MISSING else state for state in states]

    def feed(states: list[Any], groups: Iterable[int], records: Iterable[Any]) -> None:
        arguments = given()
        if start is None:
            for group, x in zip(groups, records, strict=False):
                state = states[group]
                states[group] = x if state is MISSING else function(state, x, *arguments)
        elif arguments:
            for group, x in zip(groups, records, strict=False):
                states[group] = function(states[group], x, *arguments)
        else:
            for group, x in zip(groups, records, strict=False):
                states[group] = function(states[group], x)

    return GroupsDriver(begin, feed, lambda states: states, (step,))


def build_combine(step: Step) -> GroupsDriver:
    """`f(iterable)` on each group; its state counts as one more element."""
    function = functions.load_for(step, 0)

    def begin(states: list[Any]) -> list[Any]:
        return [[] if state is MISSING else [state] for state in states]

    def feed(groups: list[Any], numbers: Iterable[int], records: Iterable[Any]) -> None:
        for number, record in zip(numbers, records, strict=False):
            groups[number].append(record)

    def end(groups: list[Any]) -> list[Any]:
        return [function(x) for x in groups]

    return GroupsDriver(begin, feed, end, (step,))
