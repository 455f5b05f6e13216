"""The part of `pipe` that runs beside the data: feeds a command and gives what it prints.

Runs where user functions run; sees records, never handles.
"""

from __future__ import annotations

import subprocess
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from ..errors import NestflowRuntimeException
from ..transformer import Transformer

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Form:
    """How records look to the command."""

    binary: bool
    inputs: int
    outputs: int
    field: bytes
    line: bytes
    largest: int


class WithKeys(Transformer):
    """Gives each record after the keys of its group, which are side inputs."""

    def process(self, record: Any, *side_inputs: Any) -> tuple[Any, ...]:
        """Give one tuple."""
        return ((*side_inputs, record),)


class Command(Transformer):
    """Writes records to a command's input and gives the records that it prints."""

    def __init__(self, command: str, form: Form) -> None:
        """Remember what to run."""
        self.command = command
        self.form = form

    def begin_process(self, *side_inputs: Any) -> list[Any]:
        """Start the command."""
        self.printed: deque[Any] = deque()
        self.failure: list[BaseException] = []
        self.process_ = subprocess.Popen(
            ["bash", "-c", self.command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        # Reads while we write, so that neither side waits for the other for ever.
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        return []

    def process(self, record: Any, *side_inputs: Any) -> Iterator[Any]:
        """Write a record, and give what has been printed by now."""
        self._write(self._encoded(record))
        return self._taken()

    def end_process(self, *side_inputs: Any) -> Iterator[Any]:
        """Wait for the end of the command, and give the rest."""
        with suppress(BrokenPipeError):  # it had enough before we ended
            self._input().close()
        self.reader.join()
        status = self.process_.wait()
        if self.failure:
            raise self.failure[0]
        if status:
            raise NestflowRuntimeException(f"the command {self.command!r} ended with status {status}")
        return self._taken()

    def _input(self) -> IO[bytes]:
        assert self.process_.stdin is not None
        return self.process_.stdin

    def _write(self, data: bytes) -> None:
        with suppress(BrokenPipeError):  # it wants no more, as `head` does; its status decides
            self._input().write(data)

    def _taken(self) -> Iterator[Any]:
        while self.printed:
            yield self.printed.popleft()

    def _encoded(self, record: Any) -> bytes:
        form = self.form
        fields = (record,) if form.inputs == 1 else record
        if not isinstance(fields, tuple) or len(fields) != form.inputs:
            raise NestflowRuntimeException(f"pipe needs tuples of {form.inputs} fields, not {record!r:.100}")
        texts = [f if isinstance(f, bytes) else str(f).encode("utf-8", "surrogateescape") for f in fields]
        if form.binary:
            return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
        return form.field.join(texts) + form.line

    def _read(self) -> None:
        output = self.process_.stdout
        assert output is not None
        try:
            for record in self._blocks(output) if self.form.binary else self._lines(output):
                self.printed.append(record)
        except BaseException as error:
            self.failure.append(error)
            self.process_.kill()

    def _lines(self, output: IO[bytes]) -> Iterator[Any]:
        form, rest = self.form, b""
        while chunk := output.read1(1 << 16):  # type: ignore[attr-defined]
            *lines, rest = (rest + chunk).split(form.line)
            self._check(len(rest))
            for line in lines:
                self._check(len(line))
                if line.strip(b"\r\n"):
                    yield self._decoded(line)
        if rest.strip(b"\r\n"):
            yield self._decoded(rest)

    def _decoded(self, line: bytes) -> Any:
        outputs = self.form.outputs
        text = line.rstrip(b"\r\n")
        if outputs == 1:
            return text.decode("utf-8", "surrogateescape")
        fields = text.split(self.form.field, outputs - 1)
        if len(fields) < outputs:
            raise NestflowRuntimeException(f"the command printed {text!r:.100} instead of {outputs} fields")
        return tuple(field.decode("utf-8", "surrogateescape") for field in fields)

    def _blocks(self, output: IO[bytes]) -> Iterator[Any]:
        outputs = self.form.outputs
        while head := output.read(4):
            fields = [self._block(output, head)]
            while len(fields) < outputs:
                fields.append(self._block(output, output.read(4)))
            yield fields[0] if outputs == 1 else tuple(fields)

    def _block(self, output: IO[bytes], head: bytes) -> bytes:
        size = int.from_bytes(head, "little")
        self._check(size)
        data = output.read(size)
        if len(head) < 4 or len(data) < size:
            raise NestflowRuntimeException(f"the command {self.command!r} ended within a record")
        return data

    def _check(self, size: int) -> None:
        if size > self.form.largest:
            raise NestflowRuntimeException(
                f"the command printed a record of more than {self.form.largest} bytes; see buffer_size"
            )
