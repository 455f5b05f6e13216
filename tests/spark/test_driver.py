"""What the driver's half does in moments that are hard to meet, and how it reads Spark's settings."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import apart
import pytest
from on_spark import CONF
from waiting import eventually

import nestflow as nf
from nestflow.engine.spark import engine as engines
from nestflow.engine.spark.sizing import sizing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")


@pytest.fixture
def engine(spark: Make) -> Any:
    engine = spark()._engine
    engine._opened()  # type: ignore[attr-defined]
    return engine


def field(of: Any, name: str) -> Any:
    """A private field of an object of the JVM."""
    [found] = [each for each in of.getClass().getDeclaredFields() if each.getName().split("$")[-1] == name]
    found.setAccessible(True)
    return found.get(of)


@pytest.mark.parametrize("wait", [0, 0.001, 0.01, 0.1])
def test_a_cancel_that_comes_before_the_job(spark: Make, tmp_path: Path, wait: float) -> None:
    """Spark knows nothing of the job group yet; the run ends all the same, and at once."""
    p = spark()
    engine: Any = p._engine
    driver = engine._opened()

    class Hasty:
        """Cancels each run when it has just begun."""

        def __getattr__(self, name: str) -> Any:
            return getattr(driver, name)

        def start(self, description: str, path: str) -> int:
            run: int = driver.start(description, path)
            time.sleep(wait)
            driver.cancel(run)
            return run

    engine._driver = Hasty()
    mark = tmp_path / "slept"

    def sleep(x: int) -> int:
        time.sleep(120)
        mark.touch()
        return x

    try:
        with pytest.raises(nf.errors.NestflowRuntimeException, match="cancel"):
            p.parallelize([1, 2, 3]).map(sleep).get()
    finally:
        engine._driver = driver
    assert not mark.exists()


def test_a_run_that_cannot_say_what_went_wrong_has_failed(spark: Make, tmp_path: Path) -> None:
    """Its thread is interrupted when it fails, and again when it asks for the reason."""
    p = spark()
    engine: Any = p._engine
    driver = engine._opened()
    begun = tmp_path / "begun"

    class Hasty:
        """Ends the thread of each run."""

        def __getattr__(self, name: str) -> Any:
            return getattr(driver, name)

        def start(self, description: str, path: str) -> int:
            run: int = driver.start(description, path)
            assert eventually(begun.exists)
            driver.cancel(run)
            threads = engine._context._jvm.Thread.getAllStackTraces().keySet()
            [thread] = [
                each for each in threads if each.getName().startswith("nestflow-") and each.isDaemon()
            ]
            while thread.isAlive():
                thread.interrupt()
            return run

    def sleep(x: int) -> int:
        begun.touch()
        time.sleep(120)
        return x

    def message() -> str:
        begun.unlink(missing_ok=True)
        with pytest.raises(nf.errors.NestflowRuntimeException) as caught:
            p.parallelize([1, 2, 3]).map(sleep).get()
        return str(caught.value)

    engine._driver = Hasty()
    try:
        # The reason may come before the interrupt does. However that is, no run has succeeded.
        assert any("cannot say why" in message() for _ in range(10))
    finally:
        engine._driver = driver


def test_ctrl_c_waits_until_an_explanation_has_asked_about_files(
    spark: Make, hdfs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, p = f"{hdfs}/tmp/explained", spark()
    p.write(p.parallelize(["one"]), nf.output.TextFile(path))
    p.run()
    asking, answers = engines.asking, []

    def interrupted(*arguments: Any) -> Callable[[str, str, str], str | None]:
        ask = asking(*arguments)

        def answer(operation: str, path: str, other: str) -> str | None:
            os.kill(os.getpid(), signal.SIGINT)
            answers.append(ask(operation, path, other))
            return answers[-1]

        return answer

    monkeypatch.setattr(engines, "asking", interrupted)
    counts = p.read(nf.TextFile(path)).group_by(len).apply_values(nf.transforms.count)
    with pytest.raises(KeyboardInterrupt):
        counts.explain("stages")
    assert any(path in str(answer) for answer in answers)
    monkeypatch.undo()
    assert "stage" in counts.explain("stages")


@pytest.mark.parametrize("fails", ["close", "remove"])
def test_what_a_client_has_to_give_back_goes_one_by_one(fails: str) -> None:
    gone = []

    class Held:
        def close(self) -> None:
            self._give("close")

        def remove(self) -> None:
            self._give("remove")

        def _give(self, what: str) -> None:
            gone.append(what)
            if what == fails:
                raise ConnectionError(what)

    held: Any = Held()
    engines._close(held, held)
    assert gone == ["close", "remove"]


def test_what_spark_has_forgotten_is_forgotten(spark: Make, engine: Any) -> None:
    p = spark()
    faults = field(p._engine._opened(), "faults")  # type: ignore[attr-defined]
    for _ in range(3):
        words = p.parallelize(["a", "b"] * 100)
        assert words.distinct().count().get() == 2
        with pytest.raises(ZeroDivisionError):
            words.group_by(lambda word: word).apply_values(lambda group: group.map(lambda _: 1 / 0)).get()
    for name in ("groups", "found"):
        assert eventually(lambda name=name: field(faults, name).size() == 0), name  # type: ignore[misc]


def test_what_goes_wrong_in_a_fetch_is_an_error_of_ours(spark: Make, tmp_path: Path) -> None:
    """Parts of a kept dataset are lost, and the file that they were made of has changed."""
    p = spark()
    path = tmp_path / "lines"
    path.write_text("".join(f"{number} {'x' * 100}\n" for number in range(60_000)))
    lines = p.read(nf.TextFile(f"file://{path}")).cache()
    p.run()
    kept = p._engine._context._jsc.getPersistentRDDs()  # type: ignore[attr-defined]
    for number in list(kept):
        kept[number].unpersist(True)
    with path.open("a") as file:
        file.write("more\n")
    with pytest.raises(
        nf.errors.InvalidDataException, match=f"{path}: the file has changed since the run began"
    ):
        lines.get()


def lenders(engine: Any, unused: Any) -> tuple[Any, Any]:
    """Two that borrow for one task; the first asks `unused` for what it can do without."""
    jvm = engine._context._jvm
    task = getattr(getattr(jvm.org.apache.spark, "TaskContext$"), "MODULE$").empty()
    # One of its own: looking for methods of SparkEnv loads classes that pip's Spark 4 does not have.
    manager = jvm.org.apache.spark.memory.UnifiedMemoryManager.apply(engine._context._jsc.sc().conf(), 1)
    memory = jvm.org.apache.spark.memory.TaskMemoryManager(manager, 1 << 40)
    [place] = [each for each in task.getClass().getDeclaredFields() if each.getName() == "taskMemoryManager"]
    place.setAccessible(True)
    place.set(task, memory)
    make = jvm.org.apache.spark.nestflow.TaskMemory
    return make(task, unused), make(task, None)


def next_of(engine: Any, numbers: Any) -> Any:
    """A function of Scala that gives the next one of an iterator with each call."""
    jvm = engine._context._jvm
    invoke, kind = jvm.java.lang.invoke, jvm.java.lang.Class.forName("java.util.PrimitiveIterator$OfLong")
    of = invoke.MethodType.methodType(jvm.java.lang.Long.TYPE)
    following = invoke.MethodHandles.publicLookup().findVirtual(kind, "nextLong", of).bindTo(numbers)
    function = jvm.java.lang.Class.forName("scala.Function0")
    return invoke.MethodHandleProxies.asInterfaceInstance(function, following)


def test_spark_gets_back_what_a_task_has_borrowed_and_not_taken(engine: Any) -> None:
    numbers = engine._context._jvm.java.util.stream.LongStream.range(100, 103).iterator()
    consumer, other = lenders(engine, next_of(engine, numbers))
    assert consumer.acquire(1024) == 1024
    # Nobody makes room for himself.
    assert consumer.spill(500, consumer) == 0
    assert consumer.getUsed() == 1024
    assert [consumer.spill(500, other) for _ in range(2)] == [100, 101]
    assert consumer.getUsed() == 1024 - 201
    assert numbers.nextLong() == 102
    consumer.close()
    assert consumer.getUsed() == 0


def test_an_interrupt_stays_with_the_thread_that_it_was_for(engine: Any) -> None:
    """A native thread that was woken, too late for what it waited for, does not take the interrupt along."""
    jvm = engine._context._jvm
    consumer, _ = lenders(engine, None)
    consumer.cancel()
    seen: list[Any] = []

    def native() -> None:
        thread = jvm.java.lang.Thread.currentThread()
        thread.interrupt()
        seen.append((thread.getId(), consumer.acquire(1024), thread.isInterrupted()))

    other = threading.Thread(target=native)
    other.start()
    other.join()
    me = jvm.java.lang.Thread.currentThread()
    [(thread, got, interrupted)] = seen
    assert thread != me.getId()
    assert (got, interrupted) == (0, False)
    # That of the task itself is Spark's, and stays.
    me.interrupt()
    assert consumer.acquire(1024) == 0
    assert jvm.java.lang.Thread.interrupted()
    consumer.close()


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        ({"executor.memory": "1g"}, "192 MiB"),
        ({"executor.memoryOverhead": "700"}, "350 MiB"),
        ({"executor.memoryOverhead": "1g"}, "512 MiB"),
        ({"executor.memory": "10240"}, "512 MiB"),
        ({"executor.memory": "1g", "executor.memoryOverheadFactor": "0.5"}, "256 MiB"),
        ({"nestflow.memory": "104857600"}, "100 MiB"),
        ({"nestflow.memory": "100m"}, "100 MiB"),
        ({"memory.offHeap.enabled": "true", "memory.offHeap.size": "209715200"}, "200 MiB"),
        ({"memory.offHeap.enabled": "true", "memory.offHeap.size": "200m"}, "200 MiB"),
    ],
)
def test_settings_with_a_unit_and_without(settings: dict[str, str], share: str) -> None:
    conf = {f"spark.{name}": value for name, value in settings.items()}
    assert f"share {share} " in sizing(conf, "yarn", 1).rule


@pytest.mark.parametrize(
    ("settings", "master", "slots", "limit"),
    [
        ({"executor.memoryOverhead": "4g"}, "yarn", 2, 1024),
        ({"executor.memoryOverhead": "4g"}, "k8s://https://there", 4, 512),
        # Less than an interpreter needs is not worth a limit.
        ({}, "yarn", 4, 256),
        ({"executor.pyspark.memory": "512"}, "yarn", 4, 128),
        ({"executor.pyspark.memory": "512"}, "local[2]", 2, 256),
        # Nobody counts what these take.
        ({"executor.memoryOverhead": "4g"}, "spark://there:7077", 2, None),
        ({}, "local[2]", 2, None),
    ],
)
def test_worker_processes_are_limited(
    settings: dict[str, str], master: str, slots: int, limit: int | None
) -> None:
    size = sizing({f"spark.{name}": value for name, value in settings.items()}, master, slots)
    assert size.worker == (None if limit is None else limit << 20)
    assert (f"a worker process may take {limit} MiB" in size.rule) == (limit is not None)


@pytest.mark.parametrize(
    ("settings", "master", "slots", "much"),
    [
        ({}, "yarn", 4, "native code may take 192 MiB and worker processes 4 x 256 MiB, but"),
        ({}, "k8s://https://there", 1, "native code may take 192 MiB and worker processes 1 x 256 MiB, but"),
        ({"executor.memoryOverhead": "2g"}, "yarn", 4, None),
        (
            {"executor.memoryOverhead": "2g"},
            "yarn",
            5,
            "native code may take 1024 MiB and worker processes 5 x",
        ),
        ({"executor.memoryOverhead": "2g", "nestflow.memory": "1g"}, "yarn", 4, None),
        (
            {"executor.memoryOverhead": "2g", "nestflow.memory": "1025m"},
            "yarn",
            4,
            "may take 1025 MiB and worker",
        ),
        ({"memory.offHeap.size": "9g", "executor.memoryOverhead": "1g"}, "yarn", 4, None),
        ({"memory.offHeap.size": "9g"}, "yarn", 4, "worker processes may take 4 x 256 MiB, but"),
        # Spark grants these beside the overhead.
        ({"executor.pyspark.memory": "4g"}, "yarn", 4, None),
        (
            {"executor.pyspark.memory": "4g", "nestflow.memory": "1g"},
            "yarn",
            4,
            "native code may take 1024 MiB, but",
        ),
        ({"nestflow.memory": "1g"}, "spark://there:7077", 4, "native code may take 1024 MiB, but"),
        ({}, "spark://there:7077", 4, None),
        ({"nestflow.memory": "1g"}, "local[4]", 4, None),
    ],
)
def test_what_an_executor_may_take_has_room_in_its_overhead_or_is_warned_of(
    settings: dict[str, str], master: str, slots: int, much: str | None
) -> None:
    conf = {f"spark.{name}": value for name, value in settings.items()}
    if "memory.offHeap.size" in settings:
        conf["spark.memory.offHeap.enabled"] = "true"
    warning = sizing(conf, master, slots).warning
    assert warning is None if much is None else much in str(warning)


@pytest.mark.parametrize(
    ("settings", "slots", "memory"),
    [
        ({}, 2, 512 - 2 * 3 * 8),
        ({}, 16, 512 - 16 * 3 * 1),
        ({"buffer.pageSize": "2m"}, 2, 512 - 2 * 3 * 2),
        ({"buffer.pageSize": "1g"}, 2, 256),
        ({"memory.storageFraction": "0.0"}, 2, 512 - 2 * 3 * 16),
        ({"memory.offHeap.size": "8m"}, 2, 4),
    ],
)
def test_pages_are_left_to_the_writer_of_spark(settings: dict[str, str], slots: int, memory: int) -> None:
    given = {"memory.offHeap.enabled": "true", "memory.offHeap.size": "512m", **settings}
    size = sizing({f"spark.{name}": value for name, value in given.items()}, "yarn", slots)
    assert size.memory == memory << 20


TWICE = """
    import nestflow as nf

    numbers = [number * 7919 % 100_003 for number in range(100_000)]
    for memory in ("256m", "8m"):
        p = nf.Pipeline.create("spark", progress=False, spark_conf={{
            **{conf!r}, "spark.master": "local[2]",
            "spark.memory.offHeap.enabled": "true", "spark.memory.offHeap.size": memory,
        }})
        data = p.parallelize(numbers)
        sizes = data.group_by(lambda x: x % 3).apply_values(lambda group: group.distinct().count())
        assert data.sort().get() == sorted(numbers)
        print("spilled", sum(stage["spilled"] for stage in p.last_run["stages"]), flush=True)
        p.close()
        p._engine._context.stop()
