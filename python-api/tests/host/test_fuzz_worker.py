"""A worker process that is sent nonsense, and what is right in the wrong place, about chains open or not: it
answers or ends, but never crashes, and ends with its engine.

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
from typing import Any

import pytest
import recorded
from programs import combine, fold, records, sequential, step, zero

from nestflow.host.program import MISSING

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


PROGRAMS: list[tuple[bytes, list[Any], list[dict[str, Any]]]] = [
    (
        records(
            step("map", lambda x, s, t: (x, s, list(t)), sides=(0, 1)), shown=("value open", "sequence open")
        ),
        [[{"a": 1}], [1, 2, 3]],
        [{"v": [1, MISSING, None]}],
    ),
    (
        records(step("flat_map", lambda x: range(x)), step("filter", lambda x: x % 2)),
        [],
        [{"v": [3000, 70_000]}],
    ),
    (
        records(step("map", lambda x, s: (x, s), sides=(0,)), shown=("value column 0",), emit="pair"),
        [],
        [{"v": [1, 2], "x0": ["a", "b"]}],
    ),
    (fold(lambda a, b: a + b, zero(0)), [], [{"g": [0, 1, 0, 1], "v": [MISSING, 5, 1, 2]}]),
    (combine(lambda values: max(values)), [], [{"g": [0, 0, 1], "v": [1, 2, 3]}]),
    (
        sequential("accumulate", zero([]), lambda state, x: [*state, x]),
        [],
        [{"g": [0, 0, 1], "v": [1, 2, 3]}, {"g": [1, 2], "v": [4, MISSING]}],
    ),
    (records(step("map", lambda x: 1 // x)), [], [{"v": [1, 0]}]),
]


def changed(chance: random.Random, message: recorded.Message) -> recorded.Message:
    """Sometimes with other bytes."""

    def some(data: bytes, first: int) -> bytes:
        altered = bytearray(data)
        for _ in range(chance.choice([0, 0, 0, 1, 3])):
            if len(altered) > first:
                altered[chance.randrange(first, len(altered))] = chance.randrange(256)
        return bytes(altered)

    return recorded.Message(some(message.head, 8), some(message.payload, 0))


def elsewhere(chance: random.Random, message: recorded.Message, files: recorded.Files) -> recorded.Message:
    """Sometimes said to lie in shared memory: it does, or there is something else, or nothing."""
    if message.kind not in (recorded.SIDE, recorded.PUSH) or chance.random() < 0.5:
        return message
    block = message.payload
    places = [
        lambda: files.shared(chance.randrange(3), block),
        lambda: files.mapped(block),
        lambda: struct.pack("<IIiBQ", 1, chance.randrange(3), some_file(chance, files), 0, length(chance)),
        lambda: struct.pack(
            "<IIiBIQ", 1, 0, some_file(chance, files), 1, chance.randrange(3), length(chance)
        ),
        lambda: struct.pack("<IiQ", 2, some_file(chance, files), length(chance)),
    ]
    return message.placed(chance.choice(places)())


def length(chance: random.Random) -> int:
    return chance.choice([0, 1, 100, 4096, 1 << 40, (1 << 64) - 1])


def some_file(chance: random.Random, files: recorded.Files) -> int:
    """What is open here: a socket, a terminal, a log, a file in memory, sealed or not; or nothing is."""
    sealed = chance.choice([0, recorded.SEALED_LENGTH, recorded.SEALED_LENGTH | recorded.SEALED_WHOLE])
    data = chance.randbytes(chance.choice([0, 3, 64, 5000]))
    return chance.choice([-1, 0, 1, 2, 3, 4, 1 << 20, files.file(data, sealed), files.file(data, sealed)])


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs files in memory that nobody can shorten")
def test_where_a_block_lies_does_not_matter() -> None:
    said = {}
    for place in ("message", "shared", "mapped"):
        files, worker, answers = recorded.Files(), recorded.Worker(), []
        for slot, message in enumerate(recorded.session(*PROGRAMS[0])):
            block = message.payload
            if place == "message" or message.kind not in (recorded.SIDE, recorded.PUSH):
                worker.say(message)
            else:
                where = files.mapped(block) if place == "mapped" else files.shared(slot, block)
                worker.say(message.placed(where))
            if message.kind in (recorded.PUSH, recorded.FINISH, recorded.CLOSE):
                answers.append(worker.hear())
        worker.say(recorded.Message(struct.pack("<I", recorded.EXIT), b""))
        assert worker.process.wait(60) == 0
        worker.end()
        files.close()
        assert answers[-1].kind == recorded.CLOSED
        said[place] = [(answer.kind, answer.payload) for answer in answers]
    assert said["shared"] == said["mapped"] == said["message"]


def test_open_chains_that_are_told_anything() -> None:
    sessions = [recorded.session(*program) for program in PROGRAMS]
    assert all(said[0].kind == recorded.OPEN and said[-1].kind == recorded.CLOSE for said in sessions)
    every = [message for said in sessions for message in said]
    # The next part of a result, whether there is one or not.
    every += [recorded.Message(bytes([recorded.MORE, *[0] * 7]), b"")] * len(sessions)
    for number in range(ROUNDS):
        chance = random.Random(number)
        worker, files = recorded.Worker(), recorded.Files()
        reader = threading.Thread(target=drain, args=(worker.stream,), daemon=True)
        reader.start()
        try:
            for chain in range(4):
                # What opens it is right, and so far all of it.
                for message in chance.choice(sessions):
                    if message.kind in (recorded.OPEN, recorded.SIDE):
                        worker.say(message.about(chain))
            for _ in range(MESSAGES):
                message = elsewhere(chance, chance.choice(every), files)
                worker.say(changed(chance, message.about(chance.randrange(5))))
            worker.stream.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it has had enough
        assert -worker.process.wait(60) not in CRASHES, f"round {number}"
        reader.join(60)
        worker.end()
        files.close()
