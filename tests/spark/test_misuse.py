"""Native code that is called wrongly from Java: an exception, or the end of data, never a dead JVM."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from by_hand import BLOCK, DONE, NEED, NOTHING, JavaError, Native, Planned, planned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import nestflow as nf

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")

OURS = "nestflow.spark.NativeError"


@pytest.fixture
def context(spark: Make) -> Any:
    engine = spark()._engine
    engine._opened()
    return engine._context


@pytest.fixture
def native(context: Any) -> Native:
    driver = context._jvm.nestflow.spark.Driver(context._jsc)
    return Native(context, driver.getClass().getClassLoader())


@pytest.fixture
def job(spark: Make) -> Planned:
    """Two stages: words, and groups of them."""
    p = spark()
    words = p.parallelize([f"w{number % 7}" for number in range(100)])
    return planned(p, words.group_by(lambda word: word).apply_values(lambda group: group.count()).flatten())


def refused(kind: str, call: Callable[..., Any], *arguments: Any) -> str:
    """The message of the exception that a call ends with."""
    with pytest.raises(JavaError) as caught:
        call(*arguments)
    assert caught.value.args[0] == kind
    return str(caught.value.args[1])


def message(call: Callable[..., Any], *arguments: Any) -> str:
    """The message of the NativeError that a call ends with."""
    return str(json.loads(refused(OURS, call, *arguments))["message"])


def every_call(native: Native, task: int) -> dict[str, tuple[Any, ...]]:
    return {
        "step": (task, native.longs(2)),
        "take": (task, bytes(8)),
        "push": (task, 0, b"block"),
        "cancel": (task,),
        "progress": (task, native.longs(5)),
        "press": (task,),
        "close": (task,),
    }


@pytest.mark.parametrize("number", [0, -1, 1 << 40, -(1 << 63), (1 << 63) - 1])
def test_a_number_that_never_was(native: Native, number: int) -> None:
    for name, arguments in every_call(native, number).items():
        assert "there never was a task" in message(native.call, name, *arguments)


def test_closed_tasks_have_nothing_more_and_close_again(native: Native, job: Planned) -> None:
    (stage, tasks), *_ = job.stages
    task = native.create(stage, tasks[0])
    assert native.held()[0] == 1
    assert native.call("close", task) is True
    assert native.held() == [0, 0]
    assert native.call("close", task) is True
    answers = {name: native.call(name, *given) for name, given in every_call(native, task).items()}
    assert answers == {
        "step": DONE,
        "take": None,
        "push": None,
        "cancel": None,
        "progress": None,
        "press": 0,
        "close": True,
    }


def test_a_task_by_hand_is_what_misuse_is_compared_with(native: Native, job: Planned) -> None:
    (stage, tasks), (after, readers), *_ = job.stages
    producer = native.create(stage, tasks[0])
    blocks = native.drain(producer)
    native.call("close", producer)
    assert blocks
    reader = native.create(after, readers[0])
    assert native.step(reader)[:2] == (NEED, 0)
    for _, block in blocks:
        native.call("push", reader, 0, block)
    native.call("push", reader, 0, None)
    assert native.drain(reader)
    native.call("close", reader)


def test_a_step_answers_while_a_function_works(spark: Make, native: Native, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    go_on.touch()

    def wait(x: int) -> int:
        while not go_on.exists():
            time.sleep(0.01)
        return x

    p = spark()
    (stage, tasks), *_ = planned(p, p.parallelize([1]).map(wait)).stages
    go_on.unlink()
    task = native.create(stage, tasks[0])
    for _ in range(5):
        began = time.monotonic()
        assert native.call("step", task, native.longs(2)) == NOTHING
        assert time.monotonic() - began < 1
    go_on.touch()
    assert native.drain(task)
    native.call("close", task)


def test_calls_out_of_turn(native: Native, job: Planned) -> None:
    (stage, tasks), (after, readers), *_ = job.stages
    producer = native.create(stage, tasks[0])
    assert "not asked for" in message(native.call, "push", producer, 0, b"block")
    assert "no block to take" in message(native.call, "take", producer, bytes(8))
    kind, _, length = native.step(producer)
    assert kind == BLOCK
    assert "was not taken" in message(native.step, producer)
    refused(OURS, native.call, "take", producer, bytes(length - 1))
    native.call("close", producer)
    reader = native.create(after, readers[0])
    for wrong in (-1, 1, 1 << 30):
        assert "not asked for" in message(native.call, "push", reader, wrong, b"block")
    refused(OURS, native.call, "step", reader, native.longs(0))
    native.call("close", reader)


def test_null_where_there_has_to_be_something(native: Native, job: Planned) -> None:
    (stage, tasks), *_ = job.stages
    whole = [stage, tasks[0], native.folder, 1, 1 << 20, None, None]
    for index in range(3):
        given = [None if at == index else value for at, value in enumerate(whole)]
        refused(OURS, native.call, "create", *given)
    task = native.create(stage, tasks[0])
    for name, arguments in {"step": (task, None), "take": (task, None), "progress": (task, None)}.items():
        refused(OURS, native.call, name, *arguments)
    refused(OURS, native.call, "held", None)
    native.call("close", task)


def test_stages_and_tasks_that_are_cut_off(native: Native, job: Planned) -> None:
    for stage, tasks in job.stages:
        for whole, task in ((stage, False), (tasks[0], True)):
            for length in {0, 1, len(whole) // 2, len(whole) - 1}:
                cut = whole[:length]
                refused(OURS, native.create, *((stage, cut) if task else (cut, tasks[0])))


def test_blocks_that_are_cut_off_or_damaged(native: Native, job: Planned) -> None:
    (stage, tasks), (after, readers), *_ = job.stages
    producer = native.create(stage, tasks[0])
    (_, block), *_ = native.drain(producer)
    native.call("close", producer)

    def read(block: bytes) -> None:
        reader = native.create(after, readers[0])
        try:
            native.step(reader)
            native.call("push", reader, 0, block)
            native.call("push", reader, 0, None)
            native.drain(reader)
        finally:
            native.call("close", reader)

    for length in {0, 1, 7, 8, *range(12, len(block), max(1, len(block) // 12)), len(block) - 1}:
        refused(OURS, read, block[:length])
    draw = random.Random(1)
    for _ in range(40):
        damaged = bytearray(block)
        damaged[draw.randrange(len(block))] ^= 1 << draw.randrange(8)
        try:
            read(bytes(damaged))  # what hits a value is another value
        except JavaError as error:
            assert error.args[0] == OURS
    assert native.held() == [0, 0]


def test_any_thread_may_call_and_close(native: Native, job: Planned) -> None:
    (stage, tasks), *_ = job.stages
    for _ in range(20):
        task = native.create(stage, tasks[0])
        failed: list[BaseException] = []

        def use(task: int = task, failed: list[BaseException] = failed) -> None:
            try:
                for _ in range(5):
                    native.call("step", task, native.longs(2))
                    native.call("take", task, bytes(1 << 16))
            except JavaError as error:
                # Two threads are in each other's way: one has not taken what the other was told of. And
                # a step that is under way when the task is closed is interrupted.
                if not re.search("take|interrupted", error.args[1]):
                    failed.append(error)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=use) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert native.call("close", task) is True
        for thread in threads:
            thread.join()
        assert failed == []
    assert native.held() == [0, 0]


def test_a_job_of_another_build(context: Any, job: Planned, tmp_path: Path) -> None:
    driver = context._jvm.nestflow.spark.Driver(context._jsc)
    (tmp_path / "bytes").write_bytes(b"")
    other = json.dumps({**job.description, "build": "0.0.0-other", "stages": []})
    with pytest.raises(Exception, match=r"is of build 0\.0\.0-other, but the jar of build") as caught:
        driver.start(other, str(tmp_path / "bytes"))
    assert context._jvm.nestflow.spark.Library.buildId() in str(caught.value)


def test_a_library_of_another_build(context: Any, tmp_path: Path) -> None:
    """The jar with other properties in front, in a class loader of its own."""
    ours = context._jvm.nestflow.spark.Driver(context._jsc).getClass()
    properties = tmp_path / "nestflow/build"
    properties.parent.mkdir(parents=True)
    properties.write_text("0.0.0-other")
    jvm = context._jvm
    urls = context._gateway.new_array(jvm.java.net.URL, 2)
    urls[0] = jvm.java.io.File(str(tmp_path)).toURI().toURL()
    urls[1] = ours.getProtectionDomain().getCodeSource().getLocation()
    loader = jvm.java.net.URLClassLoader(urls, ours.getClassLoader().getParent())
    text = refused("java.lang.IllegalStateException", Native, context, loader)
    build = context._jvm.nestflow.spark.Library.buildId()
    assert text == f"the jar of nestflow is of build 0.0.0-other, but its native library of build {build}"
