"""A chain as the compiled host describes it, and what it gets back: a function and its parts.

Plain data, shared by the drivers that are generated (`driver`) and those that are written
(`groups`), and by `errors`, which finds the step of a traceback in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

FILENAME = "<nestflow driver>"


class Site(NamedTuple):
    """The line of the user's program that made a step."""

    file: str
    line: int
    function: str
    transform: str


class UserFunction(NamedTuple):
    """A pickled function and what the user would call it."""

    name: str
    pickled: bytes


class Step(NamedTuple):
    """One step of a chain; `kind` is the name of the chain's step kind in lower case."""

    kind: str
    functions: tuple[UserFunction, ...]
    site: Site | None
    sides: tuple[int, ...]

    def __str__(self) -> str:
        names = ", ".join(function.name for function in self.functions)
        if self.site is None:
            return f"sort key {names}"
        file, line, function, transform = self.site
        return f"{transform}({names}) at {file}:{line} in {function}"


class Side(NamedTuple):
    """A side input: its shape (`value`, `sequence`), and its records or the column it comes by."""

    shape: str
    records: list[Any] | None
    column: int


class Driver(NamedTuple):
    """A chain ready to run.

    `run(records, *columns)` takes an iterator of records and a list per side column, and gives
    rows as `layout` says: all in a list ("rows"), or part by part ("ends": see `loops`; how many
    rows a part should have stands after `records`). `parts` says what each row holds.
    """

    run: Callable[..., Any]
    layout: str
    parts: tuple[str, ...]
    source: str
    steps: tuple[Step, ...]
    # For each part, the step that gives it; -1: none does.
    made_by: tuple[int, ...]
    # Line of the source → the step called there, the variable that holds its argument, and its function where
    # that is not called but its expression stands there.
    lines: dict[int, tuple[int, str, Callable[[Any], Any] | None]]


class _Mark:
    """A value that no user program holds."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


# Instead of a row: the record was dropped. Instead of a part of a row: null.
DROP = _Mark("DROP")
GONE = _Mark("GONE")
# Instead of a value: there is none (an empty `PObject`, a state not yet begun).
MISSING = _Mark("MISSING")


class EmptySide(Exception):
    """A function would have been called with the value of an empty `PObject`."""


class NotAPair(Exception):
    """A record that has to be a pair of key and value is not."""


class Unfit(Exception):
    """A value that cannot be what it is wanted for, a key say: the message tells why."""


class Unloadable(Exception):
    """A user function whose pickle cannot be loaded here; the cause tells why."""

    def __init__(self, step: Step) -> None:
        """Say which step it is."""
        super().__init__(f"cannot load the functions of {step}")
        self.step = step
