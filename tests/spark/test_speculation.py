"""Two attempts at a task at the same time.

Spark starts a second attempt on another machine only, so this is a small cluster of its own: a master,
and two workers under different addresses of this machine.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from on_spark import CONF
from places import Hdfs
from slow import Slow
from test_files import LINES, written

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TIMES = int(os.environ.get("NESTFLOW_FAULTS", "2"))
"""How many runs with a slow record are tried, each with another one."""

SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "50ms",
    "spark.speculation.multiplier": "1.1",
    "spark.speculation.quantile": "0.3",
    "spark.speculation.minTaskRuntime": "100ms",
    "spark.executor.memory": "512m",
}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The address of a cluster."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    deploy = "org.apache.spark.deploy"
    address = f"spark://127.0.0.1:{port}"
    master = [f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    options = ["--cores", "1", "--memory", "1g", "--webui-port", "0", "--work-dir", str(tmp_path / "work")]
    workers = [[f"{deploy}.worker.Worker", "--host", f"127.0.0.{i}", *options, address] for i in (2, 3)]
    start = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{os.environ['SPARK_HOME']}/jars/*"]
    # What Spark's scripts set, and the code that starts executors looks for.
    environment = {**os.environ, "SPARK_SCALA_VERSION": "2.13"}
    with (tmp_path / "log").open("wb") as log:
        servers = [
            subprocess.Popen(
                [*start, *server], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
            for server in (master, *workers)
        ]
    yield address
    for server in servers:
        server.terminate()
    for server in servers:
        server.wait()


def test_both_attempts_write_and_one_counts(
    spark: Callable[..., nf.Pipeline], cluster: str, hdfs: str, tmp_path: Path
) -> None:
    engine = spark()._engine
    engine._opened()
    engine._context.stop()
    settings = {**CONF, **SPECULATION, "spark.master": cluster}
    p = nf.Pipeline.create("spark", spark_conf=settings, progress=False)
    place = None
    try:
        for seed in range(TIMES):
            slow = Slow(tmp_path / str(seed), LINES, random.Random(f"slow {seed}").randrange(len(LINES)))
            lines = p.parallelize(list(range(len(LINES)))).map(slow)
            p.write(lines, nf.output.TextFile(f"{hdfs}/tmp/{tmp_path.name}/out"))
            p.run()
            place = place or Hdfs(p._engine._context, f"{hdfs}/tmp/{tmp_path.name}")
            assert slow.second.exists()
            assert written(place, "out") == LINES
            assert place.names() == ["out"]
    finally:
        p._engine._context.stop()
