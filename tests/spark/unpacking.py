"""Archives for tests, and processes that unpack them as executors do."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

from nestflow.bundle.archive import LIST
from nestflow.engine.spark.jars import jar_for

PROGRAM = Path(__file__).parent / "unpack" / "Unpack.java"


class Archive(NamedTuple):
    """An archive, and what its manifest would say."""

    path: Path
    sha256: str
    key: str
    unpacked: int
    name: str = "thing"

    def changed(self, **values: Any) -> Archive:
        return self._replace(**values)


def packed(path: Path, entries: list[tarfile.TarInfo | tuple[str, bytes]]) -> Archive:
    """Make an archive of files, or of entries of any kind; its list says what the files hold."""
    files = [entry for entry in entries if not isinstance(entry, tarfile.TarInfo)]
    lines = [f"{hashlib.sha256(data).hexdigest()} - {name}\n" for name, data in files]
    listed = "".join(["the format\n", *lines]).encode()
    size = 0
    with tarfile.open(path, "w:gz") as archive:
        for entry in [(LIST, listed), *entries]:
            if isinstance(entry, tarfile.TarInfo):
                archive.addfile(entry)
                continue
            name, data = entry
            file = tarfile.TarInfo(name)
            file.size = len(data)
            size += len(data)
            archive.addfile(file, io.BytesIO(data))
    key = hashlib.sha256(listed).hexdigest()
    return Archive(path, hashlib.sha256(path.read_bytes()).hexdigest(), key, size)


class Unpacker:
    """A process that unpacks archives."""

    def __init__(self, classes: Path) -> None:
        """Start it; `compiled` says where its program is."""
        options = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command = ["java", *options, "-cp", f"{_class_path()}:{classes}", "Unpack"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().removesuffix("\n")

    def begin(self, archive: Archive, cache: Path, brought: Path | str = "") -> None:
        """Let it unpack an archive, or take one that lies unpacked somewhere; it is about to."""
        assert self.process.stdin is not None
        words = [archive.name, f"file://{archive.path}", archive.sha256, archive.key, str(archive.unpacked)]
        words += [str(cache), str(brought)]
        print("\t".join(words), file=self.process.stdin, flush=True)
        assert self._line() == "ready"

    def end(self) -> tuple[bool, str]:
        """Wait for it: whether it worked, and the folder or the error."""
        what, _, text = self._line().partition("\t")
        return what == "there", text

    def unpack(self, archive: Archive, cache: Path, brought: Path | str = "") -> tuple[bool, str]:
        """Do so: whether that worked, and the folder or the error."""
        self.begin(archive, cache, brought)
        return self.end()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.communicate()


def compiled(folder: Path) -> Path:
    """Compile the program into a folder, and give that."""
    subprocess.run(["javac", "-cp", _class_path(), "-d", str(folder), str(PROGRAM)], check=True)
    return folder


def _class_path() -> str:
    home = os.environ["SPARK_HOME"]
    return f"{home}/jars/*:{jar_for(home)}"
