"""Things die at random moments of a run, and its answers and outputs are those of a run in peace.

Each fault is tried some times with moments drawn from a seed; `make soak` tries 50. A run that was over
before its moment says nothing, and another one is tried.
"""

from __future__ import annotations

import os
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import processes
import pytest
from users import EXPECTED, LINES

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")

TIMES = int(os.environ.get("NESTFLOW_FAULTS", "1"))
"""How often each fault is tried."""

RUNS = 30
"""So many runs are not all over before their moment."""


def work(p: nf.Pipeline, source: Path, target: Path) -> None:
    """Read, keep, shuffle, sort and write; compare."""
    users = p.read(nf.input.TextFile(str(source))).map(lambda line: line.split()[0]).cache()
    assert users.count().get() == len(LINES)
    counts = users.group_by(lambda user: user).apply_values(lambda group: group.count())
    p.write(counts.flatten().map(lambda pair: f"{pair[0]} {pair[1]}"), nf.output.TextFile(str(target)))
    ordered = users.distinct().sort()
    assert ordered.get() == sorted(EXPECTED)
    written = [line for part in sorted(target.glob("part-*")) for line in part.read_text().splitlines()]
    assert sorted(written) == sorted(f"{user} {count}" for user, count in EXPECTED.items())


@pytest.fixture(scope="module")
def duration(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Make], float]]:
    """How many seconds a run in peace takes, on the second time."""
    known: list[float] = []

    def measured(spark: Make) -> float:
        while len(known) < 2:
            began = time.monotonic()
            work(spark(), source, tmp_path_factory.mktemp("peace") / "out")
            known.append(time.monotonic() - began)
        return known[-1]

    yield measured


def folders(parent: Path) -> Iterator[Path]:
    """A folder for each run."""
    for number in range(RUNS):
        folder = parent / str(number)
        folder.mkdir()
        yield folder


@pytest.mark.parametrize("seed", range(TIMES))
@pytest.mark.parametrize("victim", ["executor", "worker"])
def test_a_process_that_dies(
    spark: Make,
    source: Path,
    tmp_path: Path,
    duration: Callable[[Make], float],
    victim: str,
    seed: int,
) -> None:
    dice = random.Random(f"{victim} {seed}")
    victims = processes.executors if victim == "executor" else processes.workers

    def one_dies(folder: Path) -> bool:
        moment, over = dice.uniform(0, duration(spark)), threading.Event()
        killed: list[bool] = []

        def strike() -> None:
            if not over.wait(moment):
                killed.append(processes.kill(victims, dice, over))

        thread = threading.Thread(target=strike)
        thread.start()
        try:
            work(spark(), source, folder / "out")
        finally:
            over.set()
            thread.join()
        processes.leave_nothing(folder)
        return any(killed)

    assert any(one_dies(folder) for folder in folders(tmp_path))


@pytest.mark.parametrize("seed", range(TIMES))
def test_a_run_that_is_given_up(
    spark: Make, source: Path, tmp_path: Path, duration: Callable[[Make], float], seed: int
) -> None:
    dice = random.Random(f"abort {seed}")

    def is_given_up(folder: Path) -> bool:
        wait = dice.uniform(0, duration(spark))
        moment = time.monotonic() + wait

        def watch(_: dict[str, Any]) -> None:
            if time.monotonic() > moment:
                raise KeyboardInterrupt

        p = spark()
        p._engine._progress = watch
        given_up = False
        try:
            work(p, source, folder / "out")
        except KeyboardInterrupt:
            given_up = True
            # It is there as a whole, or not at all.
            assert (folder / "out").exists() == (folder / "out" / "_SUCCESS").exists()
        processes.leave_nothing(folder)
        return given_up

    assert any(is_given_up(folder) for folder in folders(tmp_path))
    # Nothing of it is in the way of the next.
    work(spark(), source, tmp_path / "again")
