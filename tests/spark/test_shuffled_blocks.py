"""Blocks in the form that Spark's shuffle has them in: whole, or an error."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import nestflow as nf

    Make = Callable[..., nf.Pipeline]

BLOCKS = [(0, b"first"), (1 << 30 | 0x00C0FFEE, b""), (-2, b"last")]


def read(spark: Make, data: bytes) -> list[tuple[int, bytes]]:
    """What Spark makes of these bytes."""
    engine: Any = spark()._engine
    engine._opened()
    jvm = engine._context._jvm
    serializer = jvm.org.apache.spark.nestflow.ChannelSerializer().newInstance()
    pairs = serializer.deserializeStream(jvm.java.io.ByteArrayInputStream(data)).asKeyValueIterator()
    found = []
    while pairs.hasNext():
        pair = pairs.next()
        found.append((pair._1(), bytes(pair._2())))
    return found


def test_what_is_whole_is_read_and_what_is_cut_off_is_an_error(spark: Make) -> None:
    data, whole = b"", {0: 0}
    for number, (channel, block) in enumerate(BLOCKS, 1):
        data += struct.pack(">ii", channel, len(block)) + block
        whole[len(data)] = number
    for end in range(len(data) + 1):
        if end in whole:
            assert read(spark, data[:end]) == BLOCKS[: whole[end]]
        else:
            with pytest.raises(Exception, match="a block of a shuffle was cut off"):
                read(spark, data[:end])
