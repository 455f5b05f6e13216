"""Unpacks a kit where functions run: files in a directory of the process's own, modules, hooks.

`nestflow/resources.py` makes kits. What takes long, such as an archive, is unpacked once for all
processes that find the kit in the same folder. Must not leave files behind in good order. Plans are built
with it imported: all that it needs to unpack is imported there.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nestflow.host.errors import Failure

VARIABLE = "NESTFLOW_KIT"
"""The variable that names a worker's kit, and the folders where it may be."""

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip", ".jar")
"""How the names of archives end that can be unpacked."""

_PREFIX = "nestflow-worker-"
"""How the name of a process's directory begins; its number follows."""

# Directories of resources in this process, the latest last.
_directories: list[str] = []


def resource(path: str) -> str:
    """Give the full path of a resource, in a function that a pipeline runs.

    In a worker the relative path does as well; a function that may run in the process of the
    program (``host="in_process"``) needs this.

    Args:
        path: the path under which `Pipeline.add_file` or its like made it known.

    Raises:
        FileNotFoundError: there is no such resource here.

    Example:
        >>> resource("never added")
        Traceback (most recent call last):
        FileNotFoundError: there is no resource 'never added'
    """
    for directory in reversed(_directories):
        found = os.path.join(directory, path)
        if os.path.exists(found):
            return found
    raise FileNotFoundError(f"there is no resource {path!r}")


def _sweep(folder: str) -> None:
    """Remove the directories of processes that were killed."""
    import shutil

    for name in os.listdir(folder):
        process = name.removeprefix(_PREFIX).partition("-")[0]
        if name.startswith(_PREFIX) and process.isdigit() and _is_gone(int(process)):
            shutil.rmtree(os.path.join(folder, name), ignore_errors=True)


def _is_gone(process: int) -> bool:
    if os.name != "posix":  # there, asking is ending
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


class Around:
    """A kit that is in use by this process."""

    def __init__(self, folder: str, name: str) -> None:
        """Unpack the kit of that name in a folder. Nothing of it runs yet."""
        import tempfile

        with open(os.path.join(folder, name), "rb") as file:
            self._kit: dict[str, list[Any]] = json.load(file)
        self._folder = folder
        self._paths: list[str] = []
        self.failure: Failure | None = None
        """What went wrong in the hooks at the start."""
        self._entered = False
        self.directory: str | None = None
        """Where the resources are; None: there are none."""
        if any(kind in ("file", "archive", "import") for _, _, kind in self._kit["entries"]):
            _sweep(folder)
            self.directory = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=folder)
        for entry in self._kit["entries"]:
            self._unpack(*entry)

    def enter(self) -> None:
        """Let functions find it."""
        directory = [self.directory] if self.directory else []
        self._entered = True
        sys.path[:0] = [*directory, *self._paths]
        _directories.extend(directory)

    def leave(self) -> None:
        """Undo `enter`, and remove the directory; once."""
        import shutil

        if not self._entered:
            return
        self._entered = False
        for path in (self.directory, *self._paths):
            if path in sys.path:
                sys.path.remove(path)
        self._forget_modules()
        if self.directory:
            _directories.remove(self.directory)
            shutil.rmtree(self.directory, ignore_errors=True)

    def _forget_modules(self) -> None:
        """Let the next user of this process import its own of the same names."""
        import importlib

        places = tuple(path + os.sep for path in (self.directory, *self._paths) if path)
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None) or "").startswith(places):
                del sys.modules[name]
        importlib.invalidate_caches()

    def begin(self) -> None:
        """Call the hooks of the start."""
        self.failure = self._call("init")

    def end(self) -> Failure | None:
        """Call the hooks of the end, leave, and give what went wrong."""
        try:
            return self._call("fini") if self._entered and not self.failure else None
        finally:
            self.leave()

    def _call(self, when: str) -> Failure | None:
        import traceback

        from nestflow.host import errors, functions

        for name, stored in self._kit[when]:
            try:
                with open(os.path.join(self._folder, stored), "rb") as file:
                    hook = functions.load(file.read())
                hook()
            except BaseException as error:
                traceback.print_exc()
                return errors.of_hook(error, f"{when} hook {name!r}")
        return None

    def _unpack(self, stored: str, target: str, kind: str) -> None:
        source = os.path.join(self._folder, stored)
        if kind == "modules":
            # Last: what is installed comes first.
            sys.path.append(_unpacked(source))
        elif kind == "egg":
            self._paths.append(_unpacked(source))
        elif kind == "import":
            self._paths.append(os.path.join(str(self.directory), target.rstrip("/")))
        else:
            path = os.path.join(str(self.directory), target)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if kind == "archive":
                os.symlink(_unpacked(source), path)
            else:
                import shutil

                # A copy: who changes it changes nobody else's.
                shutil.copy(source, path)


class Missing:
    """Instead of a kit that cannot be unpacked: no function runs without it."""

    def __init__(self, error: Exception) -> None:
        """Remember why."""
        from nestflow.host import errors

        self.failure = errors.of_hook(error, "unpacking resources")

    def end(self) -> Failure | None:
        """Do nothing."""
        return None


def of_worker(where: str | None) -> Around | None:
    """What a worker process finds around it: its kit, with its directory as the current one."""
    if where is None:
        return None
    around = found(where)
    around.enter()
    if around.directory:
        os.chdir(around.directory)
    around.begin()
    return around


def found(where: str) -> Around:
    """Unpack the kit that a process is told of, from the folder that has it."""
    name, folders = json.loads(where)
    found = [os.path.abspath(folder) for folder in folders if os.path.exists(os.path.join(folder, name))]
    if not found:
        raise FileNotFoundError(f"the kit {name} is in none of {', '.join(map(os.path.abspath, folders))}")
    return Around(found[0], name)


def _unpacked(source: str) -> str:
    """The directory with what an archive holds; unpacked by the first process that wants it."""
    import fcntl
    import shutil
    import tempfile

    path = f"{source}.unpacked"
    with open(f"{source}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(path):
            part = tempfile.mkdtemp(prefix="nestflow-unpack-", dir=os.path.dirname(source))
            try:
                _extract(source, part)
                os.replace(part, path)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
    return path


def _extract(source: str, to: str) -> None:
    import tarfile
    import zipfile

    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            archive.extractall(to)
        return
    with tarfile.open(source) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(to, filter="data")
            return
        for member in archive.getmembers():
            inside = os.path.realpath(os.path.join(to, member.name))
            leads_out = not inside.startswith(os.path.realpath(to) + os.sep)
            if leads_out or member.issym() or member.islnk():
                raise tarfile.TarError(f"{member.name} leads out of the archive")
        archive.extractall(to)
