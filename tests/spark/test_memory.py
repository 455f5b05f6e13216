"""The memory of native tasks is borrowed from Spark's memory manager."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

from on_spark import CONF

BEGIN = """
    import random, threading, time
    import nestflow as nf

    conf = {conf!r}
    conf["spark.master"] = "local[2]"
    p = nf.Pipeline.create("spark", progress=False, spark_conf=conf, **{options!r})
    p._engine._opened()
    context = p._engine._context
    borrowed = getattr(getattr(context._jvm.org.apache.spark.nestflow, "TaskMemory$"), "MODULE$").used
    most = 0
    over = threading.Event()

    def watch():
        global most
        while not over.is_set():
            most = max(most, borrowed())
            time.sleep(0.01)

    def done():
        over.set()
        watcher.join()
        # Tasks whose result is known may still be ending.
        until = time.monotonic() + 10
        while borrowed() and time.monotonic() < until:
            time.sleep(0.05)
        print(most, borrowed(), flush=True)

    watcher = threading.Thread(target=watch)
    watcher.start()
    chance = random.Random(7)
    numbers = [chance.randrange(1 << 40) for _ in range(100_000)]
    data = p.parallelize(numbers)
"""

SORTED = """
    try:
        sizes = data.group_by(lambda x: x % 3).apply_values(lambda group: group.distinct().count())
        assert data.sort().get() == sorted(numbers)
        assert sizes.get() == {r: len({x for x in numbers if x % 3 == r}) for r in range(3)}
    finally:
        done()
"""

BESIDE_TUNGSTEN = """
    from pyspark.sql import SparkSession
    session = SparkSession(context)
    failures = []

    def frames():
        try:
            while not over.is_set():
                frame = session.range(400_000).selectExpr("hash(id) as h", "id").orderBy("h").groupBy("h")
                assert frame.count().count() > 300_000
        except Exception as error:
            failures.append(error)

    other = threading.Thread(target=frames)
    other.start()
    try:
        for _ in range(2):
            assert data.map(lambda x: x + 1).sort().get() == sorted(x + 1 for x in numbers)
    finally:
        over.set()
        other.join()
        done()
    assert not failures, failures
"""

FAILING = """
    def odd(x):
        if x > 1_099_000_000_000:
            raise ValueError("odd")
        return x

    try:
        for _ in range(2):
            try:
                data.sort().map(odd).get()
            except ValueError:
                continue
            raise AssertionError("it did not fail")
    finally:
        done()
"""


LARGE = """
    import os
    size = int(os.environ.get("NESTFLOW_RECORD_MIB", "20")) << 20

    def image(x):
        return [(x % 3, b"%d" % x * size)] if x == 1 else [(x % 3, b"small")]

    images = p.parallelize(list(range(30_000))).flat_map(image)
    try:
        for channels in (3, 201):
            lengths = images.group_by_key(concurrency=channels).apply_values(
                lambda group: group.accumulate(0, lambda total, image: total + len(image))
            )
            assert lengths.get() == {0: 50_000, 1: size + 49_995, 2: 50_000}
        large = images.filter(lambda pair: len(pair[1]) > 5).cache()
        assert large.map(lambda pair: len(pair[1])).get() == [size]
        [(_, got)] = large.get()
        assert got == b"1" * size
    finally:
        done()
"""

TOO_LARGE = """
    images = data.map(lambda x: (x % 3, b"1" * (20 << 20 if x == numbers[0] else 5)))
    lengths = images.group_by_key(concurrency=201).apply_values(
        lambda group: group.accumulate(0, lambda total, image: total + len(image))
    )
    try:
        lengths.get()
    except nf.errors.NestflowRuntimeException as error:
        assert "memory_limit" in str(error) and "concurrency=200" in str(error), error
    else:
        raise AssertionError("there was room")
    finally:
        done()
