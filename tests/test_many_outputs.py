"""One record with more outputs than memory holds, or without end: contract 2.1, "generators streamed"."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

import nestflow as nf

HOSTS = ["in_process", "workers", "auto"]
# The limit, and what it does not count: an interpreter with the library, what is on its way.
ALLOWED = 140 << 20

JOBS = {
    "count": "p.parallelize([1]).flat_map(lambda x: ('y' * 50 for _ in range(3_000_000))).count()",
    "range": "p.parallelize([1]).flat_map(lambda x: range(3_000_000)).map(lambda x: x % 7).max()",
    "group": "p.parallelize(list(range(8))).flat_map(lambda x: range(125_000)).group_by(lambda x: x % 10)"
    ".apply_values(lambda g: g.accumulate(0, lambda a, b: a + 1))",
    "large": "p.parallelize([1]).flat_map(lambda x: ('y' * 1_000_000 for _ in range(400))).count()",
}
EXPECTED = {"count": 3_000_000, "range": 6, "group": dict.fromkeys(range(10), 100_000), "large": 400}

PROGRAM = """
import pathlib, nestflow as nf

def peak(process):
    status = pathlib.Path("/proc", process, "status")
    lines = status.read_text().splitlines() if status.exists() else []
    return max([int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")], default=0)

def below(process):
    # Workers are children of a child of this process.
    for task in pathlib.Path("/proc", process, "task").glob("*/children"):
        for child in task.read_text().split():
            yield child
            yield from below(child)

with nf.Pipeline.create("local", host={host!r}, memory_limit="32MB", tmp_dir={tmp!r}) as p:
    print(repr({job}.get()))
    workers = [*below("self")]
    print(max(map(peak, ["self", *workers])), len(workers))
"""


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("job", JOBS)
def test_memory_stays_small(job, host, tmp_path):
    text = PROGRAM.format(host=host, job=JOBS[job], tmp=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
    result, measured = done.stdout.splitlines()
    assert eval(result) == EXPECTED[job]
    peak, workers = map(int, measured.split())
    assert peak < ALLOWED
    if sys.platform == "linux":
        assert peak > 0 and (workers > 0 or host != "workers")


@pytest.mark.parametrize("host", HOSTS)
def test_endless_outputs_can_be_taken_from(host):
    with nf.Pipeline.create("local", host=host) as p:
        numbers = p.parallelize([5]).flat_map(lambda x: itertools.count(x))
        assert sorted(numbers.take(3).get()) == [5, 6, 7]
        odd = numbers.filter(lambda x: x % 2).map(str)
        assert sorted(odd.take(3).get()) == ["5", "7", "9"]


@pytest.mark.parametrize("host", HOSTS)
def test_an_error_after_many_outputs(host):
    def late(x):
        yield from range(100_000)
        raise ValueError("late")

    with nf.Pipeline.create("local", host=host) as p:
        numbers = p.parallelize([5]).map(lambda x: x + 1).flat_map(late)
        with pytest.raises(ValueError, match="late") as caught:
            numbers.count().get()
        said = "\n".join(getattr(caught.value, "__notes__", [str(caught.value.__cause__)]))
        assert "flat_map(late)" in said and "6" in said
        assert 'raise ValueError("late")' in str(caught.value.__cause__)
        # The pipeline goes on.
        assert p.parallelize([1, 2]).flat_map(range).count().get() == 3


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_not_wanted_any_more_is_let_go(host):
    with nf.Pipeline.create("local", host=host) as p:
        for _ in range(5):
            assert len(p.parallelize([1, 2]).flat_map(lambda x: itertools.count()).take(2).get()) == 2
        assert p.parallelize([1, 2]).map(lambda x: x + 1).sum().get() == 5
