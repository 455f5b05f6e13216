"""Functions that see many records at a time: `map_batches`.

Batches are cut by rows and by bytes; one never has records of two groups. What a function needs for
all batches, a model say, is made once in each process, in the background.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nestflow.host import formats, functions
from nestflow.host.interrupt import Interruptible
from nestflow.host.program import Unloadable
from nestflow.transformer import Transformer

if TYPE_CHECKING:
    from nestflow.host.program import Step

# What was made for functions of this process, by what makes it.
_made: dict[bytes, _Making] = {}
_lock = threading.Lock()
# How long a wait may keep this thread from noticing an interrupt.
_LOOK = 0.05


class Settings(NamedTuple):
    """How batches are made: at most so many rows, and bytes of records before they were objects.

    ``limited``: the user has said how many bytes.
    """

    format: str
    rows: int
    bytes: int
    iterator: bool
    limited: bool = False


class Batches(Transformer):
    """What `map_batches` ships: the function, what it needs, and how its batches look."""

    def __init__(self, function: bytes, setup: bytes | None, settings: Settings) -> None:
        """Hold pickled functions: they are loaded once, not for each group."""
        self.function = function
        self.setup = setup
        self.settings = settings
        self._walk: Walk | None = None
        self._out: list[Any] = []

    def begin_process(self, *side_inputs: Any) -> list[Any]:
        """Begin a group, where a host knows nothing of batches."""
        self._walk = Walk(self, lambda: side_inputs, self._out)
        return []

    def process(self, record: Any, *side_inputs: Any) -> list[Any]:
        """Take a record."""
        assert self._walk is not None
        deque(self._walk.feed([record], 0), 0)
        return self._taken()

    def end_process(self, *side_inputs: Any) -> list[Any]:
        """End the group."""
        assert self._walk is not None
        deque(self._walk.end(), 0)
        return self._taken()

    def _taken(self) -> list[Any]:
        taken, self._out[:] = list(self._out), []
        return taken


class Walk:
    """Batches of one group after another; pauses after each that comes out."""

    def __init__(
        self,
        batches: Batches,
        given: Callable[[], tuple[Any, ...]],
        out: list[Any],
        step: Step | None = None,
    ) -> None:
        """Load the functions, and begin to make what they need."""
        self._settings = batches.settings
        self._given = given
        self._out = out
        try:
            whole = b"" if step is None else step.functions[0].pickled
            self._function = functions.load(functions.of_run_of(batches.function, whole))
            self._making = None if batches.setup is None else _make(batches.setup)
        except Exception as error:
            if step is None:
                raise
            raise Unloadable(step) from error
        self._to, self._from = formats.by_name(self._settings.format)
        self._records: list[Any] = []
        self._bytes = 0
        self._stream: _Stream | None = None

    def begin(self) -> None:
        """Begin a group, wherever the one before was left."""
        self._records, self._bytes, self._stream = [], 0, None

    def feed(self, records: list[Any], size: int) -> Iterator[None]:
        """Take records that had so many bytes."""
        rows, most = self._settings.rows, self._settings.bytes
        self._bytes += size
        for start in range(0, len(records), rows):
            part = records[start : start + rows]
            room = rows - len(self._records)
            self._records += part[:room]
            if len(self._records) == rows:
                yield from self._flush()
                self._records += part[room:]
        if self._bytes >= most:
            yield from self._flush()

    def end(self) -> Iterator[None]:
        """End the group."""
        if self._records:
            yield from self._flush()
        stream, self._stream = self._stream, None
        if stream is not None:
            yield from self._take(stream.finish())

    @property
    def ended(self) -> bool:
        """Whether the function of this group wants no more batches."""
        return self._stream is not None and self._stream.ended

    def _flush(self) -> Iterator[None]:
        # An error finds the batch under this name.
        x, self._records, self._bytes = self._records, [], 0
        batch = self._to(x)
        if not self._settings.iterator:
            result = self._function(batch, *self._arguments())
            yield from self._take(result if isinstance(result, Iterator) else (result,))
            return
        if self._stream is None:
            self._stream = _Stream(self._function, self._arguments())
        yield from self._take(self._stream.send(batch))

    def _arguments(self) -> tuple[Any, ...]:
        made = () if self._making is None else (self._making.value(),)
        return (*made, *self._given())

    def _take(self, batches: Iterator[Any] | Sequence[Any]) -> Iterator[None]:
        for batch in batches:
            self._out.extend(self._from(batch))
            yield


def _make(setup: bytes) -> _Making:
    key = hashlib.sha256(setup).digest()
    with _lock:
        making = _made.get(key)
        if making is None:
            making = _made[key] = _Making(functions.load(setup))
        return making


class _Making:
    """A value that a thread of its own makes."""

    def __init__(self, setup: Callable[[], Any]) -> None:
        self._setup = setup
        self._value: Any = None
        self._error: BaseException | None = None
        self._done = threading.Event()
        threading.Thread(target=self._run, name="nestflow-setup", daemon=True).start()

    def _run(self) -> None:
        try:
            self._value = self._setup()
        except BaseException as error:
            self._error = error
        self._done.set()

    def value(self) -> Any:
        """The value, once it is there; or what the function raised, each time."""
        while not self._done.wait(_LOOK):
            continue
        if self._error is not None:
            raise self._error
        return self._value


class _Closed(BaseException):
    """Nobody wants more of a stream."""


class _Stream:
    """A function from an iterator of batches to another one, which gets them as they come.

    It runs in a thread of its own, but never at the same time as whoever sends it batches.
    """

    def __init__(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._in: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._out: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._inside = Interruptible()
        self.ended = False
        run = (function, arguments, self._in, self._out, self._inside)
        threading.Thread(target=_run_stream, args=run, name="nestflow-batches", daemon=True).start()

    def send(self, batch: Any) -> Iterator[Any]:
        """Hand a batch over; gives what comes out until the next one is wanted."""
        if not self.ended:
            self._in.put(("batch", batch))
            yield from self._results()

    def finish(self) -> Iterator[Any]:
        """Gives what comes out after the last batch."""
        if not self.ended:
            self._in.put(("end", None))
            yield from self._results()

    def _results(self) -> Iterator[Any]:
        while True:
            kind, value = self._next()
            if kind == "out":
                yield value
                self._in.put(("more", None))
                continue
            self.ended = kind != "want"
            if kind == "error":
                raise value
            return

    def _next(self) -> tuple[str, Any]:
        try:
            return self._waited()
        except BaseException:
            # An interrupt is meant for the function.
            self._inside.interrupt()
            raise

    def _waited(self) -> tuple[str, Any]:
        # Apart: CPython 3.11 takes an interrupt between two rounds for one outside a `try` that begins there.
        while True:
            try:
                return self._out.get(timeout=_LOOK)
            except queue.Empty:
                continue

    def __del__(self) -> None:
        if not self.ended:
            self._in.put(("closed", None))


def _run_stream(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    inputs: queue.SimpleQueue[tuple[str, Any]],
    outputs: queue.SimpleQueue[tuple[str, Any]],
    inside: Interruptible,
) -> None:
    first = inputs.get()

    def batches() -> Iterator[Any]:
        kind, value = first
        while kind == "batch":
            yield value
            outputs.put(("want", None))
            kind, value = inputs.get()
        if kind == "closed":
            raise _Closed

    try:
        with inside:
            for result in function(batches(), *arguments):
                outputs.put(("out", result))
                if inputs.get()[0] == "closed":
                    return
        outputs.put(("done", None))
    except _Closed:
        return
    except BaseException as error:
        outputs.put(("error", error))
