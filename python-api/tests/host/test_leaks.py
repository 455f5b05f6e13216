"""Chains that are opened and dropped leave nothing behind: objects, memory, files, threads.

`NESTFLOW_LEAK_CHAINS` makes it longer.
"""

from __future__ import annotations

import gc
import os
import resource
import sys

import pytest
from programs import fold, records, step, zero

from nestflow import _host
from nestflow.host.program import MISSING

CHAINS = int(os.environ.get("NESTFLOW_LEAK_CHAINS", "1000"))


def text_of(x: int) -> tuple[int, str]:
    return x, str(x) * 20


def failing(x: int) -> int:
    raise ValueError(x)


def added(state: int, x: int) -> int:
    return state + x


PROGRAMS = [
    (records(step("map", text_of), emit="pair"), [{"v": list(range(50))}], False),
    (
        records(step("flat_map", lambda x: [x] * 3), step("filter", lambda x: x % 2)),
        [{"v": [1, 2, 3]}],
        False,
    ),
    (records(step("map", failing)), [{"v": [1]}], True),
    (fold(added, zero(0)), [{"g": [0, 1, 0, 1], "v": [MISSING, MISSING, 5, 6]}], False),
]


def used() -> tuple[int, int, int]:
    """Objects, open files, threads."""
    gc.collect()
    return len(gc.get_objects()), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def run(chains: int) -> None:
    for number in range(chains):
        program, batches, fails = PROGRAMS[number % len(PROGRAMS)]
        try:
            _host.try_program(program, [], batches)
        except ValueError:
            assert fails


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_chains_leave_nothing() -> None:
    run(100)
    before, peak = used(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(CHAINS)
    after = used()
    # What caches have taken; a chain that stayed would be an object at least.
    assert after[0] - before[0] < CHAINS // 10
    assert after[1:] == before[1:]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 16 << 10
