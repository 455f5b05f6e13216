"""What a text of requirements means: looked up by pip once on each machine, and again when asked.

What is installed says nothing of the machine that did it: the same versions are the same files, and with
these the same archive. Knows nothing of archives.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from ..errors import NestflowRuntimeException
from .folders import once

if TYPE_CHECKING:
    from collections.abc import Iterator

_OTHER = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)[\s=]*(\S.*?)\s*(?:\s#.*)?$")
"""A line that names another file."""

_LOCAL = re.compile(r"(?:-e|--editable|-f|--find-links)[\s=]+")
"""What may stand before a path of this machine."""

_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")

_MADE = (".egg-info", "build", "dist", "__pycache__")
"""How names end of what building a project leaves in it."""


def installed(path: str, what: str, again: bool) -> str:
    """Give a folder with what requirements ask for.

    Args:
        path: a text of requirements, or a ``pyproject.toml``.
        what: for which Python and system.
        again: look it up in any case.

    Raises:
        NestflowRuntimeException: pip cannot install it.
    """
    project = os.path.basename(path) == "pyproject.toml"
    digest = hashlib.sha256(what.encode())
    for part in _project(os.path.dirname(path)) if project else _texts(path, set()):
        digest.update(part)
    wanted = [os.path.dirname(path)] if project else ["-r", path]

    def install(into: str) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        command = [*pip, "--no-compile", "--target", into, *wanted]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise NestflowRuntimeException(f"pip cannot install what {path} asks for: {ended.stderr[-2000:]}")
        _settle(into)

    return once("pip", digest.hexdigest()[:16], install, again)


def lock(folder: str) -> list[str]:
    """Give what is installed in a folder, with versions."""
    found = metadata.distributions(path=[folder])
    return sorted(f"{each.metadata['Name']}=={each.version}" for each in found)


def _texts(path: str, seen: set[str]) -> Iterator[bytes]:
    """Give a text of requirements, and those that it names."""
    path = os.path.abspath(path)
    if path in seen:
        return
    seen.add(path)
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        raise NestflowRuntimeException(f"requirements cannot be read: {error}") from error
    yield text
    for line in text.decode(errors="replace").replace("\\\n", " ").splitlines():
        yield from _named(line, os.path.dirname(path))
        other = _OTHER.match(line)
        if other is not None and "://" not in other[1]:
            yield from _texts(os.path.join(os.path.dirname(path), other[1].strip("\"'")), seen)


def _named(line: str, folder: str) -> Iterator[bytes]:
    """Give what changes if a file or a project of this machine does that a line of requirements names."""
    line = _VARIABLE.sub(lambda match: os.environ.get(match[1], match[0]), line.strip())
    asked = _LOCAL.match(line)
    # Behind the path may be a comment, options and markers; before it, the name of what is there.
    wanted = re.split(r"\s#|\s--|\s;|;\s", line[asked.end() if asked else 0 :])[0].partition(" @ ")
    what = (wanted[2] or wanted[0]).strip().strip("\"'")
    if what.startswith("file:"):
        what = unquote(urlparse(what).path)
    what = re.sub(r"\[[^]/]*\]$", "", what)
    # To pip, some are relative to where it runs, and some to the file.
    for path in dict.fromkeys(os.path.normpath(os.path.join(base, what)) for base in (os.getcwd(), folder)):
        if os.path.isdir(path) and (asked or os.sep in what or what.startswith(".")):
            yield from _project(path)
        elif os.path.isfile(path):
            state = os.stat(path)
            yield repr((path, state.st_size, state.st_mtime_ns)).encode()


def _project(folder: str) -> Iterator[bytes]:
    """Give what changes if a file of a project does."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith(".") and not each.endswith(_MADE))
        for name in sorted(names):
            if not os.path.isfile(os.path.join(where, name)):  # links that lead nowhere, and sockets
                continue
            state = os.stat(os.path.join(where, name))
            yield repr((where, name, state.st_size, state.st_mtime_ns)).encode()


def _settle(folder: str) -> None:
    """Take away what differs from machine to machine: programs that name its Python, places of sources."""
    gone = {"direct_url.json"}
    scripts = os.path.join(folder, "bin")
    for name in os.listdir(scripts) if os.path.isdir(scripts) else ():
        path = os.path.join(scripts, name)
        with open(path, "rb") as file:
            names_it = sys.executable.encode() in file.read(1024)
        if names_it:
            os.unlink(path)
            gone.add(f"bin/{name}")
    if os.path.isdir(scripts) and not os.listdir(scripts):
        shutil.rmtree(scripts)
    for info in os.scandir(folder):
        record = os.path.join(info.path, "RECORD")
        if not info.name.endswith(".dist-info") or not os.path.exists(record):
            continue
        if os.path.exists(os.path.join(info.path, "direct_url.json")):
            os.unlink(os.path.join(info.path, "direct_url.json"))
        with open(record, encoding="utf-8") as file:
            lines = file.readlines()
        with open(record, "w", encoding="utf-8") as file:
            file.writelines(line for line in lines if not line.split(",")[0].endswith(tuple(gone)))
