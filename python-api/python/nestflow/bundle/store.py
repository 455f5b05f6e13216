"""A folder on a file system that all machines see: files appear in it whole, and are never written over.

`Local` is a folder that is mounted here. The others are asked by `hadoop`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlparse

if TYPE_CHECKING:
    from typing import BinaryIO

TEMPORARY = ".nestflow-"
"""How the names of files begin that are being written."""

COPIES = "temporary-"
"""How the names of folders begin that are a client's for its files: there are no archives in them."""

STALE = 24 * 3600
"""Seconds after which nobody writes to such a file any more."""

SHARED = 0o1777
"""Rights of folders in which everybody may put files, and remove his own."""

_PART = 1 << 20


class Store(Protocol):
    """Files by relative names; what fails is an ``OSError`` with the whole path."""

    private: bool
    """Whether only this user may read what is put."""

    def uri(self, name: str) -> str:
        """Give the address of a file."""

    def user(self) -> str:
        """Give who this user is there."""

    def size(self, name: str) -> int | None:
        """Give the bytes of a file; None: there is none."""

    def read(self, name: str) -> bytes:
        """Give what a small file holds."""

    def digest(self, name: str) -> str:
        """Give the SHA-256 of a file, by reading it."""

    def check(self, folder: str) -> None:
        """Make sure that a folder is this user's alone, if it is to be; one that is not there is fine.

        Raises:
            PermissionError: others may look into it, or put something there.
        """

    def put(self, name: str, source: str | bytes) -> bool:
        """Write a file, which appears as a whole: bytes, or those of a file. False: there is one already."""

    def remove(self, name: str) -> None:
        """Remove a file; none is fine."""

    def mark(self, name: str) -> None:
        """Give an old file the time of now: it is in use. Some file systems keep the time that it has."""

    def names(self) -> list[tuple[str, float, int]]:
        """Give the files with their times and sizes, but for those in folders that this user may not read."""


def sha256(file: BinaryIO) -> str:
    """Give the SHA-256 of what is left of a file."""
    digest = hashlib.sha256()
    while part := file.read(_PART):
        digest.update(part)
    return digest.hexdigest()


def folder_rights(private: bool, root: str, folder: str) -> int:
    """Give the rights of a folder that is made: in the root of a store, others put their archives too."""
    return 0o700 if private else SHARED if f"{folder}/".startswith(f"{root}/") else 0o755


def not_private(uri: str, owner: str, rights: str) -> PermissionError:
    """Give the error for a folder that others may look into, or whose owner can put something there."""
    return PermissionError(
        f"{uri} holds what only this user may read and write, but belongs to {owner} with the rights "
        f"{rights}: nothing in it is used; remove it, or make it this user's own with the rights 0700"
    )


class Local:
    """A folder of this machine, or one that is mounted here and on all others."""

    def __init__(self, uri: str, private: bool = False) -> None:
        """Name the folder, by a path or a ``file:`` address."""
        parsed = urlparse(uri)
        self._root = os.path.abspath(unquote(parsed.path) if parsed.scheme else uri)
        self.private = private

    def _at(self, name: str) -> str:
        return os.path.join(self._root, name)

    def uri(self, name: str) -> str:
        """Give the address of a file."""
        return f"file://{self._at(name)}"

    def user(self) -> str:
        """Give who this user is there; not every number has a name."""
        return str(os.getuid())

    def size(self, name: str) -> int | None:
        """Give the bytes of a file; None: there is none."""
        try:
            return os.stat(self._at(name)).st_size
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        """Give what a small file holds."""
        with open(self._at(name), "rb") as file:
            return file.read()

    def digest(self, name: str) -> str:
        """Give the SHA-256 of a file."""
        with open(self._at(name), "rb") as file:
            return sha256(file)

    def check(self, folder: str) -> None:
        """Make sure that a folder is this user's alone, if it is to be."""
        if not self.private:
            return
        try:
            state = os.lstat(self._at(folder))
        except FileNotFoundError:
            return
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o777 != 0o700:
            raise not_private(self.uri(folder), str(state.st_uid), stat.filemode(state.st_mode))

    def put(self, name: str, source: str | bytes) -> bool:
        """Write a file, which appears as a whole. False: there is one already."""
        path = self._at(name)
        parent = os.path.dirname(path)
        self._make(parent)
        self.check(os.path.dirname(name))
        _sweep(parent)
        part = os.path.join(parent, f"{TEMPORARY}{uuid.uuid4().hex}")
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                _copy(source, file)
                os.fchmod(file.fileno(), 0o600 if self.private else 0o644)
                file.flush()
                os.fsync(file.fileno())
            return _appear(part, path)
        finally:
            if os.path.exists(part):
                os.unlink(part)

    def _make(self, folder: str) -> None:
        """Make the folders that are missing."""
        if os.path.isdir(folder):
            return
        self._make(os.path.dirname(folder))
        try:
            os.mkdir(folder)
        except FileExistsError:
            return
        os.chmod(folder, folder_rights(self.private, self._root, folder))

    def remove(self, name: str) -> None:
        """Remove a file; none is fine."""
        with suppress(FileNotFoundError):
            os.unlink(self._at(name))

    def mark(self, name: str) -> None:
        """Give an old file the time of now: it is in use."""
        if os.stat(self._at(name)).st_mtime < time.time() - STALE:
            os.utime(self._at(name))

    def names(self) -> list[tuple[str, float, int]]:
        """Give the files with their times and sizes."""
        found = []
        for where, folders, names in os.walk(self._root):
            folders[:] = [folder for folder in folders if not folder.startswith(COPIES)]
            for name in names:
                path = os.path.join(where, name)
                state = os.stat(path)
                found.append((os.path.relpath(path, self._root), state.st_mtime, state.st_size))
        return sorted(found)


def _copy(source: str | bytes, into: BinaryIO) -> None:
    if isinstance(source, bytes):
        into.write(source)
        return
    with open(source, "rb") as file:
        while part := file.read(_PART):
            into.write(part)


def _appear(part: str, path: str) -> bool:
    """Give a file its name, unless another one has it."""
    try:
        os.link(part, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # Without links: whoever else is about to put it has the same bytes, since names go by content.
        if os.path.exists(path):
            return False
        os.rename(part, path)
    return True


def _sweep(folder: str) -> None:
    """Remove what writers that were killed have left."""
    for entry in os.scandir(folder):
        if entry.name.startswith(TEMPORARY):
            with suppress(FileNotFoundError):  # another one sweeps too, or it has its name now
                if entry.stat().st_mtime < time.time() - STALE:
                    os.unlink(entry.path)
