"""Records that give many rows: part by part, each in its place, and never held all at once."""

import itertools
import os
import sys

import pytest
from programs import notes, objects, records, step

from nestflow import _host
from nestflow.host.program import MISSING

WORKER = [sys.executable, "-m", "nestflow.host.worker"]


@pytest.fixture(params=["here", "worker"])
def parts(request):
    """All batches that come out of a program."""

    def run(program, values, **columns):
        worker = WORKER if request.param == "worker" else None
        return _host.try_program(program, [], [{"v": values, **columns}] * 2, worker)

    return run


def together(batches, column):
    return [cell for batch in batches for cell in batch[column]]


SIZES = [0, 1, 7, 8, 9, 200_000, 0, 1023, 1024, 1025, 8, 64, 5000, 1]
KINDS = [range, lambda n: iter(range(n)), lambda n: list(range(n)), lambda n: (i for i in range(n))]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_keep_their_origin(parts, kind):
    out = parts(records(step("flat_map", kind)), SIZES)
    expected = [(origin, i) for origin, size in enumerate(SIZES) for i in range(size)]
    assert [*zip(together(out, "origin"), objects(together(out, "v")), strict=True)] == expected * 2
    assert len(out) > 4 and max(len(batch["v"]) for batch in out) < 70_000


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_comes_after_it(parts, kind):
    chain = [step("flat_map", kind), step("flat_map", lambda x: [x, -x]), step("filter", lambda x: x % 3)]
    sizes = [MISSING, *SIZES, MISSING]
    out = parts(records(*chain, step("key_by", lambda x: x % 10), step("map", lambda x: x * 2)), sizes)
    expected = []
    for origin, size in enumerate(sizes):
        if size is MISSING:
            expected.append((origin, MISSING, MISSING))
        else:
            rows = [y for x in range(size) for y in (x, -x) if y % 3]
            expected += [(origin, y % 10, y * 2) for y in rows]
    columns = [together(out, "origin"), objects(together(out, "n0")), objects(together(out, "v"))]
    assert [*zip(*columns, strict=True)] == expected * 2


@pytest.mark.parametrize("kind", KINDS)
def test_only_groups_that_got_nothing_are_marked(parts, kind):
    program = records(step("key_by", lambda x: x), step("flat_map", kind), keep=1)
    out = parts(program, SIZES, k1=["a"] * len(SIZES))
    marked = [key for key, cell in zip(together(out, "n0"), together(out, "v"), strict=True) if cell is None]
    assert objects(marked) in ([0], [0, 0])
    inner = [step("flat_map", kind), step("flat_map", lambda x: [x] * (x > 10))]
    out = parts(records(*inner, keep=1), [7, 5000], k1=["a", "b"])
    missing = [(o, x) for o, x in zip(together(out, "origin"), together(out, "v"), strict=True) if x is None]
    assert {origin for origin, _ in missing} == {0, 1}


def test_side_inputs_stay_with_their_record(parts):
    program = records(
        step("flat_map", range), step("map", lambda x, s: (x, s), sides=(0,)), shown=("value column 0",)
    )
    out = parts(program, [70_000, 3], x0=["a", "b"])
    expected = [(x, "a") for x in range(70_000)] + [(x, "b") for x in range(3)]
    assert objects(together(out, "v")) == expected * 2


def test_large_rows_come_in_small_batches(parts):
    out = parts(records(step("flat_map", lambda n: ("x" * 100_000 for _ in range(n)))), [300])
    assert sum(len(batch["v"]) for batch in out) == 600
    assert max(sum(map(len, batch["v"])) for batch in out) < 8 << 20


def test_very_many_loops_in_each_other(parts):
    chain = [step("flat_map", lambda x: [x]) for _ in range(30)]
    out = parts(records(step("flat_map", range), *chain), [70_000])
    assert objects(together(out, "v")) == [*range(70_000)] * 2


@pytest.mark.parametrize("before", [[], [step("map", lambda x: x + 1)]])
@pytest.mark.parametrize("after", [[], [step("map", str)]])
def test_errors_after_many_rows(parts, before, after):
    def late(x):
        yield from range(100_000)
        raise ValueError("late")

    with pytest.raises(ValueError, match="late") as caught:
        parts(records(*before, step("flat_map", late), *after), [5])
    assert "flat_map(late) at jobs/visits.py:12 in main" in notes(caught.value)
    assert f"with the record {5 + len(before)}" in notes(caught.value)
    trace = str(caught.value.__cause__)
    assert 'raise ValueError("late")' in trace
    assert "nestflow driver" not in trace and f"nestflow{os.sep}host" not in trace


def test_the_failing_record_after_many_rows(parts):
    with pytest.raises(ZeroDivisionError) as caught:
        chain = [step("flat_map", lambda x: itertools.count()), step("map", lambda x: 1 // (x - 99_000))]
        parts(records(*chain), [1])
    assert "in map(<lambda>)" in notes(caught.value) and "with the record 99000" in notes(caught.value)
