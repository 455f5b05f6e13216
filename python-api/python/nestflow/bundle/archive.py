"""Archives that have the same bytes whenever the files are the same: sorted, without times and owners."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from . import elf

if TYPE_CHECKING:
    from typing import Any, BinaryIO

    from .tree import Tree

FORMAT = 2
"""The layout of archives and manifests; a new one gets new names."""

LIST = ".nestflow-files"
"""The first file of an archive: a line for each other one, with its SHA-256. ``Content.scala`` reads it."""

_LEVEL = 4
"""Of zlib: half again as fast as its default, for archives that are two percent larger."""

_PART = 4 << 20
"""Bytes that are compressed by themselves, so that several threads can do it."""


class Content(NamedTuple):
    """What an archive of a tree holds."""

    key: str
    """The SHA-256 of the list: another one if any byte, name or right to execute is another."""
    unpacked: int
    """The bytes of its files."""
    glibc: str
    """The oldest glibc that its programs and libraries run with."""
    hashes: dict[str, str]
    """The SHA-256 of each file."""
    list: bytes
    """What says so, in the archive itself."""


def content(tree: Tree) -> Content:
    """Read all files of a tree, and say what an archive of it holds.

    Raises:
        ValueError: a name that no list can have.
    """
    lines = [f"{FORMAT} {zlib.ZLIB_RUNTIME_VERSION} {_LEVEL}\n"]
    size, glibc = 0, (2, 0)
    hashes: dict[str, str] = {}
    for name, file in tree.files():
        if "\n" in name or name == LIST:
            raise ValueError(f"{file.path} has a name that no archive can have")
        data = file.read()
        hashes[name] = hashlib.sha256(data).hexdigest()
        lines.append(f"{hashes[name]} {'x' if file.executable else '-'} {name}\n")
        size += len(data)
        if elf.is_elf(data):
            glibc = max(glibc, elf.facts(data).glibc)
    listed = "".join(lines).encode()
    key = hashlib.sha256(listed).hexdigest()
    return Content(key, size + len(listed), f"{glibc[0]}.{glibc[1]}", hashes, listed)


def pack(tree: Tree, known: Content, into: BinaryIO) -> tuple[str, int]:
    """Write the archive of a tree.

    Args:
        tree: the files.
        known: what it holds; of equal files, the later are hard links.
        into: where the archive goes.

    Returns:
        its SHA-256, and its size.

    Raises:
        ValueError: a file has changed meanwhile.
    """
    out = _Gzip(into)
    first: dict[tuple[str, bool], str] = {}
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT) as archive:
        entry = tarfile.TarInfo(LIST)
        entry.size = len(known.list)
        archive.addfile(entry, io.BytesIO(known.list))
        for name, file in tree.files():
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755 if file.executable else 0o644
            same = first.setdefault((known.hashes[name], file.executable), name)
            if same != name:
                entry.type, entry.linkname = tarfile.LNKTYPE, same
                archive.addfile(entry)
                continue
            data = file.read()
            if hashlib.sha256(data).hexdigest() != known.hashes[name]:
                raise ValueError(f"{file.path} has changed while it was packed")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.finish()


class _Gzip(io.RawIOBase):
    """A gzip file of many members, each compressed by a thread."""

    def __init__(self, into: BinaryIO) -> None:
        self._into = into
        self._pool = ThreadPoolExecutor(max_workers=4)
        self._waiting: deque[Future[bytes]] = deque()
        self._part = bytearray()
        self._digest = hashlib.sha256()
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._part += data
        while len(self._part) >= _PART:
            self._send(_PART)
        return len(data)

    def _send(self, size: int) -> None:
        self._waiting.append(self._pool.submit(_member, bytes(self._part[:size])))
        del self._part[:size]
        while len(self._waiting) > 8:
            self._take()

    def _take(self) -> None:
        data = self._waiting.popleft().result()
        self._digest.update(data)
        self._size += len(data)
        self._into.write(data)

    def finish(self) -> tuple[str, int]:
        self._send(len(self._part))
        while self._waiting:
            self._take()
        self._pool.shutdown()
        return self._digest.hexdigest(), self._size


def _member(data: bytes) -> bytes:
    # 31: the header and the end of gzip, with neither a time nor a name.
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()
