"""What user functions count: kept here while they run, and taken by the host with each result.

The sums of a thread that runs functions are its own; threads that functions start themselves share
some, which go with the next result. Must stay cheap: functions count for every record.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

REMOTE = "__PYTHON_IN_REMOTE_SIDE"
"""The variable by which code can tell that it runs in a worker process."""

Counts = dict[str, int]

_here = threading.local()
# One entry for each call of functions that is under way in this process.
_inside: list[None] = []
_stray: Counts = {}
_lock = threading.Lock()


def enter() -> Counts | None:
    """User functions begin on this thread. Gives what an outer call has counted, for `leave`."""
    outer: Counts | None = getattr(_here, "counts", None)
    _here.counts = {}
    _inside.append(None)
    return outer


def leave(outer: Counts | None) -> Counts | None:
    """User functions end on this thread. Gives what they counted; None: nothing."""
    _inside.pop()
    counts: Counts = _here.counts
    _here.counts = outer
    if _stray:
        with _lock:
            for name, count in _stray.items():
                counts[name] = counts.get(name, 0) + count
            _stray.clear()
    return counts or None


def add(name: str, count: int) -> bool:
    """Count; False: no function runs here."""
    counts: Counts | None = getattr(_here, "counts", None)
    if counts is not None:
        counts[name] = counts.get(name, 0) + count
        return True
    if not _inside and not is_remote():
        return False
    with _lock:
        _stray[name] = _stray.get(name, 0) + count
    return True


def hand_up(counts: Mapping[str, int]) -> bool:
    """Count what a run inside a user function counted; False: this thread runs none."""
    if not is_running():
        return False
    for name, count in counts.items():
        add(name, count)
    return True


def is_running() -> bool:
    """Whether this is a worker process, or this thread runs a user function."""
    return is_remote() or getattr(_here, "counts", None) is not None


def is_remote() -> bool:
    """Whether this is a worker process."""
    return REMOTE in os.environ
