"""Functions in an interpreter inside the executors; others run there too (`scripts/test.py`)."""

from __future__ import annotations

import _thread
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cloudpickle
import processes
import pytest
from on_spark import CONF

import nestflow as nf
from nestflow import counter
from nestflow.resources import resource

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")

NUMBERS = list(range(60_000))
"""Enough for several tasks."""


def process() -> tuple[int, str]:
    return os.getpid(), os.path.basename(os.readlink("/proc/self/exe"))


def test_functions_run_in_the_executors(spark: Make) -> None:
    p = spark(host="embedded")
    found = set(p.parallelize(NUMBERS).map(lambda x: process()).get())
    assert {name for _, name in found} == {"java"}
    assert {number for number, _ in found} <= set(processes.executors())
    seen = p.parallelize([0]).map(lambda x: (sys.executable, sys.prefix, sys.flags.hash_randomization)).get()
    assert seen == [(sys.executable, sys.prefix, 0)]
    doubled = p.parallelize(NUMBERS).map(lambda x: (x % 7, f"{x} and some text beside it")).group_by_key()
    local = nf.Pipeline.create("local", host="embedded", progress=False)
    there, here = (
        q.parallelize(NUMBERS).map(lambda x: (x % 7, -x)).group_by_key().apply_values(lambda g: g.sum()).get()
        for q in (p, local)
    )
    assert there == here
    assert doubled.apply_values(lambda group: group.count()).get() == {
        k: len(NUMBERS[k::7]) for k in range(7)
    }


