"""The part of `pipe` that runs beside the data: feeds a command and gives what it prints.

Runs where user functions run; sees records, never handles.
"""

from __future__ import annotations

import os
import selectors
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from ..errors import NestflowRuntimeException
from ..transformer import Transformer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_ENOUGH = 1 << 16
"""Bytes that are written or read at a time."""
_LOOK = 0.05
"""Seconds that a wait may keep us from noticing an interrupt."""


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
    """Writes records to a command's input and gives the records that it prints.

    Takes turns at writing and reading, so that neither side waits for the other for ever, and reads no
    more than is wanted: a command that prints without end waits until somebody takes what it prints.
    """

    def __init__(self, command: str, form: Form) -> None:
        """Remember what to run."""
        self.command = command
        self.form = form

    def begin_process(self, *side_inputs: Any) -> list[Any]:
        """Start the command."""
        self.process_ = subprocess.Popen(
            ["bash", "-c", self.command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        assert self.process_.stdin is not None
        assert self.process_.stdout is not None
        os.set_blocking(self.process_.stdin.fileno(), False)
        self.ends = selectors.DefaultSelector()
        self.ends.register(self.process_.stdout, selectors.EVENT_READ)
        self.parse = self._blocks if self.form.binary else self._lines
        self.written = bytearray()
        self.printed = b""
        return []

    def process(self, record: Any, *side_inputs: Any) -> Iterable[Any]:
        """Take a record to write, and give what has been printed by now."""
        self.written += self._encoded(record)
        return self._exchange(_ENOUGH) if len(self.written) >= _ENOUGH else ()

    def end_process(self, *side_inputs: Any) -> Iterator[Any]:
        """Wait for the end of the command, and give the rest."""
        yield from self._exchange(1)
        self._close()
        while self._stdout() in self.ends.get_map():
            yield from self._turn()
        yield from self.parse(last=True)
        while self.process_.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                self.process_.wait(_LOOK)
        if self.process_.returncode:
            raise NestflowRuntimeException(
                f"the command {self.command!r} ended with status {self.process_.returncode}"
            )

    def __del__(self) -> None:
        """End the command where nobody wants the rest."""
        process = getattr(self, "process_", None)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()

    def __getstate__(self) -> dict[str, Any]:
        """Ship what to run."""
        return {"command": self.command, "form": self.form}

    def _stdin(self) -> IO[bytes]:
        assert self.process_.stdin is not None
        return self.process_.stdin

    def _stdout(self) -> IO[bytes]:
        assert self.process_.stdout is not None
        return self.process_.stdout

    def _exchange(self, most: int) -> Iterator[Any]:
        """Write until less than so many bytes are left, and give what is printed meanwhile."""
        if self.written and not self._stdin().closed:
            self.ends.register(self._stdin(), selectors.EVENT_WRITE)
            while len(self.written) >= most and not self._stdin().closed:
                yield from self._turn()
        if not self._stdin().closed:
            with suppress(KeyError):
                self.ends.unregister(self._stdin())
        else:
            self.written.clear()

    def _turn(self) -> Iterator[Any]:
        # No wait is long, so that an interrupt is noticed.
        for key, _ in self.ends.select(_LOOK):
            if key.fileobj is self._stdin():
                try:
                    del self.written[: os.write(key.fd, self.written[:_ENOUGH])]
                except BlockingIOError:
                    continue
                except BrokenPipeError:  # it wants no more, as `head` does; its status decides
                    self._close()
                    break
            elif chunk := os.read(key.fd, _ENOUGH):
                self.printed += chunk
                yield from self.parse()
            else:  # it may read on, as `cat > file` does
                self.ends.unregister(self._stdout())

    def _close(self) -> None:
        with suppress(KeyError, ValueError):
            self.ends.unregister(self._stdin())
        with suppress(BrokenPipeError):
            self._stdin().close()

    def _encoded(self, record: Any) -> bytes:
        form = self.form
        fields = (record,) if form.inputs == 1 else record
        if not isinstance(fields, tuple) or len(fields) != form.inputs:
            raise NestflowRuntimeException(f"pipe needs tuples of {form.inputs} fields, not {record!r:.100}")
        texts = [f if isinstance(f, bytes) else str(f).encode("utf-8", "surrogateescape") for f in fields]
        if form.binary:
            return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
        return form.field.join(texts) + form.line

    def _lines(self, last: bool = False) -> Iterator[Any]:
        *lines, self.printed = self.printed.split(self.form.line)
        self._check(len(self.printed))
        for line in [*lines, self.printed] if last else lines:
            self._check(len(line))
            if line.strip(b"\r\n"):
                yield self._decoded(line)

    def _decoded(self, line: bytes) -> Any:
        outputs = self.form.outputs
        text = line.rstrip(b"\r\n")
        if outputs == 1:
            return text.decode("utf-8", "surrogateescape")
        fields = text.split(self.form.field, outputs - 1)
        if len(fields) < outputs:
            raise NestflowRuntimeException(f"the command printed {text!r:.100} instead of {outputs} fields")
        return tuple(field.decode("utf-8", "surrogateescape") for field in fields)

    def _blocks(self, last: bool = False) -> Iterator[Any]:
        """Take whole records off what is printed."""
        outputs, printed, start = self.form.outputs, self.printed, 0
        while True:
            fields: list[bytes] = []
            end = start
            while len(fields) < outputs and end + 4 <= len(printed):
                size = int.from_bytes(printed[end : end + 4], "little")
                self._check(size)
                if end + 4 + size > len(printed):
                    break
                fields.append(printed[end + 4 : end + 4 + size])
                end += 4 + size
            if len(fields) < outputs:
                break
            start = end
            yield fields[0] if outputs == 1 else tuple(fields)
        self.printed = printed[start:]
        if last and self.printed:
            raise NestflowRuntimeException(f"the command {self.command!r} ended within a record")

    def _check(self, size: int) -> None:
        if size > self.form.largest:
            raise NestflowRuntimeException(
                f"the command printed a record of more than {self.form.largest} bytes; see buffer_size"
            )
