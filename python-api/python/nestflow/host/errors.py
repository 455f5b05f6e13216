"""What went wrong in a chain, as plain values: the exception, the step, the record in hand.

Must survive any exception class and any failing `repr`, and must not hide a user's frame.
"""

from __future__ import annotations

import os
import pickle
import reprlib
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

from nestflow.errors import InvalidDataException
from nestflow.host import pickles
from nestflow.host.program import FILENAME, Driver, EmptySide, NotAPair, Step, Unfit, Unloadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

LIMIT = "NESTFLOW_WORKER_MEMORY"
"""The variable with the bytes that a worker may take for data; beyond, Python raises `MemoryError`."""

_LONGEST_REPR = 200
_OUR_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


class _Short(reprlib.Repr):
    """Looks at no more of a value than is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = _LONGEST_REPR
        self.maxtuple = self.maxlist = self.maxdict = self.maxset = self.maxfrozenset = self.maxdeque = 20

    def repr_bytes(self, value: bytes, _: int) -> str:
        """The beginning of long bytes."""
        return repr(value[:_LONGEST_REPR]) + ("…" if len(value) > _LONGEST_REPR else "")

    repr_bytearray = repr_bytes


_SHORT = _Short()


def _is_long(value: Any, room: int = 1000) -> bool:
    """Whether a value has more than some hundred parts or characters, as far as it is built in."""
    left, pending = room, [value]
    while pending:
        part = pending.pop()
        if isinstance(part, (str, bytes, bytearray, list, tuple, set, frozenset, dict)):
            left -= len(part)
            if left < 0:
                return True
            if isinstance(part, dict):
                pending += [*part.keys(), *part.values()]
            elif not isinstance(part, (str, bytes, bytearray)):
                pending += part
    return False


class Failure(NamedTuple):
    """An error on its way out of the host."""

    class_name: str
    message: str
    pickled: bytes | None
    traceback: str
    step: str
    record: str


def _unwrapped(error: BaseException) -> BaseException:
    """What a function raised in a driver that is a generator: it lets no `StopIteration` out (PEP 479)."""
    cause = error.__cause__
    if not isinstance(error, RuntimeError) or not isinstance(cause, StopIteration):
        return error
    # A generator of the user's has a frame of its own first: there it is Python's error, and stays.
    first = cause.__traceback__
    file = "" if first is None else first.tb_frame.f_code.co_filename
    return cause if file == FILENAME or file.startswith(_OUR_FOLDER) else error


def raised(
    error: BaseException, driver: Driver, records: Iterator[Any] | None, given: list[Any] | None
) -> Failure:
    """The failure of a run; `given` are the records that the iterator `records` went over."""
    error = _unwrapped(error)
    step, record, inlined = _place(error.__traceback__, driver, records, given)
    shown = show(record[0]) if record else ""
    if inlined is not None and record:
        error = _with_frame(error, inlined, record[0])
    if isinstance(error, EmptySide):
        return _data(f"a side input of {step} is an empty PObject: it has no value", step, shown)
    if isinstance(error, NotAPair):
        return _not_a_pair(step, shown)
    if type(error) is TypeError and step is not None and step.kind == "flat_map":
        error = _explain_flat_map(error)
    return _user(error, step, shown)


def _with_frame(error: BaseException, function: Callable[[Any], Any], record: Any) -> BaseException:
    """The error as the function raises it, with its frame: only an expression of it was evaluated.

    Another error, say of an iterator that is used up by now, is not what went wrong.
    """
    if not isinstance(error, Exception):
        return error
    try:
        function(record)
    except BaseException as own:
        return own if type(own) is type(error) and _message(own) == _message(error) else error
    return error


def unloadable(error: BaseException) -> Failure:
    """The failure to open a chain."""
    if isinstance(error, Unloadable) and error.__cause__ is not None:
        return _user(error.__cause__, error.step, "")
    return _user(error, None, "")


def of_hook(error: BaseException, hook: str) -> Failure:
    """The failure of a function that a process calls at its start or end."""
    return _user(error, None, "")._replace(step=_sound(hook))


def unfit(error: BaseException, driver: Driver, part: int, value: Any, role: str) -> Failure:
    """The failure to store a part of a row as a `role`: "value", "key" or "order"."""
    shown = show(value)
    made_by = driver.made_by[part]
    step = driver.steps[made_by] if made_by >= 0 else None
    if isinstance(error, NotAPair):
        return _not_a_pair(step, shown)
    if isinstance(error, Unfit):
        return _data(f"{error}{_within(step)}: {shown}", step, shown)
    too_deep = isinstance(error, (pickle.PicklingError, RecursionError))
    if isinstance(error, Exception) and (role == "value" or too_deep):
        kind, what = _class_name(type(value)), "value" if role == "value" else "key"
        text = f"cannot store a {what} of type {kind}: {_class_name(type(error))}: {_message(error)}"
        return _data(f"{text}{_within(step)}: {shown}", step, shown)
    return _user(error, step, shown)


def show(value: Any) -> str:
    """The `repr` of a record, shortened; whatever the record's class does in it."""
    try:
        text = _SHORT.repr(value) if _is_long(value) else repr(value)
    except Exception:
        text = f"<a {_class_name(type(value))} whose repr fails>"
    return text if len(text) <= _LONGEST_REPR else text[: _LONGEST_REPR - 1] + "…"


