"""Points of a run: a function that waits at one record until something has happened there, once."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Point:
    """Gives records as they are; the first call with the chosen one waits."""

    def __init__(self, folder: Path, chosen: Any) -> None:
        self._reached, self._over, self._chosen = folder / "reached", folder / "over", chosen

    def __call__(self, record: Any) -> Any:
        if record == self._chosen and not self._over.exists():
            mine = self._reached.with_suffix(f".{os.getpid()}")
            mine.write_text(str(os.getpid()))
            mine.rename(self._reached)
            while not self._over.exists():
                time.sleep(0.01)
        return record

    @property
    def was_reached(self) -> bool:
        """Whether it was called with the chosen record."""
        return self._reached.exists()

    @contextmanager
    def happens(self, act: Callable[[int], object]) -> Iterator[None]:
        """While this goes on, do something when the record is reached, to the process that waits there.

        What that raises is raised at the end.
        """
        ended = threading.Event()
        wrong: list[BaseException] = []

        def wait() -> None:
            while not self._reached.exists():
                if ended.wait(0.01):
                    return
            try:
                act(int(self._reached.read_text()))
            except BaseException as error:
                wrong.append(error)
            finally:
                self._over.touch()

        thread = threading.Thread(target=wait)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            # Whatever becomes of the run, nobody waits any longer.
            self._over.touch()
            if wrong:
                raise wrong[0]
