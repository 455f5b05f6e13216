"""Ends user functions that run in this process when their run is over.

A thread that is inside a driver gets a `KeyboardInterrupt` at its next bytecode; one that is inside
a C call gets it when the call returns. Must not wait for either.
"""

from __future__ import annotations

import ctypes
import sys
from typing import TYPE_CHECKING

from nestflow.host.program import FILENAME

if TYPE_CHECKING:
    from types import FrameType


def interrupt() -> int:
    """Interrupt every other thread that runs a driver; gives how many there are."""
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raise_in.argtypes = (ctypes.c_ulong, ctypes.py_object)
    running = [thread for thread, frame in sys._current_frames().items() if _in_driver(frame)]
    for thread in running:
        raise_in(thread, KeyboardInterrupt)
    return len(running)


def _in_driver(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == FILENAME:
            return True
        frame = frame.f_back
    return False
