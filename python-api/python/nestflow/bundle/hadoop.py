"""A folder on any file system that Hadoop knows, asked through a JVM that has Hadoop's classes.

Where a file can be given another name at once, it appears by that; in a store of objects, it is there
only when it was written to its end.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import urlparse

from .store import COPIES, SHARED, STALE, TEMPORARY, folder_rights, not_private, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_P = ParamSpec("_P")
_R = TypeVar("_R")

_OBJECTS = frozenset({"s3", "s3a", "s3n", "gs", "oss", "cos", "cosn", "obs", "wasb", "wasbs", "o3fs"})
"""Schemes where a change of name is a copy."""

_OWNED = frozenset({"hdfs", "webhdfs", "swebhdfs", "viewfs"})
"""Schemes whose folders have the owner and the rights that they tell; others make them up."""


def _said(ask: Callable[_P, _R]) -> Callable[_P, _R]:
    """What Java throws becomes an ``OSError`` with its first line, and with the place."""

    @wraps(ask)
    def asked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            return ask(*args, **kwargs)
        except Exception as error:
            thrown = getattr(error, "java_exception", None)
            if thrown is None:
                raise
            text = str(thrown.getMessage() or thrown.toString()).split("\n")[0]
            if "access=WRITE" in text:
                text += (
                    f"; its owner can let others add files, but remove only their own: the rights {SHARED:o}"
                )
            raise OSError(f"{args[0].root}: {text}") from error  # type: ignore[attr-defined]

    return asked


def _thrown(error: Exception) -> str | None:
    """The class of what Java threw."""
    thrown = getattr(error, "java_exception", None)
    return None if thrown is None else str(thrown.getClass().getSimpleName())


class Hadoop:
    """A folder by its address."""

    def __init__(self, jvm: Any, configuration: Any, uri: str, private: bool = False) -> None:
        """Name the folder; `jvm` is a view of a JVM as PySpark has it, with a configuration of Hadoop's."""
        self.root = uri.rstrip("/")
        self.private = private
        self._fs = jvm.org.apache.hadoop.fs
        self._jvm, self._configuration = jvm, configuration
        self._objects = urlparse(uri).scheme in _OBJECTS
        self._owned = urlparse(uri).scheme in _OWNED

    @property
    def _system(self) -> Any:
        return self._fs.Path(f"{self.root}/").getFileSystem(self._configuration)

    def _at(self, name: str) -> Any:
        return self._fs.Path(f"{self.root}/{name}")

    @_said
    def uri(self, name: str) -> str:
        """Give the address of a file."""
        return str(self._system.makeQualified(self._at(name)).toString())

    @_said
    def user(self) -> str:
        """Give who this user is there."""
        users = self._jvm.org.apache.hadoop.security.UserGroupInformation
        return str(users.getCurrentUser().getShortUserName())

    def _status(self, name: str) -> Any:
        system, path = self._system, self._at(name)
        try:
            return system.getFileStatus(path)
        except Exception as error:
            if _thrown(error) == "FileNotFoundException":
                return None
            raise

    @_said
    def size(self, name: str) -> int | None:
        """Give the bytes of a file; None: there is none."""
        status = self._status(name)
        return None if status is None else int(status.getLen())

    @_said
    def read(self, name: str) -> bytes:
        """Give what a small file holds."""
        with tempfile.TemporaryDirectory() as folder, open(self._fetched(name, folder), "rb") as file:
            return file.read()

    @_said
    def digest(self, name: str) -> str:
        """Give the SHA-256 of a file."""
        with tempfile.TemporaryDirectory() as folder, open(self._fetched(name, folder), "rb") as file:
            return sha256(file)

    def _fetched(self, name: str, folder: str) -> str:
        path = os.path.join(folder, "file")
        self._system.copyToLocalFile(False, self._at(name), self._fs.Path(f"file://{path}"), True)
        return path

    @_said
    def check(self, folder: str) -> None:
        """Make sure that a folder is this user's alone, if it is to be, as far as the file system knows."""
        status = self._status(folder) if self.private and self._owned else None
        if status is None:
            return
        user = self.user()
        owner, rights = str(status.getOwner()), str(status.getPermission().toString())
        if not status.isDirectory() or owner != user or rights != "rwx------":
            raise not_private(self.uri(folder), owner, rights)

    @_said
    def put(self, name: str, source: str | bytes) -> bool:
        """Write a file, which appears as a whole. False: there is one already."""
        if self._status(name) is not None:
            return False
        system = self._system
        self._make(system, self._at(name).getParent())
        self.check(name.rpartition("/")[0])
        if isinstance(source, bytes):
            with tempfile.NamedTemporaryFile() as file:
                file.write(source)
                file.flush()
                return self._put(system, name, file.name)
        return self._put(system, name, source)

    def _put(self, system: Any, name: str, source: str) -> bool:
        path = self._at(name)
        local = self._fs.Path(f"file://{source}")
        if self._objects:
            system.copyFromLocalFile(False, True, local, path)
            return True
        part = self._fs.Path(path.getParent(), f"{TEMPORARY}{uuid.uuid4().hex}")
        try:
            system.copyFromLocalFile(False, True, local, part)
            system.setPermission(part, self._rights("600" if self.private else "644"))
            return self._appear(system, part, path)
        finally:
            system.delete(part, False)

    def _appear(self, system: Any, part: Any, path: Any) -> bool:
        """Give a file its name, unless another one has it."""
        never = self._jvm.java.lang.reflect.Array.newInstance(
            self._jvm.java.lang.Class.forName("org.apache.hadoop.fs.Options$Rename"), 0
        )
        try:
            # Here an address has to say where: one such as hdfs:///tmp is of the default file system.
            whole = system.makeQualified(path)
            context = self._fs.FileContext.getFileContext(whole.toUri(), self._configuration)
            context.rename(system.makeQualified(part), whole, never)
        except Exception as error:
            if _thrown(error) == "UnsupportedFileSystemException":
                return self._appear_plainly(system, part, path)
            if system.exists(path):
                return False
            raise
        return True

    def _appear_plainly(self, system: Any, part: Any, path: Any) -> bool:
        """Do so where only Hadoop's older interface knows the scheme, which replaces on some systems."""
        # Whoever else is about to put it has the same bytes, since names go by content.
        if system.exists(path):
            return False
        if not system.rename(part, path):
            if system.exists(path):
                return False
            raise OSError(f"{part} cannot be renamed to {path}")
        return True

    def _make(self, system: Any, folder: Any) -> None:
        """Make the folders that are missing, and sweep the last one."""
        if system.exists(folder):
            self._sweep(system, folder)
            return
        if folder.getParent() is not None:
            self._make(system, folder.getParent())
        system.mkdirs(folder)
        if self._objects:
            return
        rights = folder_rights(self.private, self.root, folder.toString())
        try:
            system.setPermission(folder, self._rights(f"{rights:o}"))
        except Exception as error:
            if _thrown(error) != "AccessControlException":
                raise
            # Somebody else has made it meanwhile.

    def _sweep(self, system: Any, folder: Any) -> None:
        """Remove what writers that were killed have left."""
        for status in system.listStatus(folder):
            old = status.getModificationTime() < (time.time() - STALE) * 1000
            if old and status.getPath().getName().startswith(TEMPORARY):
                system.delete(status.getPath(), False)

    def _rights(self, octal: str) -> Any:
        return self._fs.permission.FsPermission(octal)

    @_said
    def remove(self, name: str) -> None:
        """Remove a file; none is fine."""
        self._system.delete(self._at(name), False)

    @_said
    def mark(self, name: str) -> None:
        """Give an old file the time of now: it is in use."""
        now = int(time.time() * 1000)
        if self._status(name).getModificationTime() < now - STALE * 1000:
            self._system.setTimes(self._at(name), now, -1)

    @_said
    def names(self) -> list[tuple[str, float, int]]:
        """Give the files with their times and sizes."""
        return sorted(self._listed(self._system, self._fs.Path(f"{self.root}/"), ""))

    def _listed(self, system: Any, folder: Any, name: str) -> Iterator[tuple[str, float, int]]:
        """Give those of a folder and of the folders in it which this user may read."""
        try:
            found = system.listStatus(folder)
        except Exception as error:
            if name and _thrown(error) == "AccessControlException":
                return
            raise
        for status in found:
            inside = name + status.getPath().getName()
            if not status.isDirectory():
                yield inside, status.getModificationTime() / 1000, int(status.getLen())
            elif not inside.startswith(COPIES):
                yield from self._listed(system, status.getPath(), f"{inside}/")