def test_errors_counters_and_side_inputs_are_those_of_workers(spark: Make) -> None:
    class OddError(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__(f"{one} and {two}")

    def raising(x: int) -> int:
        if x == 41_000:
            raise OddError(x, 2)
        return x

    def told(host: str) -> tuple[str, list[str], str]:
        with pytest.raises(OddError) as caught:
            spark(host=host).parallelize(NUMBERS).map(raising).get()
        return str(caught.value), list(getattr(caught.value, "__notes__", [])), str(caught.value.__cause__)

    assert told("embedded") == told("workers")

    def counted(x: int, other: int) -> int:
        counter.increase("embedded")
        return x + other

    p = spark(host="embedded")
    counter.reset("embedded")
    total = p.parallelize(NUMBERS).map(counted, p.parallelize([1, 2]).sum()).sum().get()
    assert total == sum(NUMBERS) + 3 * len(NUMBERS)
    assert counter.get("embedded") == len(NUMBERS)


def test_two_pipelines_with_files_and_hooks(spark: Make, tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    def hook(word: str) -> Callable[[], None]:
        def write() -> None:
            with open(trace, "a") as file:
                file.write(f"{os.getpid()} {word}\n")

        return write

    def content() -> str:
        with open(resource("number")) as file:
            return file.read()

    pipelines = []
    for number in (b"1", b"2"):
        p = spark(host="embedded")
        p.add_file(number, "number", from_bytes=True)
        pipelines.append(p)
    pipelines[0].set_init_hook("a", hook("first"))
    pipelines[0].set_fini_hook("a", hook("last"))
    for _ in range(2):
        found = [p.parallelize([0]).map(lambda _: content()).get() for p in pipelines]
        assert found == [["1"], ["2"]]
    with pytest.raises(FileNotFoundError):
        spark(host="embedded").parallelize([0]).map(lambda _: content()).get()

    def words() -> list[str]:
        return [line.split()[1] for line in trace.read_text().splitlines()]

    until = time.monotonic() + 30
    while words().count("first") != words().count("last") and time.monotonic() < until:
        time.sleep(0.05)
    assert words().count("first") == words().count("last") > 0


def test_a_last_hook_that_raises_fails_the_run(spark: Make, tmp_path: Path) -> None:
    def fail() -> None:
        raise LookupError("not here")

    p = spark(host="embedded")
    p.set_fini_hook("last", fail)
    numbers = p.parallelize(NUMBERS)
    p.write(numbers.map(lambda x: x + 1).distinct().map(str), nf.output.TextFile(str(tmp_path / "out")))
    with pytest.raises(LookupError, match="not here"):
        p.run()
    assert not (tmp_path / "out").exists()
    p.set_fini_hook("last", int)
    p.run()
    assert (tmp_path / "out").exists()


def interrupt_when(busy: Path) -> None:
    """Interrupt this program when a function says that it is there."""
    while not busy.exists():
        time.sleep(0.02)
    _thread.interrupt_main()


def test_an_interrupt_reaches_functions(spark: Make, tmp_path: Path) -> None:
    busy = tmp_path / "busy"

    def forever(x: int) -> int:
        busy.touch()
        while True:
            x += 1

    p = spark(host="embedded")
    threading.Thread(target=interrupt_when, args=(busy,), daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        p.parallelize([1]).map(forever).get()
    assert p.parallelize([1]).map(lambda x: x + 1).get() == [2]


def test_no_interrupt_comes_late(spark: Make, tmp_path: Path) -> None:
    """A thread that was to be interrupted does something for another run next, and that is let alone."""
    busy = tmp_path / "busy"

    def slow(x: int) -> int:
        from nestflow.host import interrupt as module

        if not hasattr(module, "really"):
            # For some seconds, whoever interrupts takes long to do it.
            module.really, until = module.interrupt, time.monotonic() + 8  # type: ignore[attr-defined]

            def interrupt(threads: list[int]) -> None:
                if time.monotonic() < until:
                    time.sleep(0.5)
                module.really(threads)  # type: ignore[attr-defined]

            module.interrupt = interrupt  # type: ignore[assignment]
        busy.touch()
        time.sleep(0.3)
        return x

    def cancel() -> None:
        while not busy.exists():
            time.sleep(0.02)
        p.cancel()

    p = spark(host="embedded")
    for _ in range(3):
        busy.unlink(missing_ok=True)
        threading.Thread(target=cancel, daemon=True).start()
        with pytest.raises(nf.errors.NestflowError):
            p.parallelize([1, 2]).map(slow).count().get()
        # The loop gives interrupts time to come.
        assert p.parallelize([1, 2]).map(lambda x: x + 0 * sum(range(30_000_000))).get() == [1, 2]


def test_an_interrupt_reaches_a_last_hook(spark: Make, tmp_path: Path) -> None:
    busy, over = tmp_path / "busy", tmp_path / "over"

    def forever() -> None:
        busy.touch()
        try:
            while True:
                pass
        finally:
            over.touch()

    p = spark(host="embedded")
    p.set_fini_hook("last", forever)
    threading.Thread(target=interrupt_when, args=(busy,), daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        p.parallelize([1]).map(lambda x: x + 1).get()
    until = time.monotonic() + 30
    while not over.exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert over.exists()


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        ("echo nestflow-embedded '{}'", "has no shared library"),
        ("echo oops >&2; exit 3", "does not tell of itself (exit status: 3): oops"),
    ],
)
def test_an_interpreter_that_cannot_be_embedded(
    spark: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str, reason: str
) -> None:
    fake = tmp_path / "python"
    told = '{"refused": "it has no shared library", "executable": "", "library": "", "host": "", "path": [], '
    told += '"version": "", "hash_seed": null}'
    fake.write_text("#!/bin/sh\n" + python.replace("{}", told) + "\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PYSPARK_PYTHON", str(fake))
    with pytest.raises(nf.errors.NestflowError, match='use host="workers"') as caught:
        spark(host="embedded").parallelize([1]).map(lambda x: x).get()
    assert reason in str(caught.value)


def test_a_second_interpreter_is_refused(
    spark: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spark(host="embedded").parallelize(NUMBERS).map(lambda x: 1).sum().get() == len(NUMBERS)
    other = tmp_path / "other" / "bin"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(other.parent)], check=True)
    monkeypatch.setenv("PYSPARK_PYTHON", str(other / "python"))
    with pytest.raises(nf.errors.NestflowError, match=r"cannot embed .*/other/bin/python beside it"):
        spark(host="embedded").parallelize(NUMBERS).map(lambda x: 1).sum().get()


def test_hosts_that_spark_does_not_have() -> None:
    for host in ("in_process", "mars"):
        with pytest.raises(ValueError, match="on Spark, host has to be one of auto, workers, embedded"):
            nf.Pipeline.create("spark", host=host)


def test_a_second_context_in_the_same_jvm(tmp_path: Path) -> None:
    program = f"""
    import os, sys
    import nestflow as nf

    conf = {dict(CONF, **{"spark.master": "local[2]"})!r}
    found = set()
    for _ in range(2):
        p = nf.Pipeline.create("spark", spark_conf=conf, host="embedded", progress=False)
        found.update(p.parallelize([1, 2]).map(lambda x: os.getpid()).get())
        p._engine._context.stop()
    print("answer", len(found))
    """
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert "answer 1" in ended.stdout, ended.stderr[-3000:]


def test_an_interpreter_that_finds_this_package_by_pythonpath_alone(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    program = f"""
    import os
    import nestflow as nf

    conf = {dict(CONF, **{"spark.master": "local[1]"})!r}
    p = nf.Pipeline.create("spark", spark_conf=conf, host="embedded", progress=False)
    print("answer", *p.parallelize([1]).map(lambda x: os.path.basename(os.readlink("/proc/self/exe"))).get())
    """
    packages = [Path(module.__file__).parents[1] for module in (nf, cloudpickle)]
    environment = {name: value for name, value in os.environ.items() if name != "PYSPARK_PYTHON"}
    ended = subprocess.run(
        [str(tmp_path / "bare" / "bin" / "python"), "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**environment, "PYTHONPATH": os.pathsep.join(map(str, packages))},
    )
    assert "answer java" in ended.stdout, ended.stderr[-3000:]


def test_what_this_process_makes_of_the_same_host() -> None:
    p = nf.Pipeline.create("local", host="embedded", progress=False)
    assert set(p.parallelize([1, 2]).map(lambda x: os.getpid()).get()) == {os.getpid()}
