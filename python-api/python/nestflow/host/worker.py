"""A worker process: what an engine starts to run user functions in.

Called with the number of the process that it belongs to; standard input is the connection to it. With
``spawn`` before the number, the process forks workers instead (`nestflow/host/spawner.py`).
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

from nestflow.host import pickles, surroundings, warned
from nestflow.host.compiled import library
from nestflow.host.counting import REMOTE
from nestflow.host.errors import LIMIT


def main(owner: int, parent: int) -> None:
    """Serve the engine until it is gone.

    Args:
        owner: the engine's process.
        parent: the process that has started this one, with which it ends.
    """
    host = library()
    host.end_with_parent(parent)
    call_process("nestflow-worker")
    limit = None
    if LIMIT in os.environ:
        limit, (_, most) = int(os.environ[LIMIT]), resource.getrlimit(resource.RLIMIT_DATA)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    os.environ[REMOTE] = "true"
    pickles.settle()
    # An interrupt is for the engine, which decides about its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    connection = take_input()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    warned.install()
    try:
        around: Any = surroundings.of_worker(os.environ.get(surroundings.VARIABLE))
    except Exception as error:
        traceback.print_exc()
        around = surroundings.Missing(error)
    host.run_worker(connection, owner, around, limit)


def call_process(name: str) -> None:
    """Let people who look at processes see which this is."""
    if sys.platform == "linux":
        with open("/proc/self/comm", "w") as file:
            file.write(name)


def take_input() -> int:
    """The connection that standard input is; user functions that read there find nothing from now on."""
    connection = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return connection


if __name__ == "__main__":
    *spawn, number = sys.argv[1:]
    if spawn:
        from nestflow.host import spawner

        spawner.main(int(number))
    else:
        main(int(number), int(number))
