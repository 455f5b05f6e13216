"""Where user functions run in an executor: how processes for them are started, or an interpreter is found
for its own; and what they bring along.
"""

from __future__ import annotations

import json
import os
import sys
import weakref
from typing import TYPE_CHECKING

from ...host import modules, pickles, surroundings
from ...host.errors import LIMIT
from ..surroundings import kits
from .context import say

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ...resources import Surroundings
    from .place import Interpreter

# Given the paths of modules, and which of its own follow, it starts as `python -m` would.
_START = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv.pop(1)) + {}; "
    "runpy.run_module('nestflow.host.{}', run_name='__main__', alter_sys=False)"
)

HOSTS = ("auto", "workers", "embedded")
"""Where functions may run: in processes of their own (so does `auto`), or in the executor itself."""

_IDLE = 60
"""Seconds that a process may be idle."""

_sent: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


def host(
    context: Any,
    name: str,
    around: Surroundings,
    memory: int | None,
    plan: bytes,
    other: Interpreter | None,
) -> dict[str, Any]:
    """Describe where functions run, and send what they are to find around them.

    They find the modules that this process finds, those of the project on machines that do not have them too.

    Args:
        context: the SparkContext.
        name: one of `HOSTS`.
        around: what the pipeline brings.
        memory: bytes that each process may take for data; None: as many as it likes.
        plan: what is run; the native libraries of its functions are sent too.
        other: the interpreter elsewhere; None: that of this process.
    """
    pickles.travel(True)
    # Spark puts files into an executor's folder; in the driver, into one that it names.
    folders = [".", str(context._jvm.org.apache.spark.SparkFiles.getRootDirectory())]
    _send(context, pickles.known())
    environment = {pickles.SENT: json.dumps(folders), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    for variable in ("PYTHONHASHSEED", "OMP_NUM_THREADS"):
        environment[variable] = os.environ.get(variable, environment[variable])
    embedded = name == "embedded"
    if memory is not None and not embedded:
        environment[LIMIT] = str(memory)

    def fetch(uri: str, to: str) -> None:
        _fetch(context, uri, to)

    here = is_here(context)
    libraries = {} if here else _libraries(plan)
    kit = around.pack(fetch, kits(), {} if here else modules.archives(), libraries)
    if kit is not None:
        _send(context, [os.path.join(kit.folder, name) for name in kit.files])
        _say(context, libraries)
        found = json.dumps([kit.name, folders])
        if not embedded:
            environment[surroundings.VARIABLE] = found
    else:
        found = None
    program, path = os.environ.get("PYSPARK_PYTHON") or sys.executable, modules.search_path()
    rest = "[]"
    if other is not None:
        program, path, rest = other.program, other.path, "sys.path[1:]"
        environment |= other.environment
    start = _START.format(rest, "embedded" if embedded else "worker")
    return {
        "program": program,
        "arguments": ["-c", start, json.dumps(path)],
        "environment": sorted(environment.items()),
        "idle": 1 if kit is not None and kit.ends else _IDLE,
        "ends": kit is not None and kit.ends,
        "embedded": embedded,
        "around": found if embedded else None,
        "glibc": None if other is None else other.glibc,
    }


def is_here(context: Any) -> bool:
    """Whether all tasks run in this machine's own JVM."""
    return str(context.master).split("[")[0] == "local"


def _libraries(plan: bytes) -> dict[str, str]:
    # Without it, no library was opened.
    native = sys.modules.get("nestflow.native.library")
    found: dict[str, str] = native.needed_by(plan) if native is not None else {}
    return found


def _send(context: Any, paths: Iterable[str]) -> None:
    """Have every executor get files, once each, before its next task begins."""
    sent = _sent.setdefault(context, set())
    for path in paths:
        if path not in sent:
            context.addFile(path)
            sent.add(path)


def _say(context: Any, libraries: dict[str, str]) -> None:
    """Let the log say, once for each application, which libraries its functions call."""
    sent = _sent.setdefault(context, set())
    for where in libraries.keys() - sent:
        sent.add(where)
        say(context, f"executors load {libraries[where]} (sha256 {where.split('/')[1]})")


def _fetch(context: Any, uri: str, to: str) -> None:
    path = context._jvm.org.apache.hadoop.fs.Path
    source = path(uri)
    system = source.getFileSystem(context._jsc.hadoopConfiguration())
    system.copyToLocalFile(False, source, path(f"file://{to}"), True)
