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
    return _KINDS.get(str(kind), NestflowRuntimeException)(message), None


def _of_user(failure: dict[str, Any], message: str) -> tuple[BaseException, BaseException]:
    error = _unpickled(failure.get("pickled"))
    if error is None:
        error = _builtin(failure.get("class"), message)
    if error is None:
        error = NestflowRuntimeException(f"{failure.get('class') or 'an exception'}: {message}")
    _remember(error, "orig_args", error.args)
    _remember(error, "orig_message", message)
    place = [
        f"{word} {failure[name]}"
        for word, name in (("in", "step"), ("record:", "record"))
        if failure.get(name)
    ]
    text = str(failure.get("traceback") or message)
    if hasattr(error, "add_note"):
        for line in place:
            error.add_note(line)
    else:
        text = "\n".join([text.rstrip(), *place])
    return error, RemoteTraceback(text)


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
