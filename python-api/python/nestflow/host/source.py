"""What both writers of drivers share: lines that know their step, names, and calls.

Must not decide what a driver looks like.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

from nestflow.host.compiled import library
from nestflow.host.program import DROP, GONE, MISSING, EmptySide, NotAPair, Side, Step
from nestflow.host.sides import open_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nestflow.host.inlined import Expression


class Line(NamedTuple):
    """A line of source; if a user function is called on it, the step and the record's variable.

    `inlined` is the name of the function whose expression stands there instead of its call.
    """

    text: str
    step: int = -1
    record: str = ""
    inlined: str = ""


def indent(lines: Sequence[Line]) -> list[Line]:
    """The lines one level further in."""
    return [line._replace(text="    " + line.text) for line in lines]


def _missing_side() -> Any:
    raise EmptySide


def _check_pair(record: Any) -> None:
    if not isinstance(record, (tuple, list)) or len(record) != 2:
        raise NotAPair


# Classes whose objects are there with all that they hold, or make it as fast.
_SIZED = frozenset((list, tuple, range, dict, set, frozenset, str, bytes))


_CONSTANTS: dict[str, Any] = {
    "DROP": DROP,
    "GONE": GONE,
    "MISSING": MISSING,
    "missing_side": _missing_side,
    "check_pair": _check_pair,
    "SIZED": _SIZED,
    "chain": chain,
    "islice": islice,
}


def named(steps: Sequence[Step]) -> dict[str, tuple[Step, int]]:
    """The functions of steps by their names in a driver: the step of each, and its place among the step's."""
    found = {}
    for index, step in enumerate(steps):
        kinds = ("k", "v") if step.kind == "key_by" else ("",)
        for number, which in zip(range(len(step.functions)), kinds, strict=False):
            found[f"f{index}{which}"] = (step, number)
    return found


class Names:
    """The names that the source of one driver uses."""

    def __init__(self, steps: Sequence[Step], sides: Sequence[Side], inlined: dict[str, Expression]) -> None:
        """Name what these steps and side inputs need; for some functions, by name, there are expressions."""
        self.steps = steps
        self.sides = sides
        self._inlined = inlined
        self._fresh = 0

    def fresh(self) -> str:
        """A variable for the next record."""
        self._fresh += 1
        return f"x{self._fresh}"

    def columns(self) -> list[str]:
        """The variables of side inputs that come by column, in the order of the columns."""
        by_column = sorted((side.column, i) for i, side in enumerate(self.sides) if side.records is None)
        return [f"s{index}" for _, index in by_column]

    def call(self, step: int, record: str, which: str = "") -> tuple[Line, Line]:
        """Head and tail of the call of a step's function; between them the record gets its name."""
        function = f"f{step}{which}"
        if function in self._inlined:
            first, *rest = self._inlined[function].pieces
            tail = Line(")" + record.join(rest), step, record, function)
            return Line(f"{first}(", step, record, function), tail
        extra = [self._argument(index, self.steps[step].kind) for index in self.steps[step].sides]
        return Line(f"{function}(", step, record), Line("".join(f", {it}" for it in extra) + ")")

    def line(self, step: int, record: str, which: str = "") -> Line:
        """The call of a step's function on the record of that name."""
        function = f"f{step}{which}"
        if function in self._inlined:
            return Line(self._inlined[function].of(record), step, record, function)
        head, tail = self.call(step, record, which)
        return Line(f"{head.text}{record}{tail.text}", step, record)

    def _argument(self, index: int, kind: str) -> str:
        side, name = self.sides[index], f"s{index}"
        if side.shape == "sequence":
            return f"{name}._records" if kind == "foreach" else name
        if side.records is None:
            return f"{name} if {name} is not MISSING else missing_side()"
        return name if side.records else "missing_side()"

    def bound(self) -> list[str]:
        """The names that `values` has."""
        sides = [f"s{index}" for index, side in enumerate(self.sides) if side.records is not None]
        return [*_CONSTANTS, "Own", *named(self.steps), *sides]

    def values(self, loaded: dict[str, Any]) -> dict[str, Any]:
        """What the names stand for, but for variables."""
        values = {**_CONSTANTS, "Own": library().Own, **loaded}
        for index, side in enumerate(self.sides):
            if side.records is not None:
                values[f"s{index}"] = open_value(side)
        return values
