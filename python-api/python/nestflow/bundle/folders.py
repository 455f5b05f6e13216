"""Folders of this machine's cache: filled once, and forgotten when nobody has asked for them for long.

A folder never changes once it is filled, and is not renamed: others may be packing it. One that is filled
anew is another folder, and a link says which one a name means.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from typing import TYPE_CHECKING

from .prepared import folder

if TYPE_CHECKING:
    from collections.abc import Callable

_LINK = ".now"
"""How the names of links end."""

_KEPT = 6
"""Folders of each kind that stay, however long nobody has asked for them."""

_UNUSED = 24 * 3600
"""Seconds after which nobody packs a folder that was asked for."""


def once(kind: str, key: str, make: Callable[[str], None], again: bool = False) -> str:
    """Give a folder of the cache, made by whoever is the first.

    Args:
        kind: the first part of its name; folders of a kind make room for each other.
        key: the second, which says what is in it.
        make: fills it.
        again: fill it anew in any case.
    """
    link = os.path.join(folder(), f"{kind}-{key}{_LINK}")
    with open(link.removesuffix(_LINK) + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if again or not os.path.isdir(link):
            made = _new(link.removesuffix(_LINK))
            try:
                make(made)
            except BaseException:
                shutil.rmtree(made, ignore_errors=True)
                raise
            # The name changes at once, and whoever has looked it up before has the other folder.
            os.symlink(os.path.basename(made), f"{made}{_LINK}")
            os.replace(f"{made}{_LINK}", link)
        found = os.path.realpath(link)
        os.utime(found)
    _forget(kind)
    return found


def _new(name: str) -> str:
    """Make a folder of a name and a number."""
    made = f"{name}-{uuid.uuid4().hex}"
    os.mkdir(made, 0o700)
    return made


def _forget(kind: str) -> None:
    """Remove the folders that nobody has asked for the longest, those of killed processes too."""
    folders = [
        entry
        for entry in os.scandir(folder())
        if entry.name.startswith(f"{kind}-") and entry.is_dir(follow_symlinks=False)
    ]
    for entry in sorted(folders, key=_used)[:-_KEPT]:
        name = entry.path.rpartition("-")[0]
        with open(f"{name}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if _used(entry) > time.time() - _UNUSED:
                continue
            for link in (f"{name}{_LINK}", f"{entry.path}{_LINK}"):
                if os.path.realpath(link) == os.path.realpath(entry.path):
                    os.unlink(link)
            shutil.rmtree(entry.path, ignore_errors=True)


def _used(entry: os.DirEntry[str]) -> float:
    try:
        return os.stat(entry.path).st_mtime
    except FileNotFoundError:  # another process forgets it too
        return 0
