"""Ends user functions that run in this process when their run is over.

A thread gets a `KeyboardInterrupt` at its next bytecode; one that is inside a C call gets it when
the call returns. Must not wait for either.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def interrupt(threads: Iterable[int]) -> None:
    """Interrupt what these threads (`threading.get_ident`) run in this interpreter."""
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
    for thread in threads:
        raise_in(thread, KeyboardInterrupt)
