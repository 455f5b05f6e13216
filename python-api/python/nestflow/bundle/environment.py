"""The user's own packages, with an interpreter for them, as an archive: what `python_env=` names.

Whatever it is, it ends as folders of this machine and an interpreter; what executors get is a copy of
these that runs anywhere, keyed by its content.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from typing import TYPE_CHECKING, NamedTuple

from ..errors import NestflowRuntimeException
from . import prepared, requirements
from .folders import once
from .interpreter import FOLDER, Interpreter, add_interpreter, ask
from .product import SITE, platform_tag
from .tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from .prepared import Prepared

# The bundle brings nestflow; functions do not need pyspark, which is larger than most environments.
_LEFT_OUT = [
    f"{package}{more}" for package in ("nestflow", "pyspark", "py4j") for more in ("", ".*", "-[0-9]*")
]
"""Patterns in a folder of packages."""

_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")


class Environment(NamedTuple):
    """Packages, and an interpreter that fits them."""

    name: str
    """What the user called it."""
    archive: Prepared | None
    """None: it is on the machines already."""
    program: str
    """In the archive, or on the machines."""
    version: str | None
    """That of the interpreter; None: the machines know."""


def environment(wanted: str, again: bool = False) -> Environment:
    """Give the environment that a user names.

    Args:
        wanted: a folder (a virtual environment, or one of conda's), an archive of one (venv-pack,
            conda-pack), a PEX file, a ``requirements.txt`` or ``pyproject.toml``, or the path of an
            interpreter that all machines have.
        again: look up anew what requirements mean.

    Raises:
        NestflowRuntimeException: it is none of these, or its Python is not that of this process.
        ValueError: it cannot be taken along.
    """
    path = os.path.abspath(os.path.expanduser(wanted))
    name = os.path.basename(path)
    if name.startswith("python") and not os.path.isdir(path) and "." not in name.removeprefix("python3."):
        return Environment(wanted, None, wanted, None)
    if not os.path.exists(path):
        raise NestflowRuntimeException(f"python_env={wanted!r} is not there")
    facts: dict[str, object] = {"environment": name}
    if os.path.isdir(path):
        found = _of_folder(path)
    elif name == "pyproject.toml" or (name.endswith(".txt") and "requirements" in name):
        interpreter = ask(sys.executable)
        folder = requirements.installed(path, f"{interpreter.version} {platform_tag()}", again)
        found, facts["lock"] = _with(interpreter, [folder]), requirements.lock(folder)
    elif _is_pex(path):
        found = _of_pex(path)
    elif name.endswith(_ARCHIVES):
        found = _of_folder(_unpacked(path))
    else:
        raise NestflowRuntimeException(
            f"python_env={wanted!r} is no folder with bin/python, no archive of one, no PEX file, no "
            "requirements.txt or pyproject.toml, and no interpreter"
        )
    interpreter, tree, finish, program = found
    check_version(interpreter.version, f"python_env={wanted!r}")
    facts |= {"python": interpreter.version, "program": program}
    archive = prepared.prepare("environment", platform_tag(), tree, finish, facts)
    return Environment(wanted, archive, program, interpreter.version)


def check_version(version: str, what: str) -> None:
    """Make sure that functions which are pickled here can be read there.

    Raises:
        NestflowRuntimeException: it is not the Python of this process; both versions stand in the text.
    """
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if version.split(".")[:2] != here.split("."):
        raise NestflowRuntimeException(
            f"{what} has Python {version}, but this program runs on {here}; they have to be the same"
        )


_Found = tuple[Interpreter, Tree, "Callable[[], None] | None", str]


def _of_folder(path: str) -> _Found:
    program = os.path.join(path, "bin", "python")
    if not os.path.exists(program):
        raise NestflowRuntimeException(f"{path} has no bin/python that leads anywhere")
    interpreter = ask(program)
    tree = Tree()
    if os.path.isdir(os.path.join(path, "conda-meta")):
        # Conda's can be moved as they are, and have libraries of their own beside Python's.
        packages = [f"lib/python3.*/site-packages/{each}" for each in _LEFT_OUT]
        tree.add_folder(FOLDER, path, not_inside=["pkgs", "conda-meta", *packages])
        return (
            interpreter,
            tree,
            None,
            f"{FOLDER}/{os.path.relpath(interpreter.program, os.path.realpath(path))}",
        )
    return _with(interpreter, [place for place in interpreter.path if _is_added(interpreter, place)])


def _is_added(interpreter: Interpreter, place: str) -> bool:
    """Whether a place for modules is none of the interpreter's own."""
    own = (interpreter.stdlib, interpreter.platstdlib)
    inside = any(place == folder or place.startswith(f"{folder}{os.sep}lib-dynload") for folder in own)
    return os.path.isdir(place) and not inside


def _with(interpreter: Interpreter, places: list[str]) -> _Found:
    tree = Tree()
    for place in places:
        tree.add_folder(SITE, place, not_inside=_LEFT_OUT)
    finish = add_interpreter(tree, interpreter)
    return interpreter, tree, finish, interpreter.inside


def _is_pex(path: str) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return "PEX-INFO" in archive.namelist()


def _of_pex(path: str) -> _Found:
    """Let the file itself unpack what fits this interpreter."""
    root = os.path.join(prepared.folder(), "pex")
    command = [sys.executable, path, "-c", "import json, sys; print(json.dumps(sys.path))"]
    variables = {**os.environ, "PEX_ROOT": root, "PEX_INTERPRETER": "1", "PEX_INHERIT_PATH": "false"}
    ended = subprocess.run(command, capture_output=True, text=True, env=variables, check=False, cwd="/")
    if ended.returncode:
        raise NestflowRuntimeException(f"{path} does not start with {sys.executable}: {ended.stderr[-500:]}")
    interpreter = ask(sys.executable)
    places = [place for place in json.loads(ended.stdout.splitlines()[-1]) if place and os.path.isdir(place)]
    return _with(
        interpreter, [place for place in places if place.startswith(root) and "/.bootstrap" not in place]
    )


def _unpacked(path: str) -> str:
    """Unpack an archive, which its owner trusts: it is run here to ask for its version."""
    state = os.stat(path)
    key = hashlib.sha256(f"{path} {state.st_size} {state.st_mtime_ns}".encode()).hexdigest()[:16]

    def extract(into: str) -> None:
        if zipfile.is_zipfile(path):
            _unzip(path, into)
            return
        with tarfile.open(path) as archive:
            # Links may lead to where the interpreter is installed.
            names = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
            archive.extractall(into, **names)  # type: ignore[arg-type]

    folder = once("archive", key, extract)
    inside = os.listdir(folder)
    return os.path.join(folder, inside[0]) if len(inside) == 1 else folder


def _unzip(path: str, into: str) -> None:
    """Unpack a zip file with rights and links, which `zipfile` leaves behind."""
    with zipfile.ZipFile(path) as archive:
        links = []
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            if stat.S_ISLNK(mode):
                links.append(entry)
                continue
            made = archive.extract(entry, into)
            if mode & 0o111 and not entry.is_dir():
                os.chmod(made, 0o755)
        # Last, so that nothing is written through one.
        for entry in links:
            place = os.path.normpath(os.path.join(into, entry.filename))
            if not place.startswith(into + os.sep):
                raise NestflowRuntimeException(f"{path} has a link outside of it: {entry.filename}")
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.symlink(archive.read(entry).decode(), place)
