"""What a run is to Spark: jobs, stages and their names, attempts, counters, as its status store has them."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import processes
import pytest
from jvm_logs import FOLDER
from waiting import eventually

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")

WORDS = [f"w{number % 997}" for number in range(60_000)]
"""Enough for several tasks."""


def listed(sequence: Any) -> list[Any]:
    """A sequence of Scala's as a list."""
    return [sequence.apply(number) for number in range(sequence.size())]


def store(p: nf.Pipeline) -> Any:
    p._engine._opened()  # type: ignore[attr-defined]
    return p._engine._context._jsc.sc().statusStore()  # type: ignore[attr-defined]


def jobs(p: nf.Pipeline) -> list[Any]:
    """The jobs of nestflow so far, the oldest first, as soon as all of them have ended."""
    until = time.monotonic() + 30
    while True:
        all_jobs = [job for job in listed(store(p).jobsList(None)) if "nestflow-" in str(job.jobGroup())]
        if all(str(job.status()) != "RUNNING" for job in all_jobs) or time.monotonic() > until:
            return sorted(all_jobs, key=lambda job: int(job.jobId()))
        time.sleep(0.05)


def stages(p: nf.Pipeline, job: Any) -> list[Any]:
    """The stages of a job, in their order."""
    return [store(p).lastStageAttempt(number) for number in sorted(listed(job.stageIds()))]


def test_all_results_of_a_run_are_one_job(spark: Make, tmp_path: Path) -> None:
    p = spark()
    before = len(jobs(p))
    words = p.parallelize(WORDS).map(str.upper)
    p.write(words, nf.output.TextFile(str(tmp_path / "all")))
    p.write(words.distinct(), nf.output.TextFile(str(tmp_path / "different")))
    counts = words.group_by(lambda word: word).apply_values(lambda group: group.count()).cache()
    numbers = p.parallelize([1, 2, 3]).map(lambda x: x + 1).cache()
    p.run()
    assert eventually(lambda: len(jobs(p)) == before + 1)
    # The last stage is the union of all that comes out: a part at least of each of the four.
    *_, last = stages(p, jobs(p)[-1])
    assert last.numTasks() >= 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all", "different"]
    assert counts.get()["W1"] == WORDS.count("w1")
    assert numbers.get() == [2, 3, 4]


def test_stages_have_the_lines_of_transforms_and_counters(spark: Make) -> None:
    p = spark()
    words = p.parallelize(WORDS).map(lambda word: word + "!")
    table = words.group_by(lambda word: word).apply_values(lambda group: group.count())
    assert len(table.get()) == 997
    own = [stages(p, job) for job in jobs(p)][-1]
    assert [stage.numTasks() for stage in own] == [stage["tasks"] for stage in p.last_run["stages"]]
    assert "group_by" in p.last_run["stages"][0]["name"]
    assert "test_jobs.py:" in own[0].name()
    for stage, told in zip(own, p.last_run["stages"], strict=True):
        # Spark does not show what is 0.
        shown = {each.name(): int(each.value()) for each in listed(stage.accumulatorUpdates())}
        assert shown.get("nestflow: rows read", 0) == told["rows"]
        assert shown.get("nestflow: rows put out", 0) == told["rows_out"]
        assert shown.get("nestflow: bytes put out", 0) == told["bytes"] > 0
        assert shown.get("nestflow: ns in user functions", 0) / 1e9 == told["host_seconds"]
    assert own[0].shuffleWriteBytes() > 0 and own[-1].shuffleReadBytes() > 0


def test_an_error_of_the_user_ends_the_run_at_its_first_attempt(spark: Make, tmp_path: Path) -> None:
    """Spark starts another one at once, for it knows nothing of us; it does not come to its end."""
    begun, failures = tmp_path / "begun", tmp_path / "failures"

    def fail(x: int) -> int:
        if x == 7:
            if begun.exists():
                time.sleep(60)
            begun.touch()
            with failures.open("a") as file:
                file.write("x")
            raise LookupError(x)
        return x

    p = spark()
    with pytest.raises(LookupError):
        p.parallelize(list(range(10))).map(fail).get()
    assert str(jobs(p)[-1].status()) == "FAILED"
    assert failures.read_text() == "x"


