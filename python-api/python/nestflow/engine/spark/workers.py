"""How the processes of user functions are started beside an executor."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from ...host import pickles

if TYPE_CHECKING:
    from typing import Any

# Given the paths of modules, it starts as `python -m` would.
_START = (
    "import json, runpy, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "runpy.run_module('nestflow.host.worker', run_name='__main__', alter_sys=False)"
)


def host() -> dict[str, Any]:
    """Describe how a worker process is started: with the modules that this process finds."""
    pickles.travel(True)
    environment = {"NESTFLOW_CLASSES": pickles.folder(), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    for name in ("PYTHONHASHSEED", "OMP_NUM_THREADS"):
        environment[name] = os.environ.get(name, environment[name])
    return {
        "program": os.environ.get("PYSPARK_PYTHON") or sys.executable,
        "arguments": ["-c", _START, json.dumps([os.path.abspath(path) for path in sys.path])],
        "environment": sorted(environment.items()),
    }
