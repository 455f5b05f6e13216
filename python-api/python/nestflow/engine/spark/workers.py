"""How the processes of user functions are started beside an executor, and what they bring along."""

from __future__ import annotations

import json
import os
import sys
import weakref
from typing import TYPE_CHECKING

from ...host import modules, pickles, surroundings
from ...host.worker import LIMIT
from ..surroundings import kits

if TYPE_CHECKING:
    from typing import Any

    from ...resources import Kit, Surroundings

# Given the paths of modules, it starts as `python -m` would.
_START = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "runpy.run_module('nestflow.host.worker', run_name='__main__', alter_sys=False)"
)

_IDLE = 60
"""Seconds that a process may be idle."""

_sent: weakref.WeakKeyDictionary[Any, set[str]] = weakref.WeakKeyDictionary()


def host(context: Any, around: Surroundings, memory: int | None, plan: bytes) -> dict[str, Any]:
    """Describe how a worker process is started, and send what it is to find around it.

    It finds the modules that this process finds, those of the project on machines that do not have them too.

    Args:
        context: the SparkContext.
        around: what the pipeline brings.
        memory: bytes that each process may take for data; None: as many as it likes.
        plan: what is run; the native libraries of its functions are sent too.
    """
    pickles.travel(True)
    environment = {"NESTFLOW_CLASSES": pickles.folder(), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    for name in ("PYTHONHASHSEED", "OMP_NUM_THREADS"):
        environment[name] = os.environ.get(name, environment[name])
    if memory is not None:
        environment[LIMIT] = str(memory)

    def fetch(uri: str, to: str) -> None:
        _fetch(context, uri, to)

    here = _is_here(context)
    kit = around.pack(fetch, kits(), {} if here else modules.archives(), {} if here else _libraries(plan))
    if kit is not None:
        _send(context, kit)
        # Spark puts files into an executor's folder; in the driver, into one that it names.
        folders = [".", str(context._jvm.org.apache.spark.SparkFiles.getRootDirectory())]
        environment[surroundings.VARIABLE] = json.dumps([kit.name, folders])
    return {
        "program": os.environ.get("PYSPARK_PYTHON") or sys.executable,
        "arguments": ["-c", _START, json.dumps(modules.search_path())],
        "environment": sorted(environment.items()),
        "idle": 1 if kit is not None and kit.ends else _IDLE,
    }


def _is_here(context: Any) -> bool:
    """Whether all tasks run in this machine's own JVM."""
    return str(context.master).split("[")[0] == "local"


def _libraries(plan: bytes) -> dict[str, str]:
    # Without it, no library was opened.
    native = sys.modules.get("nestflow.native.library")
    found: dict[str, str] = native.needed_by(plan) if native is not None else {}
    return found


def _send(context: Any, kit: Kit) -> None:
    sent = _sent.setdefault(context, set())
    for name in kit.files:
        if name not in sent:
            context.addFile(os.path.join(kit.folder, name))
            sent.add(name)


def _fetch(context: Any, uri: str, to: str) -> None:
    path = context._jvm.org.apache.hadoop.fs.Path
    source = path(uri)
    system = source.getFileSystem(context._jsc.hadoopConfiguration())
    system.copyToLocalFile(False, source, path(f"file://{to}"), True)
