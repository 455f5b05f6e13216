"""Copies of far files: what a run reads, and what it need not copy again."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from ...errors import NestflowHDFSException
from .paths import FarPath, far_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeVar

    from .client import Client, Watch

    T = TypeVar("T")
    Step = Callable[[int, int], None]
    """Told again and again how many bytes have come, and how many are to come; may raise."""

_MANY = 200
"""Files that the client is asked for at a time: a command line has an end."""


class Listed(NamedTuple):
    """A far file as it was when it was looked at."""

    path: FarPath
    size: int
    time: str


class Copies:
    """Copies in a folder, until that goes."""

    def __init__(self, client: Client, folder: str) -> None:
        """Take a folder, which is there."""
        self._client = client
        self._folder = folder
        self._held: dict[FarPath, tuple[Listed, str]] = {}
        self._made = 0

    def bring(self, files: Iterable[Listed], step: Step) -> None:
        """Copy what is not here as it is there now."""
        wanted = [file for file in files if self._copy_of(file) is None]
        done, total = 0, sum(file.size for file in wanted)
        for group in _groups(wanted):
            self._copy(group, lambda here, done=done: step(done + here, total))  # type: ignore[misc]
            done += sum(file.size for file in group)

    def lay(self, files: Iterable[Listed], tree: str) -> None:
        """Have a tree hold the files; one that is not here is as long as it should be, without content."""
        for file in files:
            place = file.path.inside(tree)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            copy = self._copy_of(file)
            if copy is not None:
                os.symlink(copy, place)
                continue
            with open(place, "wb") as empty:
                empty.truncate(file.size)

    def _copy_of(self, file: Listed) -> str | None:
        held = self._held.get(file.path)
        return held[1] if held is not None and held[0] == file else None

    def _copy(self, files: list[Listed], arrived: Callable[[int], None]) -> None:
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            sources = [file.path.exactly() for file in files]
            self._client.run("get", *sources, ".", cwd=folder, watch=lambda: arrived(_bytes_in(folder)))
            for file in files:
                self._hold(file, os.path.join(folder, file.path.name))

    def _hold(self, file: Listed, copy: str) -> None:
        size = os.path.getsize(copy)
        if size != file.size:
            raise NestflowHDFSException(
                f"{file.path} has changed while it was copied: it had {file.size} bytes, and {size} came"
            )
        self._made += 1
        place = os.path.join(self._folder, f"copy-{self._made}")
        os.rename(copy, place)
        old = self._held.get(file.path)
        self._held[file.path] = (file, place)
        if old is not None:
            os.unlink(old[1])


def listed(client: Client, paths: Iterable[FarPath], watch: Watch) -> list[Listed]:
    """Give the files that paths mean, each once, those in a directory too, but for hidden ones.

    Raises:
        NestflowHDFSException: nothing is there, or it must not be seen.
    """
    by_system: dict[str, list[FarPath]] = {}
    for path in paths:
        by_system.setdefault(path.system, []).append(path)
    names = [
        name for wanted in by_system.values() for some in _cut(wanted) for name in _names(client, some, watch)
    ]
    return [file for some in _cut(list(dict.fromkeys(names))) for file in _files(client, some, watch)]


def _names(client: Client, wanted: Sequence[FarPath], watch: Watch) -> list[FarPath]:
    """What the client finds, in directories too, in one file system."""
    text = client.run("ls", "-C", *(path.as_pattern() for path in wanted), watch=watch)
    found = [far_path(line) for line in text.splitlines()]
    # As the user wrote it: the client may add the host of an address without one.
    names = [wanted[0]._replace(path=path.path) for path in found if path is not None]
    if any(path.is_hidden for path in wanted):
        return names
    return [path for path in names if not path.is_hidden]


def _files(client: Client, names: Sequence[FarPath], watch: Watch) -> Iterator[Listed]:
    text = client.run("stat", "%b %Y %F", *(path.exactly() for path in names), watch=watch)
    for path, line in zip(names, text.splitlines(), strict=True):
        size, time, kind = line.split(" ", 2)
        if kind != "directory":
            yield Listed(path, int(size), time)


def _groups(files: Iterable[Listed]) -> Iterator[list[Listed]]:
    """Files that can lie in one directory: no two of one name."""
    groups: dict[FarPath, list[Listed]] = {}
    for file in files:
        groups.setdefault(file.path.parent, []).append(file)
    for group in groups.values():
        yield from _cut(group)


def _cut(things: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(things), _MANY):
        yield things[start : start + _MANY]


def _bytes_in(folder: str) -> int:
    with os.scandir(folder) as entries:
        return sum(_size(entry) for entry in entries)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except FileNotFoundError:
        return 0  # the client has just given it its name
