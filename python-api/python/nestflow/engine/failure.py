"""From the compiled module's description of a failure to the exception that the user catches."""

from __future__ import annotations

import builtins
import pickle
from typing import TYPE_CHECKING

from ..errors import (
    InvalidDataException,
    NestflowPlanningException,
    NestflowRuntimeException,
    RemoteTraceback,
)

if TYPE_CHECKING:
    from typing import Any

_KINDS = {"plan": NestflowPlanningException, "data": InvalidDataException}


def rebuilt(failure: dict[str, Any]) -> tuple[BaseException, BaseException | None]:
    """Give the exception to raise and its cause.

    Args:
        failure: ``kind`` (``user``, ``data``, ``plan``, ``io``, ``memory``, ``died``, ``internal``,
            ``interrupted``) and ``message``; for ``user`` also ``pickled``, ``class``,
            ``traceback``, ``step`` and ``record``.

    Example:
        >>> rebuilt({"kind": "io", "message": "no such file"})
        (NestflowRuntimeException('no such file'), None)
    """
    kind = failure.get("kind")
    message = str(failure.get("message") or "")
    if kind == "user":
        return _of_user(failure, message)
    if kind == "interrupted":
        return KeyboardInterrupt(message) if message else KeyboardInterrupt(), None
    if kind == "internal":
        message = f"{message}. This is a fault of nestflow itself"
    return _placed(_KINDS.get(str(kind), NestflowRuntimeException), message, failure)


def _of_user(failure: dict[str, Any], message: str) -> tuple[BaseException, BaseException]:
    error = _unpickled(failure.get("pickled"))
    if error is None:
        error = _builtin(failure.get("class"), message)
    if error is None:
        error = NestflowRuntimeException(f"{failure.get('class') or 'an exception'}: {message}")
    _remember(error, "orig_args", error.args)
    _remember(error, "orig_message", message)
    text = str(failure.get("traceback") or message)
    place = _place(failure)
    if not _noted(error, place):
        text = "\n".join([text.rstrip(), *place])
    return error, RemoteTraceback(text)


def _placed(
    kind: type[Exception], message: str, failure: dict[str, Any]
) -> tuple[BaseException, BaseException | None]:
    error, place = kind(message), _place(failure)
    return (error if _noted(error, place) else kind("\n".join([message, *place]))), None


def _place(failure: dict[str, Any]) -> list[str]:
    """Where it happened, as far as that is known: step and record."""
    return [
        f"{word} {failure[name]}"
        for word, name in (("in", "step"), ("record:", "record"))
        if failure.get(name)
    ]


def _noted(error: BaseException, lines: list[str]) -> bool:
    """Add notes to an exception; False where Python does not know notes yet."""
    add_note = getattr(error, "add_note", None)
    if add_note is not None:
        for line in lines:
            add_note(line)
    return add_note is not None


def _unpickled(pickled: object) -> BaseException | None:
    if not isinstance(pickled, bytes):
        return None
    try:
        error = pickle.loads(pickled)
    except Exception:
        return None  # its class cannot be made here: the text has to do
    return error if isinstance(error, BaseException) else None


def _builtin(name: object, message: str) -> BaseException | None:
    kind = getattr(builtins, str(name), None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return None
    try:
        return kind(message)
    except Exception:
        return None  # a class that wants more than a text


def _remember(error: BaseException, name: str, value: object) -> None:
    try:
        setattr(error, name, value)
    except Exception:
        return  # a class with slots, or with its own ideas: it is only a convenience
