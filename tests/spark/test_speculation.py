"""Two attempts at a task at the same time.

Spark starts a second attempt on another machine only, so these are two workers under different addresses.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
import standalone
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
    with standalone.cluster(tmp_path, workers=2) as address:
        yield address


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
