"""A worker process: what an engine starts to run user functions in.

Called with the number of the process that it belongs to; standard input is the connection to it.
Standard output and error go to the engine, which passes them on.
"""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import sys
import traceback
from typing import Any

from nestflow.host import surroundings, warned
from nestflow.host.counting import REMOTE

LIMIT = "NESTFLOW_WORKER_MEMORY"
"""The variable with the bytes that this process may take for data; beyond, Python raises `MemoryError`."""


def main(parent: int) -> None:
    """Serve the engine until it is gone."""
    if LIMIT in os.environ:
        limit = int(os.environ[LIMIT])
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    os.environ[REMOTE] = "true"
    # An interrupt is for the engine, which decides about its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    connection = os.dup(0)
    # User functions that read standard input find it empty, as do processes that they start.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    warned.install()
    try:
        from nestflow import _host  # type: ignore[attr-defined]
    except ImportError:
        # A wheel made by pip alone has one library for everything.
        from nestflow._native import _host

    try:
        around: Any = surroundings.of_worker(os.environ.get(surroundings.VARIABLE))
    except Exception as error:
        traceback.print_exc()
        around = surroundings.Missing(error)
    _host.run_worker(connection, parent, around)


if __name__ == "__main__":
    main(int(sys.argv[1]))
