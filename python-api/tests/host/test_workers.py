"""A worker process does what this process does.

With `NESTFLOW_TEST_HOST=workers` in the environment, all other tests here run in workers too.
"""

import operator
import os
import sys

import pytest
from programs import fold, notes, objects, records, sequential, step, zero

from nestflow import _host
from nestflow.host.program import MISSING

WORKER = [sys.executable, "-m", "nestflow.host.worker"]


def both(program, batches, *sides):
    """What comes out here and in a worker."""
    return [_host.try_program(program, list(sides), batches, worker) for worker in (None, WORKER)]


@pytest.mark.parametrize(
    ("program", "batches", "sides"),
    [
        (
            records(
                step("flat_map", lambda x: range(x % 5)), step("map", lambda x: (x, str(x))), emit="pair"
            ),
            [{"v": list(range(start, start + 3000))} for start in range(0, 15000, 3000)],
            (),
        ),
        (
            records(
                step("map", lambda x, s, t: (x, s, list(t)), sides=(0, 1)),
                shown=("value open", "sequence open"),
            ),
            [{"v": [1, MISSING, None]}],
            ([{"a": 1}], [1, 2, 3]),
        ),
        (
            records(step("map", lambda x, s: (x, s), sides=(0,)), shown=("value column 0",)),
            [{"v": [1, 2], "x0": ["a", "b" * 100_000]}],
            (),
        ),
        (fold(operator.add, zero(0)), [{"g": [0, 1, 0, 1], "v": [MISSING, 5, 1, 2]}], ()),
        (
            sequential("accumulate", zero([]), lambda state, x: [*state, x]),
            [{"g": [0, 0, 1], "v": [1, 2, 3]}, {"g": [1, 2], "v": [4, MISSING]}],
            (),
        ),
        (records(), [{"v": []}], ()),
    ],
)  # fmt: skip
def test_the_same_comes_out(program, batches, sides):
    here, there = both(program, batches, *sides)
    assert here == there


def test_it_runs_elsewhere_and_keeps_its_state():
    program = sequential(
        "transform",
        lambda emitter: os.getpid(),
        lambda status, emitter, x: emitter.emit((status, os.getpid())) or status,
        lambda status, emitter: None,
    )
    outputs = _host.try_program(program, [], [{"g": [0], "v": [x]} for x in range(5)], WORKER)
    pids = {pid for out in outputs for pair in objects(out["v"]) for pid in pair}
    assert len(pids) == 1 and os.getpid() not in pids


def test_errors_are_the_same():
    def fail(x):
        return 1 // x

    told = []
    for worker in (None, WORKER):
        with pytest.raises(ZeroDivisionError) as caught:
            _host.try_program(records(step("map", fail)), [], [{"v": [1, 0]}], worker)
        told.append((notes(caught.value), str(caught.value.__cause__)))
    assert told[0] == told[1]
    assert "with the record 0" in told[0][0]


def test_a_crash_tells_the_python_line():
    def crash(x):
        import ctypes

        ctypes.string_at(0)

    with pytest.raises(ValueError, match="SIGSEGV") as caught:
        _host.try_program(records(step("map", crash)), [], [{"v": [1, 2]}], WORKER)
    assert "in crash" in str(caught.value) and "map(crash) at jobs/visits.py:12 in main" in str(caught.value)
    assert "records 1 to 2" in str(caught.value)
