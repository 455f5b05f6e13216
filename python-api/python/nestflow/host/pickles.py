"""Objects as bytes that another process can read."""

from __future__ import annotations

import atexit
import fcntl
import io
import os
import pickle
import shutil
import tempfile
from typing import Any

import cloudpickle
from cloudpickle import cloudpickle as _cloudpickle

FOLDER = "NESTFLOW_CLASSES"
"""The variable that tells a worker process where classes are defined."""

stays_here = False
"""Whether whatever is pickled is only read in this process: then a class of `__main__` goes by name."""

_travels = False
_folder: str | None = os.environ.get(FOLDER)
# Classes that no other process could import, and the files that define them.
_defined: dict[type, str] = {}


def dumps(value: Any) -> bytes:
    """The pickle of a value, with classes and functions of `__main__` inside it.

    Plain pickle is several times as fast, and right as long as everything that the value refers to
    can be imported elsewhere.
    """
    if not _cloudpickle._PICKLE_BY_VALUE_MODULES and (stays_here or type(value) not in _defined):
        try:
            pickled = pickle.dumps(value, 5)
        except Exception:
            pass
        else:
            # A class of __main__ is found there in this process only.
            if stays_here or (b"__main__" not in pickled and b"__mp_main__" not in pickled):
                return pickled
    file = io.BytesIO()
    _Pickler(file, 5).dump(value)
    return file.getvalue()


def travel(elsewhere: bool) -> None:
    """Say whether a new session has worker processes; once one has, values may always travel."""
    global stays_here, _travels
    _travels = _travels or elsewhere
    stays_here = not _travels


def folder() -> str:
    """The folder where classes are defined, for the processes of this machine that read values."""
    global _folder
    if _folder is None:
        _folder = tempfile.mkdtemp(prefix="nestflow-classes-")
        # Locked while this process lives: engines remove folders of processes that were killed.
        fcntl.flock(os.open(os.path.join(_folder, "owner"), os.O_CREAT | os.O_WRONLY, 0o600), fcntl.LOCK_EX)
        atexit.register(_remove, _folder, os.getpid())
    return _folder


def defined(name: str) -> type:
    """The class of that name; a value that is read calls this."""
    found = _cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(name)
    if found is None:
        with open(os.path.join(folder(), name), "rb") as file:
            found = pickle.load(file)
    return found  # type: ignore[no-any-return]


class _Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]
    """Refers to a class by the name of its definition, which is written once and not per value."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type) and _needs_definition(obj):
            return defined, (_define(obj),)
        return super().reducer_override(obj)


def _needs_definition(kind: type) -> bool:
    if kind in _defined:
        return True
    return kind.__module__ != "builtins" and not _cloudpickle._should_pickle_by_reference(kind)


def _define(kind: type) -> str:
    name = _defined.get(kind)
    if name is None:
        # The same name in all processes: it travels with the definition.
        name = str(_cloudpickle._get_or_create_tracker_id(kind))
        path = os.path.join(folder(), name)
        if not os.path.exists(path):
            # Other processes see it whole or not at all.
            part = f"{path}.{os.getpid()}"
            with open(part, "wb") as file:
                file.write(cloudpickle.dumps(kind, 5))
            os.replace(part, path)
        _defined[kind] = name
    return name


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