"""

MANY_CHANNELS = """
    def lengths(pairs):
        return pairs.group_by_key(concurrency=210).apply_values(
            lambda group: group.accumulate(0, lambda total, piece: total + len(piece))
        ).get()

    def bytes_of(x):
        return random.Random(x).randbytes(300)

    try:
        # One channel has most of it; and what is sorted is dealt while it is merged.
        pairs = p.parallelize(list(range(60_000))).map(lambda x: (x % 2, bytes_of(x)))
        assert lengths(pairs) == {0: 9_000_000, 1: 9_000_000}
        pairs = p.parallelize(list(range(60_000))).map(lambda x: (x % 1000, bytes_of(x)))
        merged = pairs.group_by_key().apply_values(lambda group: group.sort()).flatten()
        assert sum(lengths(merged.map(lambda pair: (pair[0] % 400, pair[1]))).values()) == 18_000_000
    finally:
        done()
"""


DAEMONS = """
    found = {}

    def look():
        while not over.is_set():
            for thread in context._jvm.Thread.getAllStackTraces().keySet():
                if thread.getName().startswith("nestflow-task"):
                    found[thread.getName()] = thread.isDaemon()
            time.sleep(0.05)

    other = threading.Thread(target=look)
    other.start()
    try:
        assert data.map(lambda x: time.sleep(0.00002) or x).sort().get() == sorted(numbers)
    finally:
        done()
        other.join()
    assert found and all(found.values()), found
"""


def run(program: str, **options: object) -> tuple[int, int, str]:
    """The most that was borrowed, what is left of it at the end, and what was said."""
    program = textwrap.dedent(BEGIN).format(conf=CONF, options=options) + textwrap.dedent(program)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    most, left = ended.stdout.split()[-2:]
    return int(most), int(left), ended.stderr


def test_it_is_borrowed_and_given_back() -> None:
    most, left, _ = run(SORTED)
    assert most > 0
    assert left == 0


def test_little_memory_makes_tasks_spill() -> None:
    limit = 8 << 20
    most, left, said = run(SORTED, memory_limit=limit)
    assert 0 < most <= limit
    assert left == 0
    assert "a task has only 2 MiB" in said


def test_beside_other_users_of_that_memory() -> None:
    most, left, _ = run(BESIDE_TUNGSTEN, memory_limit=24 << 20)
    assert most > 0
    assert left == 0


def test_more_channels_than_spark_has_files_for_in_little_memory() -> None:
    """Spark's writer then takes pages of the same memory."""
    limit = 8 << 20
    most, left, _ = run(MANY_CHANNELS, memory_limit=limit)
    assert 0 < most <= limit
    assert left == 0


def test_a_large_record_goes_through_exchanges_and_to_the_client() -> None:
    """On a heap that has room for it, and not for it many times; `make soak` takes one of 256 MB."""
    size = int(os.environ.get("NESTFLOW_RECORD_MIB", "20")) << 20
    most, left, _ = run(LARGE, memory_limit=16 * size)
    assert most > size
    assert left == 0


def test_a_record_that_spark_has_no_memory_for_is_an_error_that_says_so() -> None:
    _, left, _ = run(TOO_LARGE, memory_limit=16 << 20)
    assert left == 0


def test_a_task_that_fails_gives_everything_back() -> None:
    most, left, _ = run(FAILING, memory_limit=16 << 20)
    assert most > 0
    assert left == 0


def test_native_threads_do_not_keep_the_jvm_from_its_end() -> None:
    """Those of tasks are daemons there as soon as they have borrowed memory."""
    most, left, _ = run(DAEMONS)
    assert most > 0
    assert left == 0


def test_worker_processes_have_what_spark_grants_python() -> None:
    hungry = """
        def take(size):
            return len(bytearray(size << 20))

        conf["spark.executor.pyspark.memory"] = "512m"
        p = nf.Pipeline.create("spark", progress=False, spark_conf=conf)
        assert p.parallelize([1, 10]).map(take).get() == [1 << 20, 10 << 20]
        try:
            p.parallelize([300]).map(take).get()
        except MemoryError as error:
            print(*error.__notes__, file=sys.stderr)
        else:
            raise AssertionError("it got 300 of 256 MiB")
    """
    begin = BEGIN[: BEGIN.index("    p = nf.")].replace("import random", "import sys, random")
    program = textwrap.dedent(begin).format(conf=CONF) + textwrap.dedent(hungry)
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert "in map(take) at" in ended.stderr
