"""What the processes that run a pipeline's functions find around them: files, modules, hooks.

Here, what a pipeline was told is put into a kit: files by the hash of what they hold, and a list that
says what each is for. A kit that is the same again has the same name, so that nothing is sent twice.
The other half, which unpacks kits, is `host/surroundings.py`. Must not know engines.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import warnings
from typing import TYPE_CHECKING, NamedTuple

from .errors import NestflowRuntimeException
from .functions import needs_arguments, ship_function
from .host.surroundings import ARCHIVES, resource
from .plan.callsite import call_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Fetch = Callable[[str, str], None]

__all__ = ["ARCHIVES", "Kit", "Surroundings", "resource"]

_PYTHON = (".py", ".pyc", ".egg")
_lock = threading.Lock()
# What a file held when it was last looked at: by path, its stamp and the name of the copy.
_seen: dict[tuple[str, bool], tuple[tuple[int, int, int], str]] = {}


class Kit(NamedTuple):
    """A kit in a folder of this process: a list of its own, and the files that the list names."""

    name: str
    folder: str
    files: tuple[str, ...]
    ends: bool
    """Whether its processes have something to do before they end."""


class _File(NamedTuple):
    source: str | bytes
    kind: str
    executable: bool


class Surroundings:
    """What a pipeline was told to bring along."""

    def __init__(self) -> None:
        """Bring nothing."""
        self._files: dict[str, _File] = {}
        self._hooks: dict[str, dict[str, bytes]] = {"init": {}, "fini": {}}

    def add_file(self, source: str | bytes, target: str | None, executable: bool, from_bytes: bool) -> None:
        """Bring a file, or bytes as a file."""
        what = "add_file"
        if from_bytes:
            if not isinstance(source, (bytes, bytearray)) or not target:
                raise ValueError(f"{what} with from_bytes needs bytes and a resource_path")
            self._add(target, _File(bytes(source), "file", executable), what)
            return
        path = os.fspath(source)
        if not isinstance(path, str):
            raise ValueError(f"{what} needs the path of a file, or from_bytes=True")
        if _is_remote(path):
            if executable:
                _warn(what, f"executable is ignored for {path}")
            self._add(target or os.path.basename(path), _File(path, "file", False), what)
            return
        if not os.path.isfile(path):
            raise ValueError(f"{what}: there is no file {path!r}")
        self._add(target or os.path.basename(path), _File(os.path.abspath(path), "file", executable), what)

    def add_directory(self, folder: str, target: str, only_python: bool) -> None:
        """Bring the files below a directory, but for hidden ones."""
        if not os.path.isdir(folder):
            raise ValueError(f"add_directory: {folder!r} is no directory")
        for path in _below(folder):
            if only_python and not path.endswith(_PYTHON):
                continue
            name = os.path.join(target, os.path.relpath(path, folder))
            executable = os.access(path, os.X_OK)
            self._add(name, _File(os.path.abspath(path), "file", executable), "add_directory")

    def add_egg_file(self, path: str) -> None:
        """Bring an egg, a wheel, a zip or a directory of modules, to be imported from."""
        name = os.path.basename(os.path.abspath(path))
        if os.path.isdir(path):
            self.add_directory(path, name, False)
            self._add(f"{name}/", _File("", "import", False), "add_egg_file")
        elif os.path.isfile(path):
            self._add(name, _File(os.path.abspath(path), "egg", False), "add_egg_file")
        else:
            raise ValueError(f"add_egg_file: there is no {path!r}")

    def add_archive(self, path: str, target: str) -> None:
        """Bring an archive, to be found unpacked."""
        if not os.path.basename(path).endswith(ARCHIVES):
            raise ValueError(f"add_archive: {path!r} is not one of {', '.join(ARCHIVES)}")
        if not _is_remote(path) and not os.path.isfile(path):
            raise ValueError(f"add_archive: there is no file {path!r}")
        source = path if _is_remote(path) else os.path.abspath(path)
        self._add(target, _File(source, "archive", False), "add_archive")

    def set_hook(self, when: str, name: str, function: Callable[[], object]) -> None:
        """Have a function called in each process: `init`, when it starts; `fini`, before it ends."""
        if not callable(function) or needs_arguments(function):
            raise ValueError(f"set_{when}_hook needs a function without arguments, not {function!r:.100}")
        self._hooks[when][str(name)] = ship_function(function, f"{when} hook").pickled

    def pack(
        self,
        fetch: Fetch,
        folder: str,
        modules: dict[str, bytes] | None = None,
        libraries: dict[str, str] | None = None,
    ) -> Kit | None:
        """Make the kit; None: there is nothing to bring.

        Args:
            fetch: copies what lies at a URI to a path of this machine.
            folder: where kits lie.
            modules: archives of modules that are to be found where none of that name is installed.
            libraries: paths of native libraries, by where they are to be found.
        """
        entries = [
            [_stored(folder, file, fetch) if file.kind != "import" else "", target, file.kind]
            for target, file in sorted(self._files.items())
        ]
        entries += [[_put(folder, data, False), name, "modules"] for name, data in (modules or {}).items()]
        entries += [
            [_copied(folder, path, False), target, "file"]
            for target, path in sorted((libraries or {}).items())
        ]
        hooks = {
            when: [[name, _put(folder, pickled, False)] for name, pickled in sorted(hooks.items())]
            for when, hooks in self._hooks.items()
        }
        if not entries and not any(hooks.values()):
            return None
        name = _put(folder, json.dumps({"entries": entries, **hooks}).encode(), False)
        files = {name, *(entry[0] for entry in entries if entry[0])}
        files.update(stored for hook in hooks.values() for _, stored in hook)
        return Kit(name, folder, tuple(sorted(files)), bool(hooks["fini"]))

    def _add(self, target: str, file: _File, what: str) -> None:
        name = os.path.normpath(target) if isinstance(target, str) and target else ""
        if not name or name == "." or name.startswith("..") or os.path.isabs(name):
            raise ValueError(f"{what}: the path of a resource is relative and inside, not {target!r}")
        if target.endswith("/") and file.kind == "import":
            name += "/"
        if name in self._files:
            _warn(what, f"there is a resource {name!r} already; this one is ignored")
            return
        self._files[name] = file


def _warn(what: str, message: str) -> None:
    site = call_site(what)
    warnings.warn_explicit(f"{what}: {message}", UserWarning, site.file, site.line)


def _below(folder: str) -> Iterator[str]:
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield os.path.join(where, name)


def _is_remote(path: str) -> bool:
    return "://" in path


def _stored(folder: str, file: _File, fetch: Fetch) -> str:
    """The name of the copy of a file in the folder of kits."""
    if isinstance(file.source, bytes):
        return _put(folder, file.source, file.executable)
    if _is_remote(file.source):
        path = os.path.join(folder, f"fetched-{hashlib.sha256(file.source.encode()).hexdigest()}")
        if not os.path.exists(path):
            os.makedirs(folder, exist_ok=True)
            fetch(file.source, path)
        return _copied(folder, path, file.executable)
    return _copied(folder, file.source, file.executable)


def _copied(folder: str, path: str, executable: bool) -> str:
    try:
        state = os.stat(path)
        stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
        known = _seen.get((path, executable))
        if known is not None and known[0] == stamp and os.path.exists(os.path.join(folder, known[1])):
            return known[1]
        with open(path, "rb") as file:
            digest = hashlib.sha256()
            while part := file.read(1 << 20):
                digest.update(part)
    except OSError as error:
        raise NestflowRuntimeException(f"a resource cannot be read: {error}") from error
    name = _name(digest.hexdigest(), executable)
    import shutil

    _place(folder, name, executable, lambda part: shutil.copyfile(path, part))
    _seen[path, executable] = (stamp, name)
    return name


def _put(folder: str, data: bytes, executable: bool) -> str:
    name = _name(hashlib.sha256(data).hexdigest(), executable)

    def write(part: str) -> None:
        with open(part, "wb") as file:
            file.write(data)

    _place(folder, name, executable, write)
    return name


def _name(digest: str, executable: bool) -> str:
    return f"nestflow-kit-{digest}{'x' if executable else ''}"


def _place(folder: str, name: str, executable: bool, write: Callable[[str], object]) -> None:
    path = os.path.join(folder, name)
    with _lock:
        if os.path.exists(path):
            return
        os.makedirs(folder, exist_ok=True)
        write(path + ".part")
        os.chmod(path + ".part", 0o500 if executable else 0o400)
        os.replace(path + ".part", path)
