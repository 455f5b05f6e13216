"""Objects as bytes that another process can read.

A value of a class that no other process could import refers to the class by a name. Processes of one machine
read its definition from a folder that they share; to other machines the definitions that the program knows
are sent before a run, as files, and a class that came up only there goes with each of its values.
"""

from __future__ import annotations

import atexit
import fcntl
import io
import json
import os
import pickle
import shutil
import tempfile
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import cloudpickle
from cloudpickle import cloudpickle as _cloudpickle

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = "NESTFLOW_CLASSES"
"""The variable that names the folder where processes of one machine define classes for each other."""

SENT = "NESTFLOW_SENT_CLASSES"
"""The variable that names the folders, in JSON, where a process finds the definitions that it was sent."""

_FILE = "nestflow-class-"

stays_here = False
"""Whether whatever is pickled is only read in this process: then a class of `__main__` goes by name."""

_travels = False
_folder: str | None = os.environ.get(FOLDER)
# Classes that no other process could import: how values refer to them.
_defined: dict[type, tuple[str] | tuple[str, bytes]] = {}


def copied(value: Any) -> Any:
    """A copy of a value that may change.

    What cannot be copied is given as it is: whether it can be a record is found where it is stored.
    """
    try:
        return deepcopy(value)
    except Exception:
        return value


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


def settle() -> None:
    """Remember the folders with what was sent, as they are seen from where a process begins."""
    if SENT in os.environ:
        os.environ[SENT] = json.dumps([os.path.abspath(there) for there in json.loads(os.environ[SENT])])


def known() -> list[str]:
    """Define the classes that values of this program may have so far; the files that do."""
    for kind in list(_cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS):
        try:
            _define(kind)
        except Exception:
            # Somebody else's, whom it went by once. Whether a value needs it, that value will say.
            continue
    return [_path(folder(), *name) for kind, name in list(_defined.items()) if len(name) == 1]


def defined(name: str, definition: bytes | None = None) -> type:
    """The class of that name; a value that is read calls this."""
    found = _cloudpickle._DYNAMIC_CLASS_TRACKER_BY_ID.get(name)
    if found is None:
        if definition is None:
            with open(_found(name) or _path(folder(), name), "rb") as file:
                definition = file.read()
        found = pickle.loads(definition)
    return found  # type: ignore[no-any-return]


def by_value(value: Any) -> bytes:
    """The pickle of a function, a constant or a class; what no other process could import goes along."""
    file = io.BytesIO()
    _WithSlots(file, 5).dump(value)
    return file.getvalue()


class _WithSlots(cloudpickle.CloudPickler):  # type: ignore[misc]
    """Makes classes with the slots that they have.

    Cloudpickle sets `__slots__` when a class is made already: objects would have a dict in one process, and
    none in another.
    """

    def reducer_override(self, obj: Any) -> Any:
        reduced = super().reducer_override(obj)
        # Tuples have no slots of their own, and a NamedTuple does not let anybody say so.
        slotted = isinstance(obj, type) and "__slots__" in vars(obj) and not issubclass(obj, tuple)
        if slotted and isinstance(reduced, tuple):
            make, (kind, name, bases, members, *rest), *state = reduced
            if make is _cloudpickle._make_skeleton_class:
                members = {**members, "__slots__": vars(obj)["__slots__"]}
                return make, (kind, name, bases, members, *rest), *state
        return reduced


class _Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]
    """Refers to a class by the name of its definition, which is written once and not per value."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type) and _needs_definition(obj):
            return defined, _define(obj)
        return super().reducer_override(obj)


def _needs_definition(kind: type) -> bool:
    if kind in _defined:
        return True
    return kind.__module__ != "builtins" and not _cloudpickle._should_pickle_by_reference(kind)


def _define(kind: type) -> tuple[str] | tuple[str, bytes]:
    reference = _defined.get(kind)
    if reference is None:
        # The same name in all processes: it travels with the definition.
        name = str(_cloudpickle._get_or_create_tracker_id(kind))
        reference = (name,)
        if SENT not in os.environ:
            _write(name, kind)
        elif _found(name) is None:
            # Nobody else has heard of it.
            reference = name, by_value(kind)
        _defined[kind] = reference
    return reference


def _write(name: str, kind: type) -> None:
    path = _path(folder(), name)
    if not os.path.exists(path):
        # Other processes see it whole or not at all.
        part = f"{path}.{os.getpid()}"
        with open(part, "wb") as file:
            file.write(by_value(kind))
        os.replace(part, path)


def _path(folder: str, name: str) -> str:
    return os.path.join(folder, _FILE + name)


def _found(name: str) -> str | None:
    """The file of a definition that was sent to this process."""
    folders: Iterable[str] = json.loads(os.environ.get(SENT, "[]"))
    return next((path for path in (_path(there, name) for there in folders) if os.path.exists(path)), None)


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)
