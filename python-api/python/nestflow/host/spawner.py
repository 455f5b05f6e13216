"""A process that forks worker processes: it has imported what all of them need, and nothing of the user's.

Its standard input is the connection to the engine, which asks for one thing after the other; the other half,
and what they say, is in `runtime/workers/src/spawner.rs`. Must stay with one thread: to fork a process that
has several is not safe, and where an interpreter begins with several, it says so and forks nothing.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import struct

from nestflow.host import worker
from nestflow.host.compiled import library

_REQUEST = struct.Struct("<cI")
_ANSWER = struct.Struct("<i")
_THREADS = -(1 << 31)
_RUNNING = -1

_MODULES = (
    "cloudpickle",
    "datetime",
    "decimal",
    "uuid",
    "nestflow.host.batches",
    "nestflow.host.counting",
    "nestflow.host.driver",
    "nestflow.host.errors",
    "nestflow.host.functions",
    "nestflow.host.groups",
    "nestflow.host.keys",
    "nestflow.host.pickles",
    "nestflow.host.sequential",
    "nestflow.host.sides",
)
"""What a worker imports with its first chains."""


def main(owner: int) -> None:
    """Fork workers until the engine is gone; in each of them, be one."""
    host = library()
    host.end_with_parent(owner)
    worker.call_process("nestflow-spawn")
    # An interrupt is for the engine.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in _MODULES:
        importlib.import_module(name)
    spawner, talk = os.getpid(), socket.socket(fileno=worker.take_input())
    while True:
        try:
            request, files, _, _ = socket.recv_fds(talk, _REQUEST.size, 2)
            if len(request) < _REQUEST.size:
                return
            kind, process = _REQUEST.unpack(request)
            if kind == b"W":
                # To wait for one here would keep others from their workers.
                ended, status = os.waitpid(process, os.WNOHANG)
                answer = status if ended else _RUNNING
            else:
                answer = _fork()
                if answer == 0:
                    talk.close()
                    _become(*files)
                    worker.main(owner, spawner)
                    return
                for file in files:
                    os.close(file)
            talk.sendall(_ANSWER.pack(answer))
        except ConnectionError:
            return


def _fork() -> int:
    """The new process, 0 in it; an error of the system's as a negative number."""
    if len(os.listdir("/proc/self/task")) > 1:
        return _THREADS
    try:
        return os.fork()
    except OSError as error:
        return -(error.errno or 1)


def _become(connection: int, output: int) -> None:
    """What a program that is started as a worker finds."""
    os.setpgid(0, 0)
    for file, place in ((connection, 0), (output, 1), (output, 2)):
        os.dup2(file, place)
    os.close(connection)
    os.close(output)
