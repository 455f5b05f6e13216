"""Waits for what comes by itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def eventually(true: Callable[[], bool], within: float = 30) -> bool:
    """Whether it has become true in so many seconds."""
    until = time.monotonic() + within
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return true()