"""


def test_one_spark_after_the_other_in_a_process() -> None:
    """Memory and temporary files are those of the Spark that there is, in the same JVM."""
    ended = apart.run(TWICE, conf=CONF)
    assert ended.returncode == 0, ended.stderr[-3000:]
    much, little = (int(line.split()[1]) for line in ended.stdout.splitlines() if line.startswith("spilled"))
    assert much == 0
    assert little > 0


TOLD = """
    import nestflow as nf

    conf = {{**{conf!r}, "spark.master": "local[2]"}}
    for number in range(2):
        with nf.Pipeline.create("spark", progress=True, spark_conf=conf) as p:
            assert p.parallelize([number]).map(lambda x: x + 1).get() == [number + 1]
"""


def test_how_memory_is_sized_is_told_once_for_an_application() -> None:
    ended = apart.run(TOLD, conf=CONF)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stderr.count("nestflow: in each executor, 2 tasks at a time share ") == 1, ended.stderr


SHORT = """
    import random
    import nestflow as nf
    from nestflow import counter

    conf = {{**{conf!r}, "spark.master": "local[2]", "spark.memory.fraction": "0.05"}}
    p = nf.Pipeline.create("spark", progress=False, spark_conf=conf)

    def megabyte(x):
        counter.increase("called")
        return random.Random(x).randbytes(1 << 20)

    expected = [random.Random(x).randbytes(1 << 20) for x in range(100)]
    parts = p.parallelize(list(range(100))).group_by(lambda x: x % 4, concurrency=4).flatten_values()
    kept = parts.map(megabyte).cache()
    first = kept.get()
    assert sorted(first) == sorted(expected)
    found = p._engine._context._jsc.sc().statusStore().rddList(True)
    print("disk", sum(found.apply(number).diskUsed() for number in range(found.size())))
    assert kept.get() == first
    assert kept.map(len).get() == [1 << 20] * 100
    print("called", counter.get("called"))
"""


def test_what_is_kept_goes_to_disk_where_spark_has_little_memory_for_it() -> None:
    ended = apart.run(SHORT, conf=CONF)
    assert ended.returncode == 0, ended.stderr[-3000:]
    said = dict(line.split() for line in ended.stdout.splitlines() if line.startswith(("disk", "called")))
    assert int(said["disk"]) > 0
    assert said["called"] == "100"
