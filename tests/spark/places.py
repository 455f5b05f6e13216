"""Folders for tests of files: on this machine, and in an HDFS that the tests start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class Place(Protocol):
    """A folder."""

    uri: str

    def put(self, name: str, content: bytes) -> str:
        """Write a file, and say where it is."""

    def read(self, name: str) -> bytes:
        """Give the content of a file."""

    def names(self, folder: str = "") -> list[str]:
        """Give the names in a folder, sorted."""


class Local:
    """A folder of this machine, by ``file:`` paths."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.uri = f"file://{folder}"

    def put(self, name: str, content: bytes) -> str:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return f"{self.uri}/{name}"

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def names(self, folder: str = "") -> list[str]:
        return sorted(path.name for path in (self._folder / folder).iterdir())


class Hdfs:
    """A folder in HDFS, by the Hadoop of a SparkContext."""

    def __init__(self, context: Any, uri: str) -> None:
        self._path = context._jvm.org.apache.hadoop.fs.Path
        self._permission = context._jvm.org.apache.hadoop.fs.permission.FsPermission
        self.system = self._path(uri).getFileSystem(context._jsc.hadoopConfiguration())
        self._apache = context._jvm.org.apache.commons.io.IOUtils
        self.uri = uri

    def at(self, name: str) -> Any:
        """Hadoop's path of a name."""
        return self._path(f"{self.uri}/{name}" if name else self.uri)

    def put(self, name: str, content: bytes) -> str:
        stream = self.system.create(self.at(name), True)
        stream.write(bytearray(content))
        stream.close()
        return f"{self.uri}/{name}"

    def read(self, name: str) -> bytes:
        stream = self.system.open(self.at(name))
        try:
            return bytes(self._apache.toByteArray(stream))
        finally:
            stream.close()

    def names(self, folder: str = "") -> list[str]:
        return sorted(status.getPath().getName() for status in self.system.listStatus(self.at(folder)))

    def deny(self, name: str) -> None:
        """Let nobody read a file."""
        self.system.setPermission(self.at(name), self._permission("000"))
