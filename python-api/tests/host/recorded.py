"""What a pool says to a worker, recorded, so that tests can say it to workers of their own: once or often, in
another order, with other bytes in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from nestflow import _host

if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN, SIDE, PUSH, MORE, FINISH, CLOSE, EXIT = range(7)
"""The kinds of what is said, in the order of `nestflow_workers::message::ToWorker`."""
CLOSED = 4
"""The last that a worker says of a chain: `nestflow_workers::message::FromWorker`."""

SEALED_LENGTH, SEALED_WHOLE = 2 | 4, 8
"""What `fcntl` calls F_SEAL_SHRINK | F_SEAL_GROW and F_SEAL_WRITE."""
_ADD_SEALS = 1033

_HEADER = struct.Struct("<IQ")
_IN_MESSAGE = bytes(4)
"""Where a block lies: the first of `nestflow_workers::message::Place`."""

_RELAY = """
import os, socket, subprocess, sys, threading

def relay(source, target, record):
    while part := source.recv(1 << 16):
        record.write(part)
        record.flush()
        target.sendall(part)
    target.shutdown(socket.SHUT_WR)

pool, (ours, theirs) = socket.socket(fileno=os.dup(0)), socket.socketpair()
command = [sys.executable, "-m", "nestflow.host.worker", str(os.getpid())]
worker = subprocess.Popen(command, stdin=theirs)
theirs.close()
answers = threading.Thread(target=relay, args=(ours, pool, open(os.devnull, "wb")))
answers.start()
relay(pool, ours, open(sys.argv[1], "wb"))
answers.join()
sys.exit(worker.wait())
"""


class Message(NamedTuple):
    """One thing that is said."""

    head: bytes
    payload: bytes

    @property
    def kind(self) -> int:
        """Which of the kinds it is."""
        return int.from_bytes(self.head[:4], "little")

    def about(self, chain: int) -> Message:
        """The same of another chain."""
        if self.kind == EXIT:
            return self
        return self._replace(head=self.head[:4] + struct.pack("<I", chain) + self.head[8:])

    def placed(self, place: bytes) -> Message:
        """The same batch, whose block lies elsewhere: what it has of the message is not sent."""
        assert self.head.endswith(_IN_MESSAGE)
        return Message(self.head.removesuffix(_IN_MESSAGE) + place, b"")

    def framed(self) -> bytes:
        """As it looks on the socket."""
        return _HEADER.pack(len(self.head), len(self.payload)) + self.head + self.payload


def session(program: bytes, sides: list[Any], batches: list[dict[str, Any]]) -> list[Message]:
    """What is said to a worker for a program, from `OPEN` to `CLOSE`; its batches have to be small.

    Nothing that is recorded depends on the answers, so that it does not matter where the recording ends.
    """
    with tempfile.NamedTemporaryFile() as file:
        command = [sys.executable, "-c", _RELAY, file.name]
        with contextlib.suppress(Exception):  # what fails is said too
            _host.try_program(program, sides, batches, command)
        said = [*_messages(file.read())]
    assert [message.kind for message in said].count(PUSH) == len(batches)
    given = [message for message in said if message.kind in (OPEN, SIDE, PUSH)]
    return [*given, *(Message(struct.pack("<II", kind, 0), b"") for kind in (FINISH, CLOSE))]


def _messages(data: bytes) -> Iterator[Message]:
    while data:
        head, payload = _HEADER.unpack(data[: _HEADER.size])
        end = _HEADER.size + head + payload
        yield Message(data[_HEADER.size : _HEADER.size + head], data[_HEADER.size + head : end])
        data = data[end:]


class Files:
    """Files in memory that this process has open, for workers to find blocks in: `workers/src/shared.rs`."""

    def __init__(self) -> None:
        self._open: list[int] = []

    def shared(self, slot: int, block: bytes) -> bytes:
        """A place that the worker copies from."""
        file = self.file(struct.pack("<I60x", 1) + block, SEALED_LENGTH)
        return struct.pack("<IIiBQ", 1, slot, file, 0, len(block))

    def mapped(self, block: bytes) -> bytes:
        """A place that the worker maps."""
        return struct.pack("<IiQ", 2, self.file(block, SEALED_LENGTH | SEALED_WHOLE), len(block))

    def file(self, data: bytes, seals: int) -> int:
        """A file with such data, sealed."""
        file = os.memfd_create("of a test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(file, data)
        fcntl.fcntl(file, _ADD_SEALS, seals)
        self._open.append(file)
        return file

    def close(self) -> None:
        """Forget them all."""
        for file in self._open:
            os.close(file)
        self._open.clear()


class Worker:
    """A worker process of the test's own."""

    def __init__(self) -> None:
        self.stream, theirs = socket.socketpair()
        command = [sys.executable, "-m", "nestflow.host.worker", str(os.getpid())]
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        theirs.close()
        self.stream.settimeout(60)
        self._file = self.stream.makefile("rb")
        self.hear()

    def hear(self) -> Message:
        """The next that it says; the first is that it is there."""
        head, payload = _HEADER.unpack(self._file.read(_HEADER.size))
        return Message(self._file.read(head), self._file.read(payload))

    def say(self, message: Message) -> None:
        """Say something, whether it listens or not."""
        self.stream.sendall(message.framed())

    def end(self) -> int:
        """Be gone, and give its exit code."""
        self._file.close()
        self.stream.close()
        return self.process.wait(60)
