"""Record programs: what comes out of each kind of step, alone and together."""

import itertools
import os
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import objects, records, run, step, values

from nestflow.host.program import MISSING


def double(x):
    return x * 2


def odd(x):
    return x % 2


def below(x):
    return range(x)


def tenth(x):
    return x // 10


def test_no_step_at_all():
    assert run(records(), [1, "a"]).keys() == {"v"}
    assert values(records(), [1, "a", None]) == [1, "a", None]
    assert run(records(emit="nothing"), [1, 2]) == {}


def test_one_to_one_chains_have_no_origin():
    out = run(records(step("map", double), step("map", str)), [1, 2])
    assert out.keys() == {"v"}
    assert objects(out["v"]) == ["2", "4"]


def test_filter_and_flat_map_tell_the_origin():
    out = run(records(step("filter", odd)), [1, 2, 3])
    assert (out["origin"], objects(out["v"])) == ([0, 2], [1, 3])
    out = run(records(step("flat_map", below)), [2, 0, 3])
    assert (out["origin"], objects(out["v"])) == ([0, 0, 2, 2, 2], [0, 1, 0, 1, 2])
    out = run(records(step("flat_map", below), step("filter", odd), step("map", double)), [2, 0, 4])
    assert (out["origin"], objects(out["v"])) == ([0, 2, 2], [2, 2, 6])


def test_flat_map_iterates_whatever_can_be_iterated():
    assert values(records(step("flat_map", lambda x: x)), ["ab", {"k": 1}, (1, 2), []]) == [
        "a",
        "b",
        "k",
        1,
        2,
    ]
    assert values(records(step("flat_map", lambda x: (y for y in x))), [[1, 2]]) == [1, 2]
    assert values(records(step("flat_map", iter), step("map", str)), [[1, 2]]) == ["1", "2"]


def test_foreach_keeps_nothing(tmp_path):
    log = tmp_path / "log"

    def write(x):
        with open(log, "a") as file:
            file.write(f"{x} ")

    out = run(records(step("map", double), step("foreach", write), emit="nothing"), [1, 2, 3])
    assert out == {"origin": []}
    assert log.read_text() == "2 4 6 "


def test_key_by_opens_levels():
    out = run(records(step("key_by", tenth), step("key_by", odd, double)), [11, 12])
    assert out.keys() == {"n0", "n0s", "n1", "n1s", "v"}
    assert (objects(out["n0"]), objects(out["n1"]), objects(out["v"])) == ([1, 1], [1, 0], [22, 24])
    assert out["n0s"] == out["n1s"] == [None, None]


def test_keys_that_differ_from_what_was_given():
    out = run(records(step("key_by", lambda x: x), emit="nothing"), [True, 2.0, 0.5, -0.0, 3, "a"])
    assert objects(out["n0"]) == [1, 2, 0.5, 0, 3, "a"]
    assert repr(objects(out["n0s"])) == "[True, 2.0, MISSING, -0.0, MISSING, MISSING]"


def test_split():
    for program in (records(step("split")), records(step("split"), step("map", lambda x: x))):
        out = run(program, [("a", 1), ["b", [2]], (True, None)])
        assert (objects(out["n0"]), objects(out["v"])) == (["a", "b", 1], [1, [2], None])
        assert objects(out["n0s"]) == [MISSING, MISSING, True]


def test_emits():
    out = run(records(step("map", lambda x: (x, str(x))), emit="pair"), [1, True])
    assert (objects(out["j"]), objects(out["js"]), objects(out["v"])) == (
        [1, 1],
        [MISSING, True],
        ["1", "True"],
    )
    out = run(records(emit="key"), [1, 1.0])
    assert (objects(out["j"]), objects(out["js"])) == ([1, 1], [MISSING, 1.0])
    out = run(records(emit="ordered"), [3, 1])
    assert objects(out["v"]) == [3, 1] and out["o"][0] > out["o"][1]
    out = run(records(step("map", double), emit="ordered", order=lambda x: -x), [3, 1])
    assert objects(out["v"]) == [6, 2] and out["o"][0] < out["o"][1]


