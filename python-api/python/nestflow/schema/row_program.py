"""A piece of a plan as a function of one record: what computes columns without moving data.

Runs where user functions run. Every dataset of the piece is a short list here; what each operator
gives is what it gives in a group with one record.
"""

from __future__ import annotations

import functools
import itertools
import operator
import pickle
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InvalidDataException
from ..host.compiled import library
from ..host.functions import load_anew
from ..host.sequential import Emitter
from ..host.sides import SideView
from ..keys import rank
from ..plan.nodes import CompareKind
from .row_values import extreme, identity, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

RECORD = "record"
"""The kind of the instruction that stands for the record itself."""

OUTER = "outer"
"""The kind of an instruction that stands for a side input of the whole function, by its number."""


class Part:
    """A function of a program, loaded when and as often as the program is: it may hold state."""

    def __init__(self, pickled: bytes) -> None:
        """Keep its bytes."""
        self.pickled = pickled

    @functools.cached_property
    def function(self) -> Any:
        """The function, the same object each time."""
        return self.copy()

    def copy(self) -> Any:
        """Give a new object."""
        return load_anew(self.pickled)


class Instruction(NamedTuple):
    """One operator: its kind, its functions, the instructions that it reads.

    ``number``: a limit, or which of several things it does; ``flag``: descending, the largest.
    """

    kind: str
    functions: tuple[Part, ...] = ()
    inputs: tuple[int, ...] = ()
    sides: tuple[tuple[int, bool], ...] = ()
    number: int = 0
    flag: bool = False


class RowProgram:
    """Gives the combinations of what some instructions give for a record, each made a record."""

    def __init__(
        self,
        name: str,
        instructions: Sequence[Instruction],
        results: Sequence[int],
        make: Callable[[tuple[Any, ...]], Any],
    ) -> None:
        """Keep the program; instructions read earlier ones only."""
        self.__name__ = name
        self.instructions = tuple(instructions)
        self.results = tuple(results)
        self.make = make

    def __call__(self, record: Any, *outer: Sequence[Any]) -> Iterator[Any]:
        """Give the records."""
        done: list[list[Any]] = []
        for instruction in self.instructions:
            if instruction.kind == RECORD:
                done.append([record])
            elif instruction.kind == OUTER:
                done.append(list(outer[instruction.number]))
            else:
                given = [done[number] for number in instruction.inputs]
                done.append(_KINDS[instruction.kind](instruction, given, _sides(instruction, done)))
        return map(self.make, itertools.product(*(done[number] for number in self.results)))


def knows(kind: str) -> bool:
    """Whether there is an instruction of this kind.

    Example:
        >>> knows("Map"), knows("Join")
        (True, False)
    """
    return kind in _KINDS


def _sides(instruction: Instruction, done: list[list[Any]]) -> Callable[[], list[Any]]:
    def sides() -> list[Any]:
        values: list[Any] = []
        for number, single in instruction.sides:
            if not single:
                values.append(SideView(done[number]))
            elif done[number]:
                values.append(done[number][0])
            else:
                raise InvalidDataException("a function needs the value of an empty PObject")
        return values

    return sides


def _map(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    f, extra = i.functions[0].function, sides() if given[0] else []
    return [f(x, *extra) for x in given[0]]


def _flat_map(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    f, extra = i.functions[0].function, sides() if given[0] else []
    own = library().Own
    return [y for x in given[0] for y in own(f(x, *extra))]


def _filter(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    f, extra = i.functions[0].function, sides() if given[0] else []
    return [x for x in given[0] if f(x, *extra)]


def _reduce(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    if not given[0]:
        return []
    f, extra = i.functions[0].function, sides() if len(given[0]) > 1 else []
    first, *rest = given[0]
    if rest:
        # It may be changed, and belongs to the record and to other columns too.
        first = pickle.loads(pickle.dumps(first))
    return [functools.reduce(lambda a, b: f(a, b, *extra), rest, first)]


def _start(i: Instruction, sides: Callable[[], list[Any]]) -> Any:
    return i.functions[0].function(*sides()) if i.number else i.functions[0].copy()


def _accumulate(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    state, step = _start(i, sides), i.functions[1].function
    for x in given[0]:
        state = step(state, x, *sides())
    return [state]


def _aggregate(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    state = _accumulate(i, given, sides)[0]
    return [i.functions[2].function(_start(i, sides), state, *sides())]


def _sum(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    return [functools.reduce(operator.add, given[0])] if given[0] else []


def _key(i: Instruction) -> Callable[[Any], Any] | None:
    return i.functions[0].function if i.functions else None


def _sort(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    return in_order(given[0], _key(i), i.flag)


def _top(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    return in_order(given[0], _key(i), i.flag)[: max(i.number, 0)]


def _extreme(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    return [extreme(given[0], _key(i), i.flag)] if given[0] else []


def _distinct(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    return [min(equal, key=rank) for equal in _equal(given[0]).values()]


def _compare(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    left, right = map(_equal, given)
    if i.number == CompareKind.SUBTRACT:
        return [x for one, equal in left.items() if one not in right for x in equal]
    found: list[Any] = []
    for one in {**left, **right}:
        a, b = left.get(one, []), right.get(one, [])
        shown = min((*a, *b), key=rank)
        if i.number == CompareKind.DIFF:
            found += [(shown, (len(a), len(b)))] if len(a) != len(b) else []
        else:
            copies = min(len(a), len(b))
            found += [shown] * (copies if i.number == CompareKind.INTERSECTION_ALL else min(copies, 1))
    return found


def _equal(values: list[Any]) -> dict[Any, list[Any]]:
    """Give the values by what is equal."""
    found: dict[Any, list[Any]] = {}
    for value in values:
        found.setdefault(identity(value), []).append(value)
    return found


def _transform(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    start, step, done = (part.function for part in i.functions)
    emitted: list[Any] = []
    emitter = Emitter(functools.partial(library().append_own, emitted))
    status = start(emitter, *sides())
    for x in given[0]:
        if emitter.finished:
            break
        status = step(status, emitter, x, *sides())
    done(status, emitter, *sides())
    return emitted


def _transformer(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    walker = i.functions[0].copy()
    own = library().Own
    found = list(own(walker.begin_process(*sides())))
    for x in given[0]:
        found += own(walker.process(x, *sides()))
    found += own(walker.end_process(*sides()))
    return found


def _whole(i: Instruction, given: list[list[Any]], sides: Callable[[], list[Any]]) -> list[Any]:
    return [i.functions[0].function(list(given[0]))]


_KINDS: dict[str, Callable[[Instruction, list[list[Any]], Callable[[], list[Any]]], list[Any]]] = {
    "Map": _map,
    "FlatMap": _flat_map,
    "Filter": _filter,
    "Count": lambda i, given, sides: [len(given[0])],
    "IsEmpty": lambda i, given, sides: [not given[0]],
    "Sum": _sum,
    "Reduce": _reduce,
    "Aggregate": _aggregate,
    "Accumulate": _accumulate,
    "Combine": _whole,
    "Whole": _whole,
    "ToList": lambda i, given, sides: [list(given[0])],
    "First": lambda i, given, sides: given[0][:1],
    "Take": lambda i, given, sides: given[0][: max(i.number, 0)],
    "Sort": _sort,
    "Top": _top,
    "Extreme": _extreme,
    "Distinct": _distinct,
    "Compare": _compare,
    "Transform": _transform,
    "Transformer": _transformer,
    "Union": lambda i, given, sides: [x for part in given for x in part],
}
