"""Ends user functions that run in this process when their run, or the process, is over.

A thread gets a `KeyboardInterrupt` at its next bytecode; one that is inside a C call gets it when
the call returns. Must not wait for either. Whoever has to be sure asks again and again.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn

_IMPORTING = "<frozen importlib."


def interrupt(threads: Iterable[int]) -> None:
    """Interrupt what these threads (`threading.get_ident`) run in this interpreter.

    One that is just inside the machinery of an import is left alone for now: between taking the lock of all
    imports and its ``try``, an exception would leave it locked for ever, and the end of the process imports.
    """
    for thread in threads:
        frame = sys._current_frames().get(thread)
        if frame is None or not frame.f_code.co_filename.startswith(_IMPORTING):
            _raise_in(thread, KeyboardInterrupt)


class Interruptible:
    """What a thread runs within ``with``, for others to interrupt: never what that thread does afterwards,
    and never another thread that has come to have its number. None ends with an interrupt that is left.
    """

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._wanted = False

    def __enter__(self) -> None:
        """Begin, unless it was interrupted already."""
        with self._lock:
            if not self._wanted:
                self._thread = threading.get_ident()
                return
        raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        """End. An interrupt from before comes no later than here: nothing is left to stop."""
        try:
            with self._lock:
                self._thread = None
        except KeyboardInterrupt:
            pass

    def interrupt(self) -> None:
        """Interrupt it now, or as soon as it begins; nothing if it has ended."""
        with self._lock:
            self._wanted = True
            if self._thread is not None:
                interrupt([self._thread])


def settle() -> None:
    """Let the interpreter forget interrupts of threads that ended before they got them.

    It would go on to look for them, and CPython 3.11 does so for ever where there is a profiler or a debugger
    (``DO_TRACING`` in its ``ceval.c``). Whoever gets one makes it stop looking: that is this thread now.
    Others that are to get one still do.
    """
    try:
        _raise_in(threading.get_ident(), _Settled)
        while True:
            pass
    except _Settled:
        pass


class _Settled(BaseException):
    """What `settle` raises in its own thread."""


def _raise_in(thread: int, kind: type[BaseException]) -> None:
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
    raise_in(thread, kind)


def hush() -> None:
    """Say nothing of an interrupt that ends in a finalizer: Python swallows it there and prints it.

    It is repeated until its thread has left user code, so nothing is lost but noise. For the end of
    the process, of which the user was not told by anybody that it interrupts.
    """
    told = sys.unraisablehook

    def hook(what: sys.UnraisableHookArgs) -> None:
        if not issubclass(what.exc_type, KeyboardInterrupt):
            told(what)

    sys.unraisablehook = hook


def forgive() -> None:
    """Let the process end as its main program did, after threads were interrupted.

    Where an interrupt passes through an ``exec`` of text, in any thread, CPython remembers a Ctrl-C that
    nobody handled and dies of SIGINT at its end (``run_eval_code_obj`` in its ``pythonrun.c``); the next
    ``exec`` forgets it. A namedtuple made by an import is one. So that is said again here, as it was. Where
    somebody types, no Ctrl-C ends the program.
    """
    if hasattr(sys, "ps1") or not isinstance(_uncaught(), KeyboardInterrupt):
        exec("")
        return
    with contextlib.suppress(KeyboardInterrupt):
        exec("raise KeyboardInterrupt")


def _uncaught() -> object:
    """Give what ended the main program, if anything did."""
    return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)


def end_process() -> NoReturn:
    """End the process although a thread does not leave user code: no interpreter can end then.

    The exit code tells of an uncaught exception; that of `sys.exit` is not known here.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(1 if _uncaught() is not None else 0)