def test_markers_meet_no_function():
    out = run(records(step("map", double), step("key_by", odd)), [1, MISSING, 3])
    assert (objects(out["v"]), objects(out["n0"])) == ([2, MISSING, 6], [0, MISSING, 0])
    out = run(records(step("flat_map", below), emit="pair", keep=None), [MISSING, 0])
    assert out["origin"] == [0] and out["j"] == out["v"] == [None]
    out = run(records(emit="ordered"), [MISSING, 1])
    assert out["v"][0] is None and out["o"][0] is None
    out = run(records(step("split")), [MISSING, (1, 2)])
    assert (objects(out["n0"]), objects(out["v"])) == ([MISSING, 1], [MISSING, 2])


def test_dropped_records_leave_their_group():
    program = records(step("key_by", tenth), step("filter", odd), keep=1)
    out = run(program, [11, 12, 22, 24, 32])
    assert out["origin"] == [0, 1, 2, 3, 4]
    assert objects(out["n0"]) == [1, 1, 2, 2, 3]
    assert objects(out["v"]) == [11, MISSING, MISSING, MISSING, MISSING]


def test_a_group_is_marked_once_where_outer_groups_are_known():
    program = records(step("key_by", tenth), step("filter", odd), keep=1)
    out = run(program, [11, 12, 22, 24, 32], k1=["a"] * 5)
    assert out["origin"] == [0, 1, 2, 4]
    program = records(step("flat_map", lambda x: [x, x]), step("key_by", tenth), step("filter", odd), keep=2)
    assert run(program, [12, 12])["origin"] == [0, 1]


def test_only_drops_from_that_step_on_leave_something():
    program = records(step("filter", odd), step("key_by", tenth), step("filter", lambda x: x > 20), keep=2)
    out = run(program, [11, 12, 23])
    assert (out["origin"], objects(out["v"])) == ([0, 2], [MISSING, 23])


def test_a_flat_map_that_gives_nothing_leaves_its_group():
    out = run(records(step("key_by", tenth), step("flat_map", lambda x: range(x % 10)), keep=1), [2, 10, 20])
    assert (objects(out["n0"]), objects(out["v"])) == ([0, 0, 1, 2], [0, 1, MISSING, MISSING])
    out = run(records(step("flat_map", below), keep=0), [0, 1, 0])
    assert (out["origin"], objects(out["v"])) == ([0, 1, 2], [MISSING, 0, MISSING])


def test_drops_before_a_level_is_opened():
    out = run(records(step("filter", odd), step("key_by", tenth), keep=0), [12, 13], k1=["a", "a"])
    assert (objects(out["n0"]), objects(out["v"])) == ([MISSING, 1], [MISSING, 13])


def test_markers_of_outer_groups_are_told_apart():
    program = records(step("key_by", tenth), step("filter", odd), keep=1)
    out = run(program, [2, 4, 2, 4], k1=["a", "a", "b", "b"])
    assert out["origin"] == [0, 2]
    out = run(records(step("filter", odd), keep=0), [2, 4, 2, 4], k1=["a", "a", "b", "b"])
    assert out["origin"] == [0, 2]


def test_without_values_a_record_is_told_from_a_marker():
    out = run(records(step("key_by", tenth), step("filter", odd), emit="nothing", keep=1), [11, 12])
    assert objects(out["v"]) == [None, MISSING]


def test_open_sides():
    program = records(
        step("map", lambda x, one, many: (x, one, len(many)), sides=(0, 1)),
        shown=("value open", "sequence open"),
    )
    assert values(program, [1], [7], [1, 2, 3]) == [(1, 7, 3)]


def test_sequences_look_like_lists():
    def use(x, many):
        assert list(many) == many.as_list() == [1, 2, 3] and many == [1, 2, 3] and many != [1]
        assert many[-1] == 3 and many[1:] == [2, 3] and 2 in many and repr(many) == "[1, 2, 3]"
        assert list(many) == list(many) and list(reversed(many)) == [3, 2, 1] and many.index(2) == 1
        return many

    assert values(records(step("map", use, sides=(0,)), shown=("sequence open",)), [1], [1, 2, 3]) == [
        [1, 2, 3]
    ]


