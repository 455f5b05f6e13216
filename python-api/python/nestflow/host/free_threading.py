"""Interpreters that are built without a lock, where functions of several tasks run at the same time.

One import of an extension that is not made for it brings the lock back, for the rest of the process. Python
names the module in a warning; what it means for runs is told here. Must not change anything.
"""

from __future__ import annotations

import sys
import warnings


def has_lock() -> bool:
    """Whether only one thread at a time runs Python."""
    # Interpreters that can be without have this function.
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


_had_lock = has_lock()


def look() -> None:
    """Warn once if the lock has come back since nestflow was imported."""
    global _had_lock
    if not _had_lock and has_lock():
        _had_lock = True
        warnings.warn(
            "an import of a user function has brought the interpreter's lock back, so that functions in this "
            "process run one at a time: host='workers' runs them in parallel all the same",
            RuntimeWarning,
            stacklevel=2,
        )
