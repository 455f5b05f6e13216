"""Pipelines in executors that are processes of their own."""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import processes
import pytest

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")

WORDS = [f"w{number % 997}" for number in range(60_000)]
"""Enough for several tasks."""


class OddError(Exception):
    """An exception of the user."""


def word_counts(p: nf.Pipeline) -> dict[str, int]:
    return p.parallelize(WORDS).group_by(lambda word: word).apply_values(lambda group: group.count()).get()


def test_user_functions_run_in_other_processes(spark: Make) -> None:
    numbers = spark().parallelize([1, 2, 3])
    assert numbers.map(lambda x: x * 10).get() == [10, 20, 30]
    assert set(numbers.map(lambda x: os.getpid()).get()).isdisjoint({os.getpid()})


def test_a_shuffle_gives_what_local_gives(spark: Make) -> None:
    local = nf.Pipeline.create("local", host="in_process")
    assert word_counts(spark()) == word_counts(local)


def test_order_survives_exchanges(spark: Make) -> None:
    p = spark()
    numbers = p.parallelize(list(range(60_000)))
    assert numbers.map(lambda x: -x).sort().get() == list(range(-59_999, 1))
    cached = numbers.filter(lambda x: x % 3 == 0).cache()
    assert cached.get() == list(range(0, 60_000, 3))
    assert cached.union(cached).count().get() == 40_000


def test_a_stage_with_two_readers_runs_once(spark: Make, tmp_path: Path) -> None:
    calls = tmp_path / "calls"

    def called(x: int) -> int:
        with open(calls, "a") as file:
            file.write("x")
        return x

    p = spark()
    numbers = p.parallelize(list(range(50))).map(called)
    p.write(numbers, nf.output.TextFile(str(tmp_path / "a")))
    p.write(numbers.distinct(), nf.output.TextFile(str(tmp_path / "b")))
    p.run()
    assert len(calls.read_text()) == 50


def test_text_files_in_and_out(spark: Make, tmp_path: Path) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out"
    source.write_text("".join(f"{word}\n" for word in WORDS))
    p = spark()
    lines = p.read(nf.input.TextFile(str(source)))
    p.write(lines.filter(lambda word: word.endswith("7")), nf.output.TextFile(str(target)))
    p.run()
    written = [line for part in sorted(target.glob("part-*")) for line in part.read_text().split()]
    assert written == [word for word in WORDS if word.endswith("7")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out"]


def test_an_error_is_the_users_own_and_comes_at_once(spark: Make, tmp_path: Path) -> None:
    def fail(x: int) -> int:
        if x == 7:
            raise OddError("seven", x)
        return x

    p = spark()
    p.write(p.parallelize(list(range(10))).map(fail), nf.output.TextFile(str(tmp_path / "out")))
    with pytest.raises(OddError) as caught:
        p.run()
    assert caught.value.args == ("seven", 7)
    assert any("record: 7" in note for note in caught.value.__notes__)
    assert "fail" in str(caught.value.__cause__)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_that_comes_while_the_jvm_answers(spark: Make, tmp_path: Path) -> None:
    p = spark()
    for moment in range(3):
        busy = tmp_path / f"busy{moment}"

        def wait(x: int, busy: Path = busy) -> int:
            busy.touch()
            time.sleep(600)
            return x

        def interrupt(busy: Path = busy, moment: int = moment) -> None:
            while not busy.exists():
                time.sleep(0.02)
            time.sleep(moment * 0.017)
            _thread.interrupt_main()

        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            p.parallelize([1]).map(wait).get()
    assert p.parallelize([1]).map(lambda x: x + 1).get() == [2]


def test_interrupted_runs_leave_nothing(spark: Make) -> None:
    started = threading.Event()

    def stop(_: dict[str, Any]) -> None:
        if started.is_set() or time.monotonic() > begun + 8:
            raise KeyboardInterrupt

    begun = time.monotonic()
    p = spark()
    word_counts(p)
    p._engine._progress = stop

    def slow(x: int) -> int:
        time.sleep(60)
        return x

    threading.Timer(2, started.set).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        p.parallelize([1, 2]).map(slow).get()
    assert time.monotonic() - begun < 20
    p._engine._progress = False
    assert spark().parallelize([1]).map(lambda x: x + 1).get() == [2]


def test_the_loss_of_an_executor_changes_nothing(spark: Make) -> None:
    p = spark()
    words = p.parallelize(WORDS).map(lambda word: word + "!").cache()
    assert words.count().get() == len(WORDS)
    victims = processes.executors()
    assert len(victims) == 2
    os.kill(victims[0], signal.SIGKILL)
    counts = words.group_by(lambda word: word).apply_values(lambda group: group.count()).get()
    assert counts == {f"w{number}!": WORDS.count(f"w{number}") for number in range(997)}


def test_the_loss_of_a_worker_process_changes_nothing(spark: Make, tmp_path: Path) -> None:
    once = tmp_path / "once"

    def die_once(x: int) -> int:
        try:
            once.touch(exist_ok=False)
        except FileExistsError:
            return x
        os.kill(os.getpid(), signal.SIGKILL)
        return x

    assert spark().parallelize(list(range(100))).map(die_once).get() == list(range(100))


def test_shuffles_do_not_sort_objects(spark: Make) -> None:
    engine = spark()._engine
    engine._opened()
    context = engine._context
    empty = context._jsc.emptyRDD().rdd()
    nowhere = getattr(context._jvm.scala.collection.immutable, "Set$").__getattr__("MODULE$").empty()
    for channels, kind in ((10, "BypassMergeSortShuffleHandle"), (500, "SerializedShuffleHandle")):
        shuffled = context._jvm.nestflow.spark.Channels.shuffled(empty, channels, nowhere)
        handle = shuffled.dependencies().head().shuffleHandle()
        assert handle.getClass().getSimpleName() == kind


def test_sessions_that_cannot_be_used(spark: Make) -> None:
    connect = type("SparkSession", (), {"__module__": "pyspark.sql.connect.session"})()
    with pytest.raises(nf.errors.NestflowRuntimeException, match="Spark Connect"):
        nf.Pipeline.create("spark", session=connect).parallelize([1]).get()
    with pytest.raises(nf.errors.NestflowRuntimeException, match="SparkSession"):
        nf.Pipeline.create("spark", session=object()).parallelize([1]).get()


def test_what_all_tasks_read_is_fetched_once_by_an_executor(spark: Make) -> None:
    p = spark()
    numbers = p.parallelize(list(range(80_000)))
    total = numbers.sum().cache()
    total.get()
    large = numbers.filter(lambda x, whole: x * 40_001 > whole, total)
    assert large.get() == list(range(79_998, 80_000))
    store = p._engine._context._jsc.sc().statusStore()
    jobs = store.jobsList(None)  # the newest first
    stages = jobs.apply(0).stageIds()
    data = store.lastStageAttempt(max(stages.apply(number) for number in range(stages.size())))
    assert data.numTasks() >= 4
    assert 1 <= data.shuffleReadRecords() <= 2  # one block, two executors


def test_what_a_run_kept_is_made_again_although_it_also_wrote(spark: Make, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("\n".join(WORDS) + "\n")
    p = spark()
    words = p.read(nf.input.TextFile(str(tmp_path / "source"))).map(lambda word: word + "!")
    p.write(words, nf.output.TextFile(str(tmp_path / "out")))
    kept = words.distinct().cache()
    assert kept.count().get() == 997
    written = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for victim in processes.executors():
        os.kill(victim, signal.SIGKILL)
    assert sorted(kept.map(lambda word: word[:-1]).get()) == sorted(set(WORDS))
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]
