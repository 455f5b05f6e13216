"""Sequence files against Hadoop's own classes: they read what we write, and we read what they write."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RECORDS = [(f"key {n}".encode(), bytes([n % 256]) * (n * 13 % 5000)) for n in range(120)]
RECORDS[7] = (b"", b"")


@pytest.fixture
def jvm(spark: Callable[..., nf.Pipeline]) -> Any:
    engine = spark()._engine
    engine._opened()
    return engine._context._jvm


@pytest.fixture(scope="module")
def on_this_machine() -> Iterator[dict[str, nf.Pipeline]]:
    """Local pipelines that call functions in this process, and in others."""
    hosts = ("in_process", "workers")
    pipelines = {host: nf.Pipeline.create("local", host=host, progress=False) for host in hosts}
    yield pipelines
    for pipeline in pipelines.values():
        pipeline.close()


def written(jvm: Any, path: Path, compression: str, kinds: tuple[str, str]) -> None:
    """Have Hadoop write the records."""
    io = jvm.org.apache.hadoop.io
    conf = jvm.org.apache.hadoop.conf.Configuration()
    where = jvm.org.apache.hadoop.fs.Path(f"file://{path}")
    codec = jvm.org.apache.hadoop.io.compress.DefaultCodec()
    codec.setConf(conf)
    classes = [jvm.java.lang.Class.forName(f"org.apache.hadoop.io.{kind}") for kind in kinds]
    writer = io.SequenceFile.createWriter(
        where.getFileSystem(conf),
        conf,
        where,
        *classes,
        getattr(io.SequenceFile.CompressionType, compression),
        codec,
    )
    for record in RECORDS:
        writer.append(*(_writable(io, kind, part) for kind, part in zip(kinds, record, strict=True)))
    writer.close()


def _writable(io: Any, kind: str, data: bytes) -> Any:
    if kind == "Text":
        return io.Text(data.decode("ascii", "replace"))
    if kind == "NullWritable":
        return io.NullWritable.get()
    return io.BytesWritable(data)


KINDS = [("BytesWritable", "BytesWritable"), ("Text", "BytesWritable"), ("NullWritable", "BytesWritable")]


@pytest.mark.parametrize(
    ("compression", "kinds"), list(itertools.product(("NONE", "RECORD", "BLOCK"), KINDS)), ids=str
)
def test_hadoop_writes(
    jvm: Any,
    spark: Callable[..., nf.Pipeline],
    on_this_machine: dict[str, nf.Pipeline],
    tmp_path: Path,
    compression: str,
    kinds: tuple[str, str],
) -> None:
    written(jvm, tmp_path / "a.seq", compression, kinds)
    known = kinds[0] != "NullWritable"
    expected = [(key if known else b"", value) for key, value in RECORDS]
    for engine, p in {"spark": spark(), **on_this_machine}.items():
        pairs = p.read(nf.input.SequenceFile(str(tmp_path)).as_type(lambda pair: pair))
        assert pairs.get() == expected, engine


@pytest.mark.parametrize("count", [0, 1, len(RECORDS)])
def test_hadoop_reads(jvm: Any, tmp_path: Path, count: int) -> None:
    out = str(tmp_path / "out")
    with nf.Pipeline.create("local", host="in_process", progress=False) as p:
        target = nf.output.SequenceFile(out).as_type(lambda record: record)
        p.write(p.parallelize(RECORDS[:count]), target.partition(1))
        p.run()
    io = jvm.org.apache.hadoop.io
    conf = jvm.org.apache.hadoop.conf.Configuration()
    where = jvm.org.apache.hadoop.fs.Path(f"file://{out}/part-00000")
    reader = io.SequenceFile.Reader(where.getFileSystem(conf), where, conf)
    assert reader.getKeyClassName() == reader.getValueClassName() == "org.apache.hadoop.io.BytesWritable"
    key, value, found = io.BytesWritable(), io.BytesWritable(), []
    while reader.next(key, value):
        found.append((bytes(key.copyBytes()), bytes(value.copyBytes())))
    reader.close()
    assert found == RECORDS[:count]
