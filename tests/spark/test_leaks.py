"""Many short tasks leave nothing behind in the processes that run them."""

from __future__ import annotations

import os
import random
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from processes import executors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import nestflow as nf

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")

TASKS = int(os.environ.get("NESTFLOW_LEAK_TASKS", "300"))
"""How many tasks run between the two looks."""

SETTLED = 30
"""Threads or files that the JVM itself may have come to have in the meantime."""

LEFT = 256 << 10, 64
"""Bytes of native memory that may be left: what is kept for the next tasks, and so few for each task."""

KEPT = 10_000
"""Objects that an interpreter may come to have: modules that are imported late, what is remembered."""

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


class GivenUp(Exception):
    """The user has lost patience."""


def odd(word: str) -> str:
    if word == "bad":
        raise ValueError(word)
    if word == "slow":
        time.sleep(0.01)
    return word + "!"


def rounds(p: nf.Pipeline, tasks: int, chance: random.Random) -> int:
    """Run short jobs of as many tasks; one in ten ends with an error, one in ten is given up."""
    done = number = 0
    while done < tasks:
        number += 1
        word = {0: "bad", 5: "slow"}.get(number % 10, "w2")
        words = [word if place == 17 or word == "slow" else f"w{place % 5}" for place in range(60)]
        counts = (
            p.parallelize(words)
            .map(odd)
            .group_by(lambda word: word)
            .apply_values(lambda group: group.count())
        )
        if word == "bad":
            with pytest.raises(ValueError, match="bad"):
                counts.get()
            done += 1
        elif word == "slow":
            with given_up(p, chance.randrange(1, 12)):
                counts.get()
            done += 1
        else:
            assert counts.get() == {f"w{place}!": 12 for place in range(5)}
            done += sum(stage["tasks"] for stage in p.last_run["stages"])
    return done


@contextmanager
def given_up(p: nf.Pipeline, looks: int) -> Iterator[None]:
    """A run is given up at so many looks at its progress, if it goes on so long."""
    seen = iter(range(1, looks))

    def look_on(_: dict[str, object]) -> None:
        if next(seen, None) is None:
            raise GivenUp

    engine: Any = p._engine
    engine._progress = look_on
    try:
        yield
    except GivenUp:
        pass
    finally:
        engine._progress = False


def flat(before: list[dict[str, int]], after: list[dict[str, int]]) -> bool:
    """Whether a process has no more than it had."""
    return all(
        other["tasks"] == 0
        and other["threads"] <= one["threads"] + SETTLED
        and other["files"] <= one["files"] + SETTLED
        for one, other in zip(before, after, strict=True)
    )


def test_short_tasks_leave_nothing(spark: Make, capsys: pytest.CaptureFixture[str]) -> None:
    """No task, no handle, no memory of the allocator's, no thread and no file more than before."""
    p = spark()
    chance = random.Random(20261121)
    # Before the first look: what a JVM loads, compiles and starts once, and what is kept for later tasks.
    rounds(p, max(120, TASKS // 10), chance)
    engine: Any = p._engine
    driver = engine._driver
    processes = executors() or [engine._context._jvm.java.lang.ProcessHandle.current().pid()]
    before, held = [look(process) for process in processes], driver.held(16)[2]
    began = time.monotonic()
    done = rounds(p, TASKS, chance)
    seconds = time.monotonic() - began
    # Who was given up may still be ending; what leaks stays.
    until = time.monotonic() + 60
    most = held + LEFT[0] + LEFT[1] * done
    while True:
        after, left = [look(process) for process in processes], list(driver.held(16))
        ended = left[:2] + left[3:] == [0, 0, 0] and left[2] <= most and flat(before, after)
        if ended or time.monotonic() > until:
            break
        time.sleep(0.5)
    with capsys.disabled():  # what is resident is reported only: the JVM's heap takes what it is given
        print(f"\n{done} tasks in {len(processes)} processes, {seconds:.0f} s")
        print(f"  allocated before {held}, after {left[2]}: {(left[2] - held) / done:.0f} bytes a task")
        for one, other in zip(before, after, strict=True):
            grown = (other["resident"] - one["resident"]) / done * len(processes) / 1024
            print(f"  before {one}\n  after  {other}: {grown:.1f} KB a task")
    assert left[:2] + left[3:] == [0, 0, 0]
    assert left[2] <= most
    assert flat(before, after), (before, after)


def blocks(p: nf.Pipeline) -> int:
    """The blocks that the interpreters of the executors hold, of the one that has most."""
    parts = p.parallelize([*range(8)]).group_by(lambda x: x).flatten_values()
    return max(parts.map(lambda _: sys.getallocatedblocks()).get())


def test_short_tasks_leave_nothing_in_interpreters_inside_of_executors(spark: Make) -> None:
    """Chains that end, fail or are given up are gone, with what their functions had."""
    p = spark(host="embedded")
    chance = random.Random(20261130)
    rounds(p, max(120, TASKS // 10), chance)
    before = blocks(p)
    done = rounds(p, TASKS, chance)
    until = time.monotonic() + 60
    while (after := blocks(p)) > before + KEPT + done and time.monotonic() < until:
        time.sleep(0.5)
    # A chain has some hundred objects.
    assert after <= before + KEPT + done, (before, after, done)
