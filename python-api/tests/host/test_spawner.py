"""What the process that forks workers answers, asked as `runtime/workers/src/spawner.rs` does."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are not forked")

RUNNING = -1


@pytest.fixture
def talk() -> Iterator[socket.socket]:
    """The connection to such a process."""
    ours, theirs = socket.socketpair()
    ours.settimeout(30)
    command = [sys.executable, "-m", "nestflow.host.worker", "spawn", str(os.getpid())]
    with subprocess.Popen(command, stdin=theirs) as spawner:
        theirs.close()
        with ours:
            yield ours
        spawner.wait(30)


def answer(talk: socket.socket) -> int:
    (number,) = struct.unpack("<i", talk.recv(4))
    return int(number)


def forked(talk: socket.socket) -> tuple[int, socket.socket]:
    """A new worker, and the connection to it."""
    ours, theirs = socket.socketpair()
    socket.send_fds(talk, [b"F\0\0\0\0"], [theirs.fileno(), 2])
    theirs.close()
    return answer(talk), ours


def ended(talk: socket.socket, process: int) -> int:
    talk.sendall(b"W" + struct.pack("<I", process))
    return answer(talk)


def test_a_worker_that_goes_on_keeps_nobody_from_another(talk: socket.socket) -> None:
    first, to_first = forked(talk)
    assert ended(talk, first) == RUNNING
    second, to_second = forked(talk)
    assert second not in (first, RUNNING)
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + 30
    while (status := ended(talk, first)) == RUNNING and time.monotonic() < until:
        time.sleep(0.01)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert ended(talk, second) == RUNNING
    to_first.close()
    to_second.close()
