"""Where libraries are: by path, and in jobs elsewhere among the files that came with the job.

A library is known by what is in it: a place is only right where the hash of the file is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidConfException
from ..host import surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def place(resource: Resource) -> str:
    """Give the relative path under which a pipeline brings a file to its workers.

    Example:
        >>> place(Resource("/opt/libpricing.so", "0f3a"))
        'nestflow-native/0f3a/libpricing.so'
    """
    return f"nestflow-native/{resource.digest}/{os.path.basename(resource.path)}"


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
    # What came with a pipeline; with `--files`, or the like; with `SparkContext.addFile`.
    with contextlib.suppress(FileNotFoundError):
        yield surroundings.resource(place(resource))
    yield os.path.abspath(name)
    pyspark = sys.modules.get("pyspark")
    if pyspark is not None and pyspark.SparkFiles._is_running_on_worker:
        yield pyspark.SparkFiles.get(name)
