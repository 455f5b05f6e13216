"""What a running pipeline shows: one line on a terminal or in a notebook, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TextIO

    Progress = Callable[[dict[str, object]], None]

_PATIENCE = 0.5


@contextmanager
def display(wish: object) -> Iterator[Progress | None]:
    """Give the function that is told of progress, for one run; None where nobody looks.

    Args:
        wish: the pipeline's option: a function, True, False, or None to decide by the terminal.

    Example:
        >>> with display(False) as progress:
        ...     print(progress)
        None
    """
    if callable(wish):
        yield wish
        return
    if not is_shown(wish):
        yield None
        return
    line = _Line(sys.stderr)
    try:
        yield line.show
    finally:
        line.clear()


def is_shown(wish: object) -> bool:
    """Whether somebody looks at the terminal or notebook, or the pipeline's option says so."""
    if wish is False or callable(wish):
        return False
    return bool(wish) or (sys.stderr is not None and (sys.stderr.isatty() or _in_notebook()))


class _Line:
    """One line that is written over, from half a second on: short runs show nothing."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._from = time.monotonic() + _PATIENCE
        self._width = 0

    def show(self, event: dict[str, Any]) -> None:
        """Show where a run is."""
        if time.monotonic() < self._from:
            return
        text = " · ".join(_copying(event) if "copying" in event else _running(event))
        self._out.write("\r" + text.ljust(self._width))
        self._out.flush()
        self._width = len(text)

    def clear(self) -> None:
        """Leave the line as it was."""
        if self._width:
            self._out.write("\r" + " " * self._width + "\r")
            self._out.flush()


def _running(event: dict[str, Any]) -> list[str]:
    parts = [f"stage {event.get('stage', '?')}/{event.get('stages', '?')}"]
    if event.get("name"):
        parts.append(str(event["name"]))
    if event.get("tasks"):
        parts.append(f"{event.get('tasks_done', 0)}/{event['tasks']} tasks")
    if event.get("rows"):
        parts.append(f"{event['rows']:,} rows")
    return parts


def _copying(event: dict[str, Any]) -> list[str]:
    done = f"{event['bytes_done'] >> 20:,} of " if "bytes_done" in event else ""
    return [f"copying {event['copying']}", f"{done}{event['bytes'] >> 20:,} MB"]


def _in_notebook() -> bool:
    shell = sys.modules.get("IPython")
    running = shell.get_ipython() if shell is not None else None
    return type(running).__name__ == "ZMQInteractiveShell"