def _place(
    trace: TracebackType | None, driver: Driver, records: Iterator[Any] | None, given: list[Any] | None
) -> tuple[Step | None, tuple[Any] | None, Callable[[Any], Any] | None]:
    """The step that was running and the record it was given, as far as they can be told.

    And its function, where an expression stands in place of its call.
    """
    step, record, inlined = None, None, None
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == FILENAME and trace.tb_lineno in driver.lines:
            index, name, inlined = driver.lines[trace.tb_lineno]
            step, record = driver.steps[index], _variable(trace, name)
            if record is None and name == "x0" and records is not None and given:
                # Newer interpreters forget the variable of a comprehension when it raises.
                record = (given[len(given) - records.__length_hint__() - 1],)  # type: ignore[attr-defined]
        elif code.co_filename.startswith(_OUR_FOLDER) and driver.steps and not driver.lines:
            step, record = driver.steps[0], _variable(trace, "x") or record
        trace = trace.tb_next
    return step, record, inlined


def _variable(trace: TracebackType, name: str) -> tuple[Any] | None:
    variables = trace.tb_frame.f_locals
    return (variables[name],) if name in variables else None


def _data(text: str, step: Step | None, shown: str) -> Failure:
    """What does not fit: an exception of ours, in the user's step."""
    error = InvalidDataException(_sound(text))
    return Failure(
        _class_name(type(error)), str(error), _portable(error), "", _sound(_text(step)), _sound(shown)
    )


def _not_a_pair(step: Step | None, shown: str) -> Failure:
    # Without a step of its own, the engine knows which transform asked.
    needs = f"{step} needs pairs of key and value" if step else "pairs of key and value are needed"
    return _data(f"{needs}, but got the record {shown}", step, shown)


def _within(step: Step | None) -> str:
    return f", in {step}" if step else ""


def _user(error: BaseException, step: Step | None, shown: str) -> Failure:
    return Failure(
        _sound(_class_name(type(error))),
        _sound(_message(error)),
        _portable(error),
        _sound(_formatted(error) + _limit(error)),
        _sound(_text(step)),
        _sound(shown),
    )


def _sound(text: str) -> str:
    """The text without what no encoding has, such as the halves of a pair that stand for odd bytes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _text(step: Step | None) -> str:
    return str(step or "")


def _explain_flat_map(error: TypeError) -> TypeError:
    """Says that flat_map wanted an iterable, where that is what Python complains about."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    ours = trace is not None and trace.tb_frame.f_code.co_filename == FILENAME
    if not ours or "iterable" not in str(error):
        return error
    clearer = TypeError(f"{error} (the function of flat_map has to return an iterable)")
    return clearer.with_traceback(error.__traceback__)


def _class_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "<an exception whose str fails>"


def _portable(error: BaseException) -> bytes | None:
    """The pickled exception, if what comes back is one of its class.

    One that does not come back the usual way, since its class wants other arguments or it holds what
    cannot be pickled, is made without calling its class, with those of its attributes that can.
    """
    for made in (lambda: error, lambda: _Bare(error)):
        try:
            pickled = pickles.dumps(made())
            back = pickle.loads(pickled)
        except Exception:
            continue
        if _class_name(type(back)) == _class_name(type(error)):
            return pickled
    return None


class _Bare:
    """Pickles as an exception that is put together from its parts."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> tuple[Any, ...]:
        error = self._error
        args = error.args if _pickles(error.args) else tuple(map(_part, error.args))
        state = {name: value for name, value in vars(error).items() if _pickles(value)}
        return _bare, (type(error), args, state)


def _bare(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(state)
    return error


def _part(value: Any) -> Any:
    return value if _pickles(value) else show(value)


def _pickles(value: Any) -> bool:
    try:
        pickle.loads(pickles.dumps(value))
    except Exception:
        return False
    return True


def _formatted(error: BaseException) -> str:
    """The traceback as Python prints it, without our frames."""
    try:
        text = traceback.TracebackException.from_exception(error)
        _trim(text)
        return "".join(text.format())
    except Exception:
        return f"{_class_name(type(error))}: {_message(error)}\n"


def _limit(error: BaseException) -> str:
    """What a worker process may take, where it wanted more."""
    limit = os.environ.get(LIMIT)
    if limit is None or not isinstance(error, MemoryError):
        return ""
    return f"(this worker process may take {int(limit) / (1 << 20):,.0f} MiB for data: docs/memory.md)\n"


def _trim(text: traceback.TracebackException | None) -> None:
    if text is None:
        return
    ours = (FILENAME, _OUR_FOLDER)
    text.stack = traceback.StackSummary.from_list(f for f in text.stack if not f.filename.startswith(ours))
    for other in (text.__cause__, text.__context__, *(getattr(text, "exceptions", None) or ())):
        _trim(other)


def rebuild(
    pickled: bytes | None, class_name: str, message: str, trace: str, step: str, record: str
) -> BaseException:
    """The exception as the user is to see it: their class, with step and record in its notes."""
    from nestflow.errors import NestflowRuntimeException, RemoteTraceback

    error = _unpickled(pickled)
    if error is None:
        error = NestflowRuntimeException(f"{class_name}: {message}")
    notes = [f"in {step}"] if step else []
    if record:
        notes.append(f"with the record {record}")
    if hasattr(error, "add_note"):
        for note in notes:
            error.add_note(note)
        error.__cause__ = RemoteTraceback(trace)
    else:
        error.__cause__ = RemoteTraceback("\n".join([trace, *notes]))
    return error


def _unpickled(pickled: bytes | None) -> BaseException | None:
    if pickled is None:
        return None
    try:
        error = pickle.loads(pickled)
    except Exception:
        return None
    return error if isinstance(error, BaseException) else None