def test_progress_is_that_of_sparks_stages(spark: Make, tmp_path: Path) -> None:
    """Each stage waits until something was told: of the run, and of the tasks before it."""
    p = spark()
    told, done = tmp_path / "told", tmp_path / "done"
    seen: list[dict[str, Any]] = []

    def progress(event: dict[str, Any]) -> None:
        seen.append(event)
        told.touch()
        if event["tasks_done"]:
            done.touch()

    p._engine._progress = progress  # type: ignore[attr-defined]

    def when(sign: Path) -> Callable[[Any], bool]:
        def waited(record: Any) -> bool:
            until = time.monotonic() + 60
            while not sign.exists() and time.monotonic() < until:
                time.sleep(0.02)
            return True

        return waited

    words = p.parallelize(WORDS).filter(when(told)).group_by(lambda word: word)
    assert len(words.apply_values(lambda group: group.count().map(when(done))).get()) == 997
    [job] = jobs(p)[-1:]
    own = stages(p, job)
    assert max(event["stages"] for event in seen) == len(own) == 2
    assert max(event["tasks"] for event in seen) == sum(stage.numTasks() for stage in own)
    tasks = [event["tasks_done"] for event in seen]
    assert tasks == sorted(tasks) and 0 < max(tasks) <= sum(stage.numTasks() for stage in own)


def test_losing_an_executor_runs_only_its_parts_again(spark: Make, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    calls.touch()

    def called(x: int) -> int:
        if x % 1000 == 0:
            with calls.open("a") as file:
                file.write(f"{x} {processes.jvm_of(os.getpid())}\n")
        return x

    def made() -> dict[int, int]:
        """Who made which records."""
        return {int(x): int(executor) for x, executor in map(str.split, calls.read_text().splitlines())}

    p = spark()
    numbers = p.parallelize(list(range(120_000))).map(called).cache()
    assert numbers.count().get() == 120_000
    first = made()
    assert sorted(first) == list(range(0, 120_000, 1000))
    victim = first[0]
    lost = {x for x, executor in first.items() if executor == victim}
    assert victim in processes.executors() and len(lost) < len(first)
    calls.write_text("")
    assert numbers.count().get() == 120_000
    assert made() == {}  # what is kept is not made again
    os.kill(victim, signal.SIGKILL)
    assert numbers.map(lambda x: -x).sum().get() == -sum(range(120_000))
    assert set(made()) == lost


def test_what_has_no_order_of_its_own_makes_a_stage_indeterminate(spark: Make) -> None:
    """Spark then makes all of it again where it would have to make some of it again."""
    p = spark()
    p._engine._opened()  # type: ignore[attr-defined]
    from pyspark.sql import SparkSession  # type: ignore[import-not-found, unused-ignore]

    from nestflow.engine.spark.frames import parts

    context = p._engine._context  # type: ignore[attr-defined]
    frames = context._jvm.nestflow.spark.Frames
    session = SparkSession.builder.getOrCreate()

    def level(data: Any) -> str:
        return str(frames.blocks(parts(context, data)[0]).outputDeterministicLevel())

    plain = session.range(100)
    assert level(plain) == "DETERMINATE"
    assert level(plain.groupBy((plain.id % 7).alias("k")).count()) == "INDETERMINATE"
    assert level(context.parallelize(range(100), 4)) == "DETERMINATE"
    assert level(context.parallelize(range(100), 4).map(lambda x: (x % 3, x)).groupByKey()) == "INDETERMINATE"


def test_the_calls_of_all_jvms_are_checked(spark: Make) -> None:
    assert spark().parallelize(WORDS).map(len).sum().get() == sum(map(len, WORDS))
    logs = [log.read_text(errors="replace") for log in FOLDER.glob("*.log")]
    # The driver and two executors; those that were killed may have said nothing.
    assert sum("-Xcheck:jni" in log for log in logs) >= 3
