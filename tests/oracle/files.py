"""What files hold: lines of text, and pairs of sequence files that are not compressed."""

from __future__ import annotations

import glob
import gzip
import os
from typing import TYPE_CHECKING, Any

from nestflow.plan import nodes as op

if TYPE_CHECKING:
    from collections.abc import Iterator


def contents(source: op.FileSource) -> Iterator[Any]:
    """The records of all files: paths as given, inside a directory or glob by path."""
    for path in source.paths:
        within = os.path.join(glob.escape(path), "*") if os.path.isdir(path) else path
        for file in sorted(glob.glob(within)):
            if os.path.isfile(file):
                for record in _records(file, source.form):
                    yield (os.path.abspath(file), record) if source.named else record


def _records(file: str, form: op.SourceForm) -> Iterator[Any]:
    if isinstance(form, op.NamesForm):
        return iter([None])
    if isinstance(form, op.SequenceForm):
        return pairs(file)
    return _lines(file, form.encoding)


def _lines(file: str, encoding: str | None) -> Iterator[Any]:
    opened = gzip.open if file.endswith(".gz") else open
    with opened(file, "rb") as content:
        for line in content:
            if line.endswith(b"\n"):
                line = line[:-1].removesuffix(b"\r")
            yield line if encoding is None else line.decode("utf-8", "surrogateescape")


def pairs(file: str) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of a sequence file of ``BytesWritable``, not compressed."""
    name = b"\x22org.apache.hadoop.io.BytesWritable"
    with open(file, "rb") as content:
        assert content.read(4 + 2 * len(name) + 6) == b"SEQ\x06" + name + name + bytes(6)
        marker = content.read(16)
        while head := content.read(4):
            if head == b"\xff" * 4:
                assert content.read(16) == marker
                continue
            length, key_length = int.from_bytes(head, "big"), int.from_bytes(content.read(4), "big")
            key, value = content.read(key_length), content.read(length - key_length)
            assert int.from_bytes(key[:4], "big") == len(key) - 4
            assert int.from_bytes(value[:4], "big") == len(value) - 4
            yield key[4:], value[4:]
