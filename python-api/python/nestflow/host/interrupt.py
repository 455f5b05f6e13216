"""Ends user functions that run in this process when their run, or the process, is over.

A thread gets a `KeyboardInterrupt` at its next bytecode; one that is inside a C call gets it when
the call returns. Must not wait for either.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NoReturn


def interrupt(threads: Iterable[int]) -> None:
    """Interrupt what these threads (`threading.get_ident`) run in this interpreter."""
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
    for thread in threads:
        raise_in(thread, KeyboardInterrupt)


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


def end_process() -> NoReturn:
    """End the process although a thread does not leave user code: no interpreter can end then.

    The exit code tells of an uncaught exception; that of `sys.exit` is not known here.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    failed = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    os._exit(1 if failed is not None else 0)