def test_foreach_gets_a_real_list():
    def use(x, many):
        assert type(many) is list

    run(records(step("foreach", use, sides=(0,)), emit="nothing", shown=("sequence open",)), [1], [1, 2])


def test_sides_by_column():
    program = records(
        step("filter", lambda x, s: x > s, sides=(0,)),
        step("map", lambda x, s, many: (x, s, many.as_list()), sides=(0, 1)),
        shown=("value column 0", "sequence column 1"),
    )
    out = values(program, [1, 5, 6], x0=[3, 3, 4], x1=[[1], [1], MISSING])
    assert out == [(5, 3, [1]), (6, 4, [])]


def test_neighbours_share_their_side_input():
    program = records(step("map", lambda x, s: id(s), sides=(0,)), shown=("sequence column 0",))
    first, second, third = values(program, [1, 2, 3], x0=[[1], [1], [2]])
    assert first == second != third


def test_long_chains():
    assert values(records(*[step("map", lambda x: x + 1)] * 300), [1]) == [301]
    assert values(records(*[step("flat_map", lambda x: [x, -x][:1])] * 60), [1, 2]) == [1, 2]
    assert values(records(*[step("filter", bool)] * 300), [1, 0, 2]) == [1, 2]
    both = [step("key_by", tenth), step("filter", bool)] * 30
    assert values(records(*both), [1, 0, 2]) == [1, 2]


def test_more_than_a_chunk():
    many = list(range(5000))
    assert values(records(step("map", double)), many) == [x * 2 for x in many]
    out = run(records(step("flat_map", lambda x: [x] * (x % 3))), many)
    assert out["origin"] == objects(out["v"]) == [x for x in many for _ in range(x % 3)]


STEPS = {
    "map": lambda x: x + 3,
    "flat_map": lambda x: range(x % 4),
    "filter": lambda x: x % 3,
    "key_by": lambda x: x % 2,
}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=5), st.lists(st.none() | st.integers(0, 20)))
def test_chains_do_what_their_steps_do(kinds, given_records):
    expected = []
    for origin, record in enumerate(given_records):
        rows = [((), record)]
        for kind in kinds if record is not None else ():
            function = STEPS[kind]
            if kind == "map":
                rows = [(keys, function(x)) for keys, x in rows]
            elif kind == "flat_map":
                rows = [(keys, y) for keys, x in rows for y in function(x)]
            elif kind == "filter":
                rows = [(keys, x) for keys, x in rows if function(x)]
            else:
                rows = [((*keys, function(x)), x) for keys, x in rows]
        expected += [(origin, keys, x) for keys, x in rows]
    program = records(*(step(kind, STEPS[kind]) for kind in kinds))
    out = run(program, [MISSING if record is None else record for record in given_records])
    levels = kinds.count("key_by")
    found = zip(
        out.get("origin", range(len(given_records))),
        zip(*(objects(out[f"n{level}"]) for level in range(levels)), strict=True)
        if levels
        else [()] * len(out["v"]),
        objects(out["v"]),
        strict=True,
    )
    null = (MISSING,) * levels
    assert list(found) == [(o, null, MISSING) if x is None else (o, k, x) for o, k, x in expected]


turns = []


def noted(record):
    if record["number"] % 256 == 0:
        turns.append(record["task"])
    return {**record, "number": 0}


@pytest.mark.skipif("NESTFLOW_TEST_HOST" in os.environ, reason="of one process")
def test_two_tasks_take_turns():
    # On a busy machine, one may be over before the other has begun.
    assert any(take_turns() > 4 for _ in range(20)), turns


def take_turns():
    """How often another one of two tasks was seen to go on than before."""
    interval = sys.getswitchinterval()
    turns.clear()
    done = []
    everybody = threading.Barrier(3)

    def task(name):
        # One batch: what a task is given at once.
        given = [{"task": name, "number": n, "text": "x" * 50} for n in range(60_000)]
        everybody.wait()
        done.append(len(values(records(step("map", noted)), given)))

    threads = [threading.Thread(target=task, args=(name,)) for name in "ab"]
    try:
        sys.setswitchinterval(0.0005)
        for thread in threads:
            thread.start()
        everybody.wait()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert done == [60_000, 60_000]
    return sum(one != other for one, other in itertools.pairwise(turns))
