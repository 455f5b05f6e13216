"""Archives in HDFS: put once, whole, whoever else is at it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from nestflow.bundle import prepared
from nestflow.bundle.publish import publish
from nestflow.bundle.tree import Tree
from nestflow.engine.spark.place import store_at
from nestflow.errors import NestflowRuntimeException

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import nestflow as nf

    Make = Callable[..., nf.Pipeline]


@pytest.fixture
def context(spark: Make) -> Any:
    engine = spark()._engine
    engine._opened()
    return engine._context


@pytest.fixture
def thing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> prepared.Prepared:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_bytes(b"bytes" * 100_000)
    tree = Tree()
    tree.add_folder("", str(tmp_path / "files"))
    return prepared.prepare("thing", "system", tree, None, {"version": "1"})


def written(context: Any) -> int:
    """The bytes that HDFS counts as written by the driver."""
    statistics = context._jvm.org.apache.hadoop.fs.FileSystem.getAllStatistics()
    return sum(each.getBytesWritten() for each in statistics if each.getScheme() == "hdfs")


def test_the_second_time_nothing_is_uploaded(
    context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path
) -> None:
    store = store_at(context, f"{hdfs}/tmp/{tmp_path.name}", {})
    first = publish(store, "1", thing)
    files = store.names()
    assert [(name, size) for name, _, size in files] == [
        (f"1/{thing.name}.json", first.uploaded - first.manifest["bytes"]),
        (f"1/{thing.name}.tar.gz", first.manifest["bytes"]),
    ]
    assert first.uri == f"{hdfs}/tmp/{tmp_path.name}/1/{thing.name}.tar.gz"
    before = written(context)
    assert before >= first.uploaded
    assert publish(store, "1", thing).uploaded == 0
    assert written(context) == before
    assert store.names() == files


def test_two_clients_at_once(context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path) -> None:
    thing.archive()
    results: list[Any] = []
    together = threading.Barrier(3)

    def client() -> None:
        store = store_at(context, f"{hdfs}/tmp/{tmp_path.name}", {})
        together.wait()
        try:
            results.append(publish(store, "1", thing).manifest)
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=client) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [results[0]] * 3
    assert results[0]["name"] == thing.name
    assert len(store_at(context, f"{hdfs}/tmp/{tmp_path.name}", {}).names()) == 2


def test_damage_and_denial(context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path) -> None:
    store = store_at(context, f"{hdfs}/tmp/{tmp_path.name}", {})
    publish(store, "1", thing)
    store.remove(f"1/{thing.name}.tar.gz")
    store.put(f"1/{thing.name}.tar.gz", b"something else")
    with pytest.raises(NestflowRuntimeException, match=r"\.tar\.gz is damaged: it has 14 bytes"):
        publish(store, "1", thing)
    assert publish(store, "1", thing, again=True).uploaded > 14
    with pytest.raises(OSError, match=f"{hdfs}: Permission denied: user=tester"):
        publish(store_at(context, f"{hdfs}/", {}), "1", thing)
