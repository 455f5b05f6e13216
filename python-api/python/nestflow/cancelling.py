"""Ending what a pipeline is doing, from another thread: `Pipeline.cancel`.

Knows no engine: these look again and again whether they are to go on.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event
from typing import TYPE_CHECKING

from .errors import RunCancelledException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .engine import Check


class Cancelling:
    """What can be cancelled."""

    _running: set[Event]

    def cancel(self) -> None:
        """End what `run`, `get` and `to_spark` are doing now, in whatever threads; they raise at once.

        A run that is cancelled has failed like any other: nothing of it is kept or written, no task of it
        goes on, and the next one does all of it again. Without a run there is nothing to cancel.

        Example:
            >>> import nestflow as nf
            >>> import threading, time
            >>> def slow(x):
            ...     while True:
            ...         time.sleep(0.01)
            >>> p = nf.Pipeline.create("local")
            >>> threading.Timer(0.5, p.cancel).start()
            >>> try:
            ...     p.parallelize([1]).map(slow).get()
            ... except nf.errors.RunCancelledException as error:
            ...     print(error)
            the run was cancelled
        """
        for cancelled in list(self._running):
            cancelled.set()

    @contextmanager
    def _cancellable(self) -> Iterator[Check]:
        """Give what raises as soon as somebody has called `cancel`."""
        cancelled = Event()

        def check() -> None:
            if cancelled.is_set():
                raise RunCancelledException("the run was cancelled")

        self._running.add(cancelled)
        try:
            yield check
        finally:
            self._running.discard(cancelled)
