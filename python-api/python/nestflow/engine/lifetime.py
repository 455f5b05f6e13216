"""How an engine ends: when it is closed, when nobody has it any more, or with the interpreter."""

from __future__ import annotations

import atexit
import os
import queue
import threading
import weakref
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from ..errors import NestflowRuntimeException

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    GiveBack = Callable[[], object]


class Closing:
    """What engines inherit that have something to give back."""

    _closed = False
    _closer: weakref.finalize[..., Any] | None = None

    def close(self) -> None:
        """Give everything back; closing twice is harmless."""
        self._closed = True
        detached = self._closer and self._closer.detach()
        if detached:
            _, _, (process, _, give_back), _ = detached
            _found(process, _now, give_back)

    def _check_open(self) -> None:
        """Refuse what comes after the end.

        Raises:
            NestflowRuntimeException: it is closed.
        """
        if self._closed or (self._closer is not None and not self._closer.alive):
            raise NestflowRuntimeException("this pipeline is closed")

    def _at_end(self, give_back: Callable[..., object], *arguments: object, apart: bool = False) -> None:
        """Say what the end has to do; it must not know this engine, which could never end otherwise.

        Where nobody has the engine any more, the garbage collector notices that in the middle of anything.
        What must not happen there, as a question to a JVM that has another one to answer, is done `apart`: by
        a thread of its own.
        """
        how = _collected.put if apart else _now
        self._closer = weakref.finalize(self, _found, os.getpid(), how, partial(give_back, *arguments))
        if apart:
            _collected.begin()


def _found(process: int, how: Callable[[GiveBack], None], give_back: GiveBack) -> None:
    """What every end comes to. In a fork, it is the parent's that gives back."""
    if process == os.getpid():
        how(give_back)


def _now(give_back: GiveBack) -> None:
    give_back()


class _Collected:
    """What the garbage collector found, and the thread that gives it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._waiting: queue.SimpleQueue[GiveBack | None] = queue.SimpleQueue()

    def begin(self) -> None:
        """Start the thread of this process, if there is none: the garbage collector must not."""
        with self._lock:
            if self._thread is None:
                name, arguments = "nestflow-closing", (self._waiting,)
                thread = threading.Thread(target=_work, args=arguments, name=name, daemon=True)
                thread.start()
                self._thread = thread
                # After that of `weakref`, so that it runs before.
                atexit.register(self._end)

    def put(self, give_back: GiveBack) -> None:
        """Have something given back soon; with the interpreter's end, now."""
        if self._thread is None:
            give_back()
        else:
            self._waiting.put(give_back)

    def _end(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            with suppress(KeyboardInterrupt):  # who does not want to wait need not
                thread.join()


def _work(waiting: queue.SimpleQueue[GiveBack | None]) -> None:
    for give_back in iter(waiting.get, None):
        with suppress(Exception):  # there is nobody to be told
            give_back()
        del give_back  # it has objects that are not to live until the next


_collected = _Collected()
if hasattr(os, "register_at_fork"):  # a fork has neither the thread nor what waits for it
    os.register_at_fork(after_in_child=lambda: _collected.__init__())  # type: ignore[misc]
