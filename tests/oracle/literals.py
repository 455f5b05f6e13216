"""The records of literals, which a plan holds only as the engine's blocks.

While remembering, whatever `parallelize` encodes is pickled under its blocks. Where the compiled
module is missing, made-up blocks stand in, so that the oracle can be tried without it.
"""

from __future__ import annotations

import itertools
import pickle
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import cloudpickle

import nestflow.literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_rows: list[int | None] = [None]
_records: dict[tuple[bytes, ...], bytes] = {(): pickle.dumps([])}
_numbers = itertools.count()


def records_of(blocks: tuple[bytes, ...]) -> list[Any]:
    """The records behind a literal, as fresh objects."""
    return pickle.loads(_records[blocks])


@contextmanager
def cut(rows: int | None) -> Iterator[None]:
    """Make blocks of so many records inside the block, so that several tasks share a small literal."""
    _rows.append(rows)
    try:
        yield
    finally:
        _rows.pop()


def _encoded(encode: Callable[[list[Any]], list[bytes]], records: list[Any]) -> list[bytes]:
    size = (_rows[-1] if len(records) < 1000 else None) or len(records) or 1
    return [
        block for start in range(0, len(records), size) for block in encode(records[start : start + size])
    ]


@contextmanager
def remember() -> Iterator[None]:
    """Remember what is encoded inside the block."""
    encode = nestflow.literal.encode

    def remembering(records: list[Any]) -> list[bytes]:
        try:
            from nestflow import _native  # noqa: F401
        except ImportError:
            blocks = [b"literal %d" % next(_numbers)] if records else []
        else:
            blocks = _encoded(encode, records)
        _records[tuple(blocks)] = cloudpickle.dumps(records)
        return blocks

    nestflow.literal.encode = remembering
    try:
        yield
    finally:
        nestflow.literal.encode = encode
