"""Worker processes of executors: their lines in the log, side inputs that are there once."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import processes
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    import nestflow as nf

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")


def logged(p: nf.Pipeline) -> str:
    """What the executors of this application have logged so far."""
    folder = Path(os.environ["SPARK_HOME"], "work", str(p._engine._context.applicationId))
    return "".join(path.read_text() for path in sorted(folder.glob("*/stderr")))


def test_what_functions_print_is_in_the_log_with_its_task(spark: Make) -> None:
    def tell(x: int) -> tuple[int, int]:
        print(f"told {x}")
        os.system(f"echo a child told {x} >&2")
        return x, os.getpid()

    p = spark()
    found = dict(p.parallelize([*range(4)]).map(tell).get())
    lines = re.compile(r"INFO \S*worker: task \d+\.\d+ in stage \d+\.\d+ \(TID (\d+)\), worker (\d+): (.*)")
    until = time.monotonic() + 20
    told: dict[str, set[tuple[str, int]]] = {}
    while len(told) < 8 and time.monotonic() < until:
        told = {}
        for task, process, text in lines.findall(logged(p)):
            if "told" in text:
                told.setdefault(text, set()).add((task, int(process)))
        time.sleep(0.1)
    for x, process in found.items():
        # Of one task, and of that process.
        [(task, told_by)] = told[f"told {x}"]
        assert told_by == process
        assert told[f"a child told {x}"] == {(task, process)}


def test_a_large_side_input_is_once_in_an_executor(spark: Make) -> None:
    def look(x: int, words: Any) -> tuple[int, str, frozenset[str], int]:
        time.sleep(0.01)
        with open("/proc/self/maps") as maps:
            files = frozenset(line.split()[4] for line in maps if "memfd:nestflow-side" in line)
        return os.getpid(), os.getcwd(), files, id(words._records)

    p = spark()
    words = p.parallelize([f"{number:07d}" * 10 for number in range(50_000)])
    found = []
    for _ in range(3):
        parts = p.parallelize([*range(100)]).group_by(lambda x: x % 4).flatten_values()
        found += parts.map(look, words).get()
    executors = {folder for _, folder, *_ in found}
    for executor in executors:
        # One file for all processes, tasks and runs; one list of objects in each process.
        assert len({file for _, folder, files, _ in found if folder == executor for file in files}) == 1
    assert len({(process, records) for process, *_, records in found}) == len(
        {process for process, *_ in found}
    )


def test_a_process_that_ends_with_its_task_counts_among_those_of_its_executor(spark: Make) -> None:
    """There are no more of them than tasks at a time: those of other programs that have nothing to do end."""

    def wait(x: int) -> int:
        time.sleep(1)
        return os.getpid()

    seen: list[dict[int, int]] = []

    def look(_: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # one has just ended
            seen.append({worker: processes.jvm_of(worker) for worker in processes.workers()})

    def run(p: nf.Pipeline) -> set[int]:
        return set(p.parallelize([*range(4)]).group_by(lambda x: x).flatten_values().map(wait).get())

    first, until = spark(), time.monotonic() + 60
    while not seen or set(seen[-1].values()) != set(processes.executors()):  # one may be late
        assert time.monotonic() < until
        run(first)
        look({})
    p = spark()
    p.set_fini_hook("last", int)
    p._engine._progress = look  # type: ignore[attr-defined]
    for process in run(p):
        assert any([*now.values()].count(now[process]) == 1 for now in seen if process in now)
