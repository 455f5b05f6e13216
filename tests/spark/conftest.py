"""Tests of what only Spark does. They run where NESTFLOW_TEST_SPARK names a master of several processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import hadoop_server
import places
import processes
import pytest
import users
from on_spark import CONF

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SERVERS = frozenset({"hdfs", "store"})
"""Fixtures that start a server."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start servers, by a fixture or by a parameter."""
    for item in items:
        given = getattr(getattr(item, "callspec", None), "params", {})
        if SERVERS & {*getattr(item, "fixturenames", ()), *(str(value) for value in given.values())}:
            item.add_marker("servers")


os.environ.setdefault("HADOOP_USER_NAME", "tester")  # not the user of HDFS, whom nothing is denied


@pytest.fixture
def spark() -> Iterator[Callable[..., nf.Pipeline]]:
    """Makes pipelines on the Spark under test."""
    pipelines: list[nf.Pipeline] = []

    def make(**options: Any) -> nf.Pipeline:
        pipelines.append(nf.Pipeline.create("spark", spark_conf=CONF, progress=False, **options))
        return pipelines[-1]

    yield make
    for pipeline in pipelines:
        pipeline.close()


@pytest.fixture
def nothing_left(spark: Callable[..., nf.Pipeline]) -> Iterator[None]:
    """After the test, no executor holds a task or its memory, and there are no temporary files of ours."""
    yield
    driver = spark()._engine._opened()
    tasks, taken, *_, borrowed = driver.held(16)
    assert [tasks, taken, borrowed] == [0, 0, 0]
    assert [path for executor in processes.executors() for path in processes.files_of_tasks(executor)] == []


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the lines of users."""
    folder = tmp_path_factory.mktemp("source")
    users.write(folder)
    return folder


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an HDFS; it takes ten seconds to start."""
    with hadoop_server.started(tmp_path_factory.mktemp("hdfs")) as hadoop:
        yield hadoop.hdfs


@pytest.fixture(params=["local", "hdfs"])
def place(
    request: pytest.FixtureRequest, spark: Callable[..., nf.Pipeline], tmp_path: Path
) -> Iterator[places.Place]:
    """An empty folder for files; afterwards, no run has left anything beside what it should."""
    if request.param == "local":
        folder = tmp_path / "place"
        folder.mkdir()
        found: places.Place = places.Local(folder)
    else:
        engine = spark()._engine
        engine._opened()
        address = request.getfixturevalue("hdfs")
        found = places.Hdfs(engine._context, f"{address}/tmp/{tmp_path.name}")
        found.system.mkdirs(found.at(""))
    yield found
    assert [name for name in found.names() if name.startswith(".")] == []
