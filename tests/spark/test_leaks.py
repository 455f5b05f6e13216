"""Many short tasks leave nothing behind in the processes that run them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from processes import executors

if TYPE_CHECKING:
    from collections.abc import Callable

    import nestflow as nf

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")

TASKS = int(os.environ.get("NESTFLOW_LEAK_TASKS", "300"))
"""How many tasks run between the two looks."""

SETTLED = 30
"""Threads or files that the JVM itself may have come to have in the meantime."""

POOLS = "block-manager-s", "block-manager-a"
"""Spark's own threads, which come one by one up to a hundred of each."""


def look(process: int) -> dict[str, int]:
    """What a process has: threads, those of native tasks, files, and resident bytes."""
    names = []
    for thread in os.listdir(f"/proc/{process}/task"):
        try:
            with open(f"/proc/{process}/task/{thread}/comm") as file:
                names.append(file.read())
        except OSError:
            continue  # it has just ended
    with open(f"/proc/{process}/statm") as file:
        resident = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        "threads": sum(not name.startswith(POOLS) for name in names),
        "tasks": sum(name.startswith("nestflow-task") for name in names),
        "files": len(os.listdir(f"/proc/{process}/fd")),
        "resident": resident,
    }


def odd(word: str) -> str:
    if word == "bad":
        raise ValueError(word)
    return word + "!"


def rounds(p: nf.Pipeline, tasks: int) -> int:
    """Run short jobs of as many tasks, every tenth with an error; gives how many tasks there really were."""
    done = number = 0
    while done < tasks:
        number += 1
        words = ["bad" if number % 10 == 0 and place == 17 else f"w{place % 5}" for place in range(60)]
        counts = (
            p.parallelize(words)
            .map(odd)
            .group_by(lambda word: word)
            .apply_values(lambda group: group.count())
        )
        if number % 10 == 0:
            with pytest.raises(ValueError, match="bad"):
                counts.get()
            done += 1
        else:
            assert counts.get() == {f"w{place}!": 12 for place in range(5)}
            done += sum(stage["tasks"] for stage in p.last_run["stages"])
    return done


def test_short_tasks_leave_nothing(spark: Make, capsys: pytest.CaptureFixture[str]) -> None:
    p = spark()
    # Before the first look: what a JVM loads, compiles and starts once.
    rounds(p, max(60, TASKS // 10))
    jvm = p._engine._context._jvm
    found = executors() or [jvm.java.lang.ProcessHandle.current().pid()]
    before = [look(process) for process in found]
    began = time.monotonic()
    done = rounds(p, TASKS)
    seconds = time.monotonic() - began
    assert list(p._engine._driver.held(16)) == [0, 0, 0]
    after = [look(process) for process in found]
    with capsys.disabled():  # memory is reported only: the JVM's heap takes what it is given
        print(f"\n{done} tasks in {len(found)} processes, {seconds:.0f} s")
        for one, other in zip(before, after, strict=True):
            grown = (other["resident"] - one["resident"]) / done * len(found) / 1024
            print(f"  before {one}\n  after  {other}: {grown:.1f} KB a task")
    for one, other in zip(before, after, strict=True):
        assert other["tasks"] == 0
        assert other["threads"] <= one["threads"] + SETTLED
        assert other["files"] <= one["files"] + SETTLED
