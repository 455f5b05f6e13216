"""Ctrl-C and `cancel` while the JVM is asked: they come between two questions, never in the middle of one.

PySpark's own handler asks the JVM, and py4j refuses that while the same thread waits for an answer. An
interrupt that is raised inside py4j would leave an answer behind that the next question takes for its own.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any


class Interrupts:
    """Holds Ctrl-C back in the main thread, until somebody looks or the context ends."""

    _before: Any = None
    _came: tuple[int, FrameType | None] | None = None

    def __init__(self, check: Callable[[], None]) -> None:
        """Take what else has to be looked at."""
        self._check = check

    def __enter__(self) -> Interrupts:
        """Begin to hold it back; to other threads, and where it is ignored, it never comes."""
        before = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is threading.main_thread() and callable(before):
            self._before = before
            signal.signal(signal.SIGINT, self._come)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Give the next one to whom it was for, and this one too, unless something else is on its way."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if kind is None:
            self._interrupt()

    def check(self) -> None:
        """Do what was held back.

        Raises:
            KeyboardInterrupt: Ctrl-C came.
            RunCancelledException: the run was cancelled.
        """
        self._interrupt()
        self._check()

    def _interrupt(self) -> None:
        came, self._came = self._came, None
        if came is None:
            return
        # PySpark's would end the jobs of others too.
        if not str(getattr(self._before, "__module__", "")).startswith("pyspark."):
            self._before(*came)
            return
        raise KeyboardInterrupt

    def _come(self, number: int, frame: FrameType | None) -> None:
        self._came = number, frame
