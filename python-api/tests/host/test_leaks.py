"""Chains that are opened and dropped leave nothing behind: objects, memory, files, threads.

`NESTFLOW_LEAK_CHAINS` makes it longer.
"""

from __future__ import annotations

import gc
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import pytest
import recorded
from programs import fold, records, sequential, step, zero

import nestflow as nf
from nestflow import _host
from nestflow.host.batches import Batches, Settings
from nestflow.host.program import MISSING

CHAINS = int(os.environ.get("NESTFLOW_LEAK_CHAINS", "1000"))


def text_of(x: int) -> tuple[int, str]:
    return x, str(x) * 20


def failing(x: int) -> int:
    raise ValueError(x)


def added(state: int, x: int) -> int:
    return state + x


def walked(state: int, emitter: Any, x: int) -> int:
    emitter.emit((state, x))
    return state + x


def failing_walk(state: int, emitter: Any, x: int) -> int:
    emitter.emit(x)
    raise ValueError(x)


def pickled(function: Any) -> bytes:
    return cloudpickle.dumps(function)


def batches(settings: Settings) -> bytes:
    """A program of `map_batches` with a model."""
    doubled = pickled(lambda batch, model: [model + x for x in batch])
    return sequential("transformer", Batches(doubled, pickled(lambda: 10), settings))


SIZE_OF = """
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

char *size_of(const char *text) {
    char *out = 0;
    return asprintf(&out, "{\\"value\\": %zu}", strlen(text)) < 0 ? 0 : out;
}
"""

Case = tuple[bytes, list[Any], list[dict[str, Any]], bool]

PROGRAMS: list[Case] = [
    (records(step("map", text_of), emit="pair"), [], [{"v": list(range(50))}], False),
    (
        records(step("flat_map", lambda x: [x] * 3), step("filter", lambda x: x % 2)),
        [],
        [{"v": [1, 2, 3]}],
        False,
    ),
    (records(step("map", failing)), [], [{"v": [1]}], True),
    (fold(added, zero(0)), [], [{"g": [0, 1, 0, 1], "v": [MISSING, MISSING, 5, 6]}], False),
    (
        records(
            step("map", lambda x, s, t: (x, s, len(t)), sides=(0, 1)), shown=("value open", "sequence open")
        ),
        [[{"a": 1}], [str(number) * 9 for number in range(100)]],
        [{"v": [1, MISSING, None]}],
        False,
    ),
    (
        records(step("map", lambda x, s: (x, s), sides=(0,)), shown=("value column 0",)),
        [],
        [{"v": [1, 2], "x0": ["a", "b" * 1000]}],
        False,
    ),
    (
        sequential("accumulate", zero([]), lambda state, x: [*state, x]),
        [],
        [{"g": [0, 0, 1], "v": [1, 2, 3]}, {"g": [1, 2], "v": [4, MISSING]}],
        False,
    ),
    (
        sequential("transform", lambda emitter: 0, walked, lambda state, emitter: emitter.emit(state)),
        [],
        [{"g": [0, 0, 1], "v": [1, 2, 3]}],
        False,
    ),
    (
        sequential("transform", lambda emitter: 0, failing_walk, lambda state, emitter: None),
        [],
        [{"g": [0], "v": [1]}],
        True,
    ),
    (batches(Settings("list", 10, 1 << 20, False)), [], [{"g": [0] * 25, "v": list(range(25))}], False),
]


@pytest.fixture(scope="module")
def programs(
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Case]:
    """All programs, one of a native function among them where there is a compiler."""
    if shutil.which("cc") is None:
        return PROGRAMS
    library = tmp_path_factory.mktemp("native") / "libsize.so"
    source = library.with_suffix(".c")
    source.write_text(SIZE_OF)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    size_of = nf.native(library, free="libc").size_of
    return [*PROGRAMS, (records(step("map", size_of)), [], [{"v": ["a", "bcd"]}], False)]


def used() -> tuple[int, int, int]:
    """Objects, open files, threads."""
    gc.collect()
    return len(gc.get_objects()), len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))


def run(programs: list[Any], chains: int) -> None:
    for number in range(chains):
        program, sides, batches, fails = programs[number % len(programs)]
        try:
            _host.try_program(program, sides, batches)
        except ValueError:
            assert fails


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_chains_leave_nothing(programs: list[Any]) -> None:
    run(programs, 200)
    before, peak = used(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(programs, CHAINS)
    after = used()
    # What caches have taken; a chain that stayed would be an object at least.
    assert after[0] - before[0] < CHAINS // 10
    assert after[1:] == before[1:]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 16 << 10


def used_by(process: int) -> tuple[int, int, int]:
    """Open files, threads, and kilobytes in memory of another process."""
    here = Path(f"/proc/{process}")
    status = dict(line.split(":", 1) for line in (here / "status").read_text().splitlines())
    return len(os.listdir(here / "fd")), len(os.listdir(here / "task")), int(status["VmRSS"].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_chains_leave_nothing_in_a_worker(programs: list[Any]) -> None:
    sessions = [recorded.session(*program[:3]) for program in programs]
    worker = recorded.Worker()

    def run(first: int, chains: int) -> None:
        for chain in range(first, first + chains):
            for message in sessions[chain % len(sessions)]:
                worker.say(message.about(chain))
            while (heard := worker.hear()).kind != recorded.CLOSED:
                assert heard.head[4:8] == chain.to_bytes(4, "little")

    run(0, 300)
    before = used_by(worker.process.pid)
    run(300, CHAINS)
    after = used_by(worker.process.pid)
    assert after[:2] == before[:2]
    assert after[2] - before[2] < 16 << 10
    worker.end()
