"""Functions that walk through one group after another, with a status that stays here.

The host calls `begin` with the side inputs of a group that come by column, `feed` with its records
piece by piece (and the bytes that a piece had as cells), `end`, and takes what has gathered in `out`
in between. Each of them may give an iterator: a pause, so that no more than `room` says has to gather;
the host takes it, and goes on. In loops that call a user function the record is called `x`: errors look
for it. `feed` is never called without a record, nor where there is `enough`.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nestflow.host import functions
from nestflow.host.batches import Batches, Walk
from nestflow.host.compiled import library
from nestflow.host.program import MISSING, Side, Step
from nestflow.host.sides import arguments_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


_SIZED = (list, tuple)


class _Walk:
    """What all programs share: the step, its side inputs, and what came out so far."""

    lines: Mapping[int, tuple[int, str]] = MappingProxyType({})
    made_by = (0,)
    # Whether the group in hand needs no more records.
    enough = False

    def __init__(self, step: Step, sides: Sequence[Side]) -> None:
        self.steps = (step,)
        self.out: list[Any] = []
        # How many rows should gather, at most.
        self.room = [8]
        self._arguments = arguments_of(step, sides)
        # The side inputs of this group that come by column.
        self._columns: Sequence[Any] = ()

    def _given(self) -> tuple[Any, ...]:
        return self._arguments(*self._columns)


class _Accumulate(_Walk):
    """A strict left fold, which gives its last state; without a zero from the first record."""

    def __init__(self, step: Step, sides: Sequence[Side], zero: bytes | None, callable_zero: bool) -> None:
        super().__init__(step, sides)
        self._step = functions.load_for(step, 0)
        self._start = None if zero is None else functions.start_of(step, zero, callable_zero, self._given)
        self._state: Any = MISSING

    def begin(self, columns: Sequence[Any]) -> None:
        self._columns = columns
        self._state = MISSING if self._start is None else self._start()

    def feed(self, records: list[Any], size: int = 0) -> None:
        state = self._state
        if state is MISSING:
            state, *records = records
        step, given = self._step, self._given() if records else ()
        if given:
            for x in records:
                state = step(state, x, *given)
        else:
            for x in records:
                state = step(state, x)
        self._state = state

    def end(self) -> None:
        if self._state is not MISSING:
            self.out.append(self._state)
        self._state = MISSING


class Emitter:
    """Takes the output of a `transform`."""

    __slots__ = ("emit", "finished")

    def __init__(self, emit: Callable[[Any], None]) -> None:
        """Hand what is emitted to `emit`."""
        # Called for every record, so that it is bound once.
        self.emit = emit
        self.finished = False

    def done(self) -> None:
        """No further record of this group is wanted."""
        self.finished = True


class _Transform(_Walk):
    """`transform` with three functions; the finalizer runs also after `done()`."""

    def __init__(self, step: Step, sides: Sequence[Side]) -> None:
        super().__init__(step, sides)
        self._init, self._step, self._done = (functions.load_for(step, index) for index in range(3))
        # What is emitted may be the status, which changes.
        self._emit = partial(library().append_own, self.out)
        self._emitter = Emitter(self._emit)
        self._status: Any = None

    def begin(self, columns: Sequence[Any]) -> None:
        self._columns = columns
        self._emitter = Emitter(self._emit)
        self._status = self._init(self._emitter, *self._given())

    def feed(self, records: list[Any], size: int = 0) -> Iterator[None]:
        emitter, status = self._emitter, self._status
        step, given, out, room = self._step, self._given(), self.out, self.room
        for x in records:
            status = step(status, emitter, x, *given)
            if emitter.finished:
                break
            if len(out) >= room[0]:
                yield
        self._status = status

    @property
    def enough(self) -> bool:  # type: ignore[override]
        return self._emitter.finished

    def end(self) -> None:
        self._done(self._status, self._emitter, *self._given())
        self._status = None


class _Transformer(_Walk):
    """`transform` with an object of which each group gets a copy."""

    def __init__(self, step: Step, sides: Sequence[Side]) -> None:
        super().__init__(step, sides)
        self._copy = functions.copies_for(step, 0)
        self._transformer: Any = None
        # What comes out may be an object that goes on.
        self._own = library().Own

    def begin(self, columns: Sequence[Any]) -> Iterator[None]:
        self._columns = columns
        transformer = self._copy()
        self._transformer = transformer() if isinstance(transformer, type) else transformer
        return self._take(self._transformer.begin_process(*self._given()), "begin_process")

    def feed(self, records: list[Any], size: int = 0) -> Iterator[None]:
        process, given, out, room = self._transformer.process, self._given(), self.out, self.room
        own = self._own
        for x in records:
            outputs = process(x, *given)
            if outputs.__class__ in _SIZED and len(outputs) <= room[0]:
                out += own(outputs)
            else:
                yield from self._take(outputs, "process")
            if len(out) >= room[0]:
                yield

    def end(self) -> Iterator[None]:
        transformer, self._transformer = self._transformer, None
        return self._take(transformer.end_process(*self._given()), "end_process")

    def _take(self, outputs: Iterable[Any] | None, method: str) -> Iterator[None]:
        if outputs is None:
            raise TypeError(
                f"{method} of the transformer returned None: it has to return an iterable of outputs"
            )
        rest, out = self._own(outputs), self.out
        while True:
            most, before = self.room[0], len(out)
            out.extend(islice(rest, most))
            if len(out) - before < most:
                return
            yield


class _Whole(_Walk):
    """One call on all records of a group."""

    def __init__(self, step: Step, sides: Sequence[Side]) -> None:
        super().__init__(step, sides)
        self._function = functions.load_for(step, 0)
        self._records: list[Any] = []

    def begin(self, columns: Sequence[Any]) -> None:
        self._columns = columns
        self._records = []

    def feed(self, records: list[Any], size: int = 0) -> None:
        self._records.extend(records)

    def end(self) -> None:
        x, self._records = self._records, []
        self.out.append(self._function(x, *self._given()))


class _Batched(_Walk):
    """`map_batches`: a function of many records at a time."""

    def __init__(self, step: Step, sides: Sequence[Side], batches: Batches) -> None:
        super().__init__(step, sides)
        self._batches = Walk(batches, self._given, self.out, step)

    def begin(self, columns: Sequence[Any]) -> None:
        self._columns = columns
        self._batches.begin()

    def feed(self, records: list[Any], size: int = 0) -> Iterator[None]:
        return self._batches.feed(records, size)

    @property
    def enough(self) -> bool:  # type: ignore[override]
        return self._batches.ended

    def end(self) -> Iterator[None]:
        return self._batches.end()


def build(kind: str, step: Step, sides: Sequence[Side], zero: bytes | None, callable_zero: bool) -> _Walk:
    """The program of that kind."""
    match kind:
        case "accumulate" | "reduce":
            return _Accumulate(step, sides, zero, callable_zero)
        case "transform":
            return _Transform(step, sides)
        case "transformer":
            batches = functions.load_for(step, 0)
            if isinstance(batches, Batches):
                return _Batched(step, sides, batches)
            return _Transformer(step, sides)
        case "whole":
            return _Whole(step, sides)
    raise ValueError(kind)
