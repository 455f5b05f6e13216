"""Where `host="auto"` runs user functions: in this process, or in worker processes."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import pytest

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LINES = 8000


@pytest.fixture
def p() -> Iterator[nf.Pipeline]:
    with nf.Pipeline.create("local", progress=False, threads=2) as pipeline:
        yield pipeline


@pytest.fixture
def text(tmp_path: Path) -> nf.TextFile:
    path = tmp_path / "lines"
    path.write_text("".join(f"{number:08} {'x' * 90}\n" for number in range(LINES)))
    return nf.TextFile(str(path))


def spin(line: str) -> tuple[int, str]:
    # Much more than it takes to send the line, on a busy machine too.
    for _ in range(12_000):
        pass
    return os.getpid(), line


def test_tiny_work_stays(p: nf.Pipeline, text: Any) -> None:
    found = p.read(text).map(lambda line: (os.getpid(), line)).get()
    assert {process for process, _ in found} == {os.getpid()}


def test_long_work_goes_and_no_task_is_divided(p: nf.Pipeline, text: Any) -> None:
    for _ in range(2):
        found = p.read(text).map(spin).get()
        assert [int(line[:8]) for _, line in found] == [*range(LINES)]
        processes = [process for process, _ in found]
        changes = sum(one != other for one, other in itertools.pairwise(processes))
        assert 0 < changes < 4, "four tasks, each in one process"
    # The second run knew from its beginning.
    assert os.getpid() not in processes


def test_one_task_has_nothing_to_gain(p: nf.Pipeline) -> None:
    found = p.parallelize(2000).flat_map(lambda count: ["a"] * count).map(spin).get()
    assert {process for process, _ in found} == {os.getpid()}


State = tuple[frozenset[int], int]
"""The processes that it was in, and a sum."""

ZERO: State = (frozenset(), 0)


def step(state: State, line: str) -> State:
    process, _ = spin(line)
    return state[0] | {process}, state[1] + int(line[:8])


def merge(one: State, other: State) -> State:
    return one[0] | other[0], one[1] + other[1]


def moved(line: str, count: int) -> State:
    process, _ = spin(line)
    return frozenset([process]), int(line[:8]) + count


PROGRAMS: dict[str, Callable[[nf.PCollection], Any]] = {
    "accumulate": lambda group: group.accumulate(ZERO, step),
    "aggregate": lambda group: group.aggregate(ZERO, step, merge),
    "transform": lambda group: group.transform(
        lambda emitter: ZERO,
        lambda state, emitter, line: step(state, line),
        lambda state, emitter: emitter.emit(state),
    ).first(),
    "reduce with a side input": lambda group: group.map(moved, group.count()).reduce(merge),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_groups_go_too_and_give_the_same(p: nf.Pipeline, text: Any, name: str) -> None:
    def run(p: nf.Pipeline) -> tuple[dict[int, int], set[int]]:
        groups = p.read(text).group_by(lambda line: int(line[:8]) % 16)
        found = groups.apply_values(PROGRAMS[name]).get()
        sums = {key: total for key, (_, total) in found.items()}
        return sums, {process for processes, _ in found.values() for process in processes}

    with nf.Pipeline.create("local", progress=False, threads=2, host="in_process") as here:
        expected, processes = run(here)
    assert processes == {os.getpid()}
    first, _ = run(p)
    second, processes = run(p)
    assert first == second == expected
    assert processes and os.getpid() not in processes
