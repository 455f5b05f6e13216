"""Where libraries are: at first by path, and in a job elsewhere by whatever ships files with it.

A library is known by what is in it: a path is only right where the hash of the file is. What ships files puts
a function into `finders`, and learns by `collecting` which files the functions of a job need.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidConfException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUFFIXES = {"linux": ".so", "darwin": ".dylib"}
"""Of libraries, by platform."""


class Resource(NamedTuple):
    """A file that a function needs, as it travels."""

    path: str
    """On the machine of the program."""
    digest: str
    """The SHA-256 of the content, in hexadecimal."""
    package: str | None = None
    """The installed package that the file is part of."""


finders: list[Callable[[Resource], str | None]] = []
"""Asked in order where a file is that is not at its path: each gives a path, or None."""

_collected: ContextVar[dict[Resource, None] | None] = ContextVar("_collected", default=None)


@contextmanager
def collecting() -> Iterator[dict[Resource, None]]:
    """Give a dict whose keys will be the files that functions need which are pickled meanwhile.

    Example:
        >>> import pickle
        >>> with collecting() as needed:
        ...     _ = pickle.dumps(len)
        >>> list(needed)
        []
    """
    needed: dict[Resource, None] = {}
    token = _collected.set(needed)
    try:
        yield needed
    finally:
        _collected.reset(token)


def travels(resource: Resource) -> None:
    """Tell whoever collects that a function which needs this file is being pickled."""
    needed = _collected.get()
    if needed is not None:
        needed[resource] = None


def suffix() -> str:
    """Give the suffix of libraries on this platform.

    Raises:
        NotImplementedError: a platform without native functions.
    """
    if sys.platform not in SUFFIXES:
        raise NotImplementedError(f"native functions are for Linux and macOS, not for {sys.platform}")
    return SUFFIXES[sys.platform]


def find(path_or_name: str | os.PathLike[str]) -> str:
    """Give the absolute path of a library.

    Raises:
        FileNotFoundError: there is none.
        NotImplementedError: a platform without native functions.

    Example:
        >>> find("no_such_library")
        Traceback (most recent call last):
        FileNotFoundError: there is no library no_such_library here or in LD_LIBRARY_PATH or sys.path
    """
    ending = suffix()
    given = os.fspath(path_or_name)
    if os.path.dirname(given):
        if not os.path.isfile(given):
            raise FileNotFoundError(f"there is no library {given}")
        return os.path.abspath(given)
    names = [given] if given.endswith(ending) else [given, f"lib{given}{ending}", f"{given}{ending}"]
    variable = "DYLD_LIBRARY_PATH" if sys.platform == "darwin" else "LD_LIBRARY_PATH"
    for folder in (os.curdir, *os.environ.get(variable, "").split(os.pathsep), *sys.path):
        for name in names:
            path = os.path.join(folder or os.curdir, name)
            if os.path.isfile(path):
                return os.path.abspath(path)
    raise FileNotFoundError(f"there is no library {given} here or in {variable} or sys.path")


def digest(path: str) -> str:
    """Give the hash of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    state = os.stat(path)
    return _digest(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=256)
def _digest(path: str, _changed: int, _size: int) -> str:
    hashed = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(1 << 20):
            hashed.update(part)
    return hashed.hexdigest()


def locate(resource: Resource) -> str:
    """Give the path of a file in this process.

    Raises:
        InvalidConfException: it is not here, or another file is in its place.
    """
    tried = []
    for path in _places(resource):
        if not os.path.isfile(path):
            tried.append(f"{path} is not there")
        elif digest(path) != resource.digest:
            tried.append(f"{path} is another one than where the program was made")
        else:
            return path
    raise InvalidConfException(
        f"the library {os.path.basename(resource.path)} is not on this machine: {'; '.join(tried)}"
    )


def _places(resource: Resource) -> Iterator[str]:
    yield resource.path
    name = os.path.basename(resource.path)
    if resource.package is not None:
        from importlib.util import find_spec

        found = find_spec(resource.package)
        for folder in (found.submodule_search_locations or ()) if found is not None else ():
            yield os.path.join(folder, name)
    for finder in finders:
        path = finder(resource)
        if path is not None:
            yield path
