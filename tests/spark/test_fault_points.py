"""Something goes wrong at a chosen point of a run, and its answers and outputs are those of a run in peace.

The record at which it happens is drawn from a seed; `make soak` tries each fault 50 times, and the death of
an executor as often at each of its points.
"""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING, Any

import processes
import pytest
from points import Point
from users import EXPECTED, LINES
from waiting import eventually

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")

TIMES = int(os.environ.get("NESTFLOW_FAULTS", "2"))
"""How often each fault is tried, over all of its points, but once at each at least."""

DEATHS = int(os.environ.get("NESTFLOW_FAULTS", "1"))
"""How often an executor dies, at each point."""

EVERYWHERE = ["shuffle write", "shuffle read", "cache read", "output"]

POINTS = {
    "an executor dies": EVERYWHERE,
    "a worker dies": EVERYWHERE,
    "a worker is stopped": EVERYWHERE,
    "the first attempt is killed": EVERYWHERE,
    "the run is cancelled": ["shuffle write", "cache read", "output"],
    "the files of a shuffle are lost": ["shuffle read"],
}
"""What happens, and where."""

CASES = [
    pytest.param(fault, where, seed, id=f"{fault} at {where} {seed}")
    for fault, points in POINTS.items()
    for where in points
    for seed in range(DEATHS if fault == "an executor dies" else -(-TIMES // len(points)))
]


def same(x: Any) -> Any:
    return x


def work(p: nf.Pipeline, source: Path, target: Path, where: str, point: Point) -> None:
    """Keep, shuffle and write, with the point in one place; compare."""

    def at(place: str) -> Callable[[Any], Any]:
        return point if place == where else same

    users = p.read(nf.input.TextFile(str(source))).map(lambda line: line.split()[0]).cache()
    assert users.count().get() == len(LINES)
    passed = users.map(at("cache read")).filter(lambda user: user != "nobody").map(at("shuffle write"))
    counts = passed.group_by(lambda user: user).apply_values(lambda group: group.count()).flatten()
    p.write(users.map(at("output")), nf.output.TextFile(str(target)))
    reader = at("shuffle read")
    assert dict(counts.map(lambda pair: (reader(pair[0]), pair[1])).get()) == EXPECTED
    written = [line for part in sorted(target.glob("part-*")) for line in part.read_text().splitlines()]
    assert sorted(written) == sorted(line.split()[0] for line in LINES)


def kill_attempts(p: nf.Pipeline) -> bool:
    """Kill all tasks that run; say whether there was one."""
    context = p._engine._context._jsc.sc()  # type: ignore[attr-defined]
    store = context.statusStore()
    stages = store.activeStages()
    killed = False
    for stage in [stages.apply(number) for number in range(stages.size())]:
        tasks = store.taskList(stage.stageId(), stage.attemptId(), 1000)
        for task in [tasks.apply(number) for number in range(tasks.size())]:
            if task.status() == "RUNNING":
                killed = context.killTaskAttempt(task.taskId(), False, "a test") or killed
    return killed


def kill_what_runs(p: nf.Pipeline) -> None:
    """Kill all tasks as soon as there are any."""
    # Spark's listeners hear of tasks a moment after they have begun.
    until = time.monotonic() + 10
    while not kill_attempts(p):
        assert time.monotonic() < until
        time.sleep(0.02)


def is_gone(process: int) -> bool:
    """Whether a process has ended, and whoever began it knows."""
    return eventually(lambda: not os.path.exists(f"/proc/{process}"), 20)


def lose_the_files_of_shuffles() -> None:
    """Remove what shuffles have written so far, on both executors; who has read it does not notice."""
    folders = [folder for executor in processes.executors() for folder in processes.folders(executor)]
    files = [path for folder in folders for path in folder.glob("blockmgr-*/*/shuffle_*")]
    assert files
    for path in files:
        path.unlink(missing_ok=True)


@pytest.mark.parametrize(("fault", "where", "seed"), CASES)
def test_a_fault_at_a_point(
    spark: Make, source: Path, tmp_path: Path, fault: str, where: str, seed: int
) -> None:
    p = spark()
    point = Point(tmp_path, random.Random(f"{fault} {where} {seed}").choice(sorted(EXPECTED)))
    (tmp_path / "data").mkdir()
    target = tmp_path / "data" / "out"
    stopped: list[int] = []

    def happen(process: int) -> None:
        if fault == "an executor dies":
            victim = processes.jvm_of(process)
            assert victim in processes.executors()
            os.kill(victim, signal.SIGKILL)
        elif fault == "a worker dies":
            assert process in processes.workers()
            os.kill(process, signal.SIGKILL)
        elif fault == "the run is cancelled":
            p.cancel()
        elif fault == "the files of a shuffle are lost":
            lose_the_files_of_shuffles()
        elif fault == "a worker is stopped":
            assert process in processes.workers()
            os.kill(process, signal.SIGSTOP)
            stopped.append(process)
            kill_what_runs(p)
        else:
            kill_what_runs(p)

    with point.happens(happen):
        if fault == "the run is cancelled":
            with pytest.raises(nf.errors.RunCancelledException):
                work(p, source, target, where, point)
            assert not target.exists()
        else:
            work(p, source, target, where, point)
    assert point.was_reached
    assert len(stopped) == (fault == "a worker is stopped")
    assert all(map(is_gone, stopped))
    processes.leave_nothing(tmp_path / "data")
    if fault == "the run is cancelled":  # nothing of it is in the way of the next
        work(spark(), source, target, where, point)


@pytest.mark.parametrize("seed", range(TIMES))
def test_first_attempts_fail_while_they_read(spark: Make, tmp_path: Path, seed: int) -> None:
    """What a part comes from fails, when native code has been given some of its records."""
    p = spark()
    p._engine._opened()  # type: ignore[attr-defined]
    dice = random.Random(f"attempts {seed}")
    bad = set(dice.sample(range(len(LINES)), 3))
    failed = tmp_path / "failed"

    def read(lines: Iterator[tuple[str, int]]) -> Iterator[str]:
        from pyspark import TaskContext

        for line, number in lines:
            if number in bad and TaskContext.get().attemptNumber() == 0:
                (failed / str(number)).touch()
                raise ConnectionError(f"line {number} cannot be reached")
            yield line

    failed.mkdir()
    context = p._engine._context  # type: ignore[attr-defined]
    numbered = context.parallelize(LINES, 6).zipWithIndex()
    users = p.read(nf.from_spark(numbered.mapPartitions(read))).map(lambda line: line.split()[0]).cache()
    (tmp_path / "data").mkdir()
    p.write(users, nf.output.TextFile(str(tmp_path / "data" / "out")))
    counts = users.group_by(lambda user: user).apply_values(lambda group: group.count())
    assert counts.get() == EXPECTED
    parts = sorted((tmp_path / "data" / "out").glob("part-*"))
    written = [line for part in parts for line in part.read_text().splitlines()]
    assert written == [line.split()[0] for line in LINES]
    assert any(failed.iterdir())
    processes.leave_nothing(tmp_path / "data")


@pytest.mark.parametrize("seed", range(TIMES))
def test_an_executor_dies_at_commit(spark: Make, source: Path, tmp_path: Path, seed: int) -> None:
    """All tasks are done; what they wrote is not in its place yet, and what is kept will be read again."""
    p = spark()
    dice = random.Random(f"commit {seed}")
    engine: Any = p._engine
    execute, killed = engine._execute, []

    def executed(*arguments: Any) -> Any:
        answer = execute(*arguments)
        killed.append(processes.executors())
        assert processes.kill(processes.executors, dice)
        return answer

    target = tmp_path / "out"
    users = p.read(nf.input.TextFile(str(source))).map(lambda line: line.split()[0]).cache()
    p.write(users.sort(), nf.output.TextFile(str(target)))
    engine._execute = executed
    p.run()
    engine._execute = execute
    assert [len(found) for found in killed] == [2]
    written = [line for part in sorted(target.glob("part-*")) for line in part.read_text().splitlines()]
    assert written == sorted(line.split()[0] for line in LINES)
    processes.leave_nothing(tmp_path)
    assert users.count().get() == len(LINES)
