"""Files under names: what goes into an archive. Nothing is read before it is packed."""

from __future__ import annotations

import hashlib
import os
import re
from fnmatch import translate
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CACHES = frozenset({"__pycache__"})
"""Folders that Python makes by itself."""


class File(NamedTuple):
    """A file of a tree."""

    path: str
    """Where it is now."""
    executable: bool
    change: Callable[[bytes], bytes] | None
    """What is done to its bytes; the same function of the same bytes always gives the same."""

    def read(self) -> bytes:
        """Give its bytes."""
        with open(self.path, "rb") as file:
            data = file.read()
        return data if self.change is None else self.change(data)


class Tree:
    """Files by name; a name is a relative path with slashes."""

    def __init__(self) -> None:
        """Begin without files."""
        self._files: dict[str, File] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def add(self, name: str, path: str, change: Callable[[bytes], bytes] | None = None) -> None:
        """Add a file, or what a link leads to; the first of a name stays."""
        self._files.setdefault(name, File(path, os.access(path, os.X_OK), change))

    def add_folder(
        self,
        name: str,
        path: str,
        without: Iterable[str] = (),
        not_inside: Iterable[str] = (),
        change: Callable[[str], Callable[[bytes], bytes] | None] = lambda path: None,
    ) -> None:
        """Add the files of a folder and of those in it, links followed, caches of Python left out.

        Args:
            name: the folder in the tree; "" is its root.
            path: the folder now.
            without: names of folders that are left out, at any depth, and of files up to their first dot.
            not_inside: paths in the folder that are left out, as patterns.
            change: gives for a path what is to be done to that file.
        """
        left_out = CACHES | frozenset(without)
        unwanted = re.compile("|".join(map(translate, not_inside)) or "(?!)").match
        for where, folders, names in _walk(path):
            inside = os.path.relpath(where, path).removeprefix(".")
            folders[:] = [
                each for each in folders if each not in left_out and not unwanted(os.path.join(inside, each))
            ]
            for file in names:
                whole = os.path.join(where, file)
                if file.split(".")[0] in left_out or unwanted(os.path.join(inside, file)):
                    continue
                if os.path.isfile(whole):
                    self.add(os.path.join(name, inside, file), whole, change(whole))

    def files(self) -> Iterator[tuple[str, File]]:
        """Give names and files, sorted by name."""
        yield from sorted(self._files.items())

    def stamp(self) -> str:
        """Give a text that is another one if a file may have changed, without reading any."""
        digest = hashlib.sha256()
        for name, file in self.files():
            state = os.stat(file.path)
            what = (name, file.path, file.executable, file.change is None, state.st_size, state.st_mtime_ns)
            digest.update(repr(what).encode())
        return digest.hexdigest()


def _walk(path: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk as `os.walk` does, links followed except those that lead back to a folder on the way."""
    ways: dict[str, tuple[str, ...]] = {path: (os.path.realpath(path),)}
    for where, folders, names in os.walk(path, followlinks=True):
        way = ways.pop(where)
        for folder in list(folders):
            whole = os.path.join(where, folder)
            real = os.path.realpath(whole) if os.path.islink(whole) else os.path.join(way[-1], folder)
            if real in way:
                folders.remove(folder)
            ways[whole] = (*way, real)
        yield where, folders, names
