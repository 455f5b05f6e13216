"""Kits of resources and hooks, where engines need them: their folder, and their use in this process."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..host import pickles
from ..host.surroundings import Around

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import Kit


def kits() -> str:
    """Give the folder of this process's kits; it goes with the process."""
    return os.path.join(pickles.folder(), "kits")


@contextmanager
def here(kit: Kit) -> Iterator[Around]:
    """Make this process what a worker would be while functions run in it.

    The current directory stays: it is not one thread's own. Hooks are called here, by this thread.
    """
    around = Around(kit.folder, kit.name)
    around.enter()
    try:
        around.begin()
        yield around
    finally:
        # Where the run came to its end, nothing is left to do.
        around.end()
