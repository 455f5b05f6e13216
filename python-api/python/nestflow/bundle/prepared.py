"""Archives that can be made here, and the cache of this machine: what was made once is not made again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from . import archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .tree import Tree

_KEPT = 6
"""Archives that the cache holds."""


class Archive(NamedTuple):
    """An archive on this machine."""

    path: str
    sha256: str
    bytes: int


class Prepared(NamedTuple):
    """An archive that is known by name, and made when it is needed."""

    name: str
    """With the key of its content; without an ending."""
    facts: dict[str, object]
    """What its manifest says besides hash and size of the archive."""
    tree: Callable[[], Tree]
    """Gives all of its files."""

    def archive(self, again: bool = False) -> Archive:
        """Give the archive, made now if this machine does not have it.

        Args:
            again: make it in any case.
        """
        path = os.path.join(folder(), f"{self.name}.tar.gz")
        with _alone(self.name):
            if again or not os.path.exists(path + ".json"):
                self._build(path)
            with open(path + ".json", "rb") as file:
                sha256, size = json.load(file)
            os.utime(path + ".json")
        return Archive(path, sha256, size)

    def made(self) -> Archive | None:
        """Give the archive, if this machine has it."""
        path = os.path.join(folder(), f"{self.name}.tar.gz")
        try:
            with open(path + ".json", "rb") as file:
                return Archive(path, *json.load(file))
        except FileNotFoundError:
            return None

    def _build(self, path: str) -> None:
        _forget_old()
        tree = self.tree()
        found = archive.content(tree)
        if found.key[:16] != self.name[-16:]:
            raise ValueError(f"files of {self.name} have changed while it was made")
        with open(path + ".part", "wb") as file:
            made = archive.pack(tree, found, file)
        os.replace(path + ".part", path)
        _write(path + ".json", made)


def prepare(
    kind: str, platform: str, tree: Tree, finish: Callable[[], None] | None, facts: dict[str, object]
) -> Prepared:
    """Give the archive of some files.

    Args:
        kind: the first part of its name.
        platform: the second.
        tree: the files.
        finish: adds those that follow from them, such as the libraries that programs are linked to.
        facts: what the manifest is to say.
    """
    done = False

    def whole() -> Tree:
        nonlocal done
        if finish is not None and not done:
            finish()
        done = True
        return tree

    stamp = hashlib.sha256(f"{archive.FORMAT} {tree.stamp()} {_loader()}".encode()).hexdigest()
    path = os.path.join(folder(), f"{stamp[:32]}.stamp")
    if os.path.exists(path):
        with open(path, "rb") as file:
            known = json.load(file)
    else:
        found = archive.content(whole())
        known = {
            "key": found.key,
            "unpacked": found.unpacked,
            "files": len(found.hashes),
            "glibc": found.glibc,
        }
        known["library"] = found.hashes.get("lib/libnestflow_jni.so")
        _write(path, known)
    name = f"{kind}-{platform}-{known['key'][:16]}"
    return Prepared(name, {"format": archive.FORMAT, "platform": platform, **facts, **known}, whole)


def folder() -> str:
    """Give the folder of this machine's cache: that of the user, whom nobody else looks into.

    Who has no home to write to, as containers on nodes do, has one among the temporary files.

    Raises:
        OSError: somebody else can write there.
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    path = os.path.join(base, "nestflow", "bundles")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        if os.access(path, os.W_OK):
            return path
    except OSError:
        pass
    path = os.path.join(tempfile.gettempdir(), f"nestflow-cache-{os.getuid()}")
    os.makedirs(path, mode=0o700, exist_ok=True)
    state = os.lstat(path)
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise PermissionError(f"others may write to {path}: nothing in it is used")
    return path


def _loader() -> float:
    """When the system's libraries have changed last."""
    try:
        return os.stat("/etc/ld.so.cache").st_mtime
    except OSError:
        return 0


@contextmanager
def _alone(name: str) -> Iterator[None]:
    with open(os.path.join(folder(), f"{name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: str, value: object) -> None:
    part = f"{path}.{os.getpid()}"
    with open(part, "w") as file:
        json.dump(value, file)
    os.replace(part, path)


def _forget_old() -> None:
    """Remove the archives that nobody has asked for the longest."""
    places = [entry for entry in os.scandir(folder()) if entry.name.endswith(".tar.gz.json")]
    for entry in sorted(places, key=lambda entry: entry.stat().st_mtime)[: -_KEPT + 1]:
        for path in (entry.path, entry.path.removesuffix(".json")):
            if os.path.exists(path):
                os.unlink(path)
