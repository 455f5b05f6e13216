"""A function that is slow once. Executors import this too, so that it must not need a test library."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Slow:
    """Gives lines; at one of them an attempt waits until another one has come as far."""

    def __init__(self, folder: Path, lines: list[str], chosen: int) -> None:
        folder.mkdir()
        self._lines, self._chosen = lines, chosen
        self.first, self.second = folder / "first", folder / "second"

    def __call__(self, x: int) -> str:
        if x == self._chosen:
            try:
                self.first.touch(exist_ok=False)
            except FileExistsError:  # both come to their ends at about the same time
                self.second.touch()
            until = time.monotonic() + 30
            while not self.second.exists() and time.monotonic() < until:
                time.sleep(0.02)
        return self._lines[x]
