"""A worker process that is sent nonsense: it answers or ends, but never crashes, and ends with its engine.

`NESTFLOW_FUZZ_ROUNDS` makes it longer; each round is a process of its own.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import subprocess
import sys
import threading

ROUNDS = int(os.environ.get("NESTFLOW_FUZZ_ROUNDS", "4"))
MESSAGES = 60
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL}


def message(chance: random.Random) -> bytes:
    """A frame whose head often begins as one of the pool's messages does."""
    kind = chance.randrange(8)
    numbers = [chance.choice([0, 1, 2, 1 << 31, (1 << 64) - 1]) for _ in range(chance.randrange(6))]
    head = struct.pack("<I", kind) + b"".join(
        struct.pack("<I", number % (1 << 32)) if chance.random() < 0.5 else struct.pack("<Q", number)
        for number in numbers
    )
    if chance.random() < 0.2:
        head = chance.randbytes(chance.randrange(40))
    payload = chance.randbytes(chance.choice([0, 1, 30, 3000]))
    return struct.pack("<IQ", len(head), len(payload)) + head + payload


def test_nonsense() -> None:
    for number in range(ROUNDS):
        chance = random.Random(number)
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "nestflow.host.worker", str(os.getpid())]
        worker = subprocess.Popen(command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        theirs.close()
        ours.settimeout(60)
        assert ours.recv(1), "it says that it is there"
        reader = threading.Thread(target=drain, args=(ours,), daemon=True)
        reader.start()
        try:
            for _ in range(MESSAGES):
                ours.sendall(message(chance))
            ours.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has had enough
        assert -worker.wait(60) not in CRASHES, f"round {number}"
        ours.close()
        reader.join(60)


def drain(stream: socket.socket) -> None:
    try:
        while stream.recv(1 << 16):
            pass
    except OSError:
        return
