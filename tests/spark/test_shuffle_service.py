"""Spark's external shuffle service: what an executor has written outlives it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING
from unittest.mock import ANY

import processes
import standalone
from on_spark import CONF
from points import Point
from waiting import eventually

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RECORDS, GROUPS = 100, 8


class Noting:
    """Notes each record and the executor where it was seen, of which it waits for a second one."""

    def __init__(self, file: Path) -> None:
        self._file = str(file)

    def __call__(self, x: int) -> int:
        """Give the record."""
        with open(self._file, "a") as file:
            file.write(f"{x} {processes.jvm_of(os.getpid())}\n")
        assert eventually(lambda: len({executor for _, executor in noted(self._file)}) > 1, 60)
        return x


def noted(file: str) -> list[tuple[int, int]]:
    """The records that were seen, and where."""
    with open(file) as lines:
        pairs = [line.split() for line in lines if line.endswith("\n")]
    return [(int(record), int(executor)) for record, executor in pairs]


def test_nothing_is_done_again_where_an_executor_dies(
    spark: Callable[..., nf.Pipeline], tmp_path: Path
) -> None:
    engine = spark()._engine
    engine._opened()
    engine._context.stop()
    seen, point, port = tmp_path / "seen", Point(tmp_path, ANY), standalone.free_port()

    def waits_elsewhere(executors: set[int]) -> bool:
        with suppress(FileNotFoundError):  # it has died with its executor
            return processes.jvm_of(int((tmp_path / "reached").read_text())) not in executors
        return False

    def others_die(waiting: int) -> None:
        here, found = processes.jvm_of(waiting), {executor for _, executor in noted(str(seen))}
        assert here in found
        assert found == {*processes.executors()}
        for process in found:
            if process != here:
                os.kill(process, signal.SIGKILL)
        # Who is left may know where the files are. A new one has to ask.
        assert eventually(lambda: waits_elsewhere(found), 60)

    service = {"shuffle_service_enabled": "true", "shuffle_service_port": str(port)}
    with standalone.cluster(tmp_path, workers=1, cores=2, **service) as address:
        conf = {
            **CONF,
            "spark.master": address,
            "spark.executor.cores": "1",
            "spark.executor.memory": "512m",
            "spark.default.parallelism": "4",
            "spark.shuffle.service.enabled": "true",
            "spark.shuffle.service.port": str(port),
        }
        p = nf.Pipeline.create("spark", spark_conf=conf, progress=False)
        try:
            records = p.parallelize(list(range(RECORDS))).map(Noting(seen))
            groups = records.group_by(lambda x: x % GROUPS, concurrency=GROUPS)
            sums = groups.apply_values(lambda group: group.sum()).flatten()
            with point.happens(others_die):
                found = dict(sums.map(lambda pair: (point(pair[0]), pair[1])).get())
        finally:
            p._engine._context.stop()
    assert point.was_reached
    assert found == {key: sum(range(key, RECORDS, GROUPS)) for key in range(GROUPS)}
    assert sorted(record for record, _ in noted(str(seen))) == list(range(RECORDS))
