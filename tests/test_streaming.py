"""What comes without end, or nearly: what is not asked for is not made, on every engine.

`endless` gives up long before memory would, so that a test of what is no longer lazy fails.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import nestflow as nf
from nestflow import transforms as T

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# More than any part or batch that the engine makes ahead.
FAR = 3_000_000


def endless(x: int) -> Iterator[int]:
    """Count from a number on."""
    yield from range(x, x + FAR)
    raise AssertionError("more was asked for than anybody takes")


class Endless(nf.Transformer):
    """Gives numbers without end for each record."""

    def process(self, record: int) -> Iterator[int]:
        """Count from the record on."""
        return endless(record)


class EndlessAtLast(nf.Transformer):
    """Gives numbers without end after the last record."""

    def end_process(self) -> Iterator[int]:
        """Count."""
        return endless(0)


def until_three(status: int, emitter: Any, x: int) -> int:
    """Give three records and ask for no more."""
    emitter.emit(x)
    if status == 2:
        emitter.done()
    return status + 1


def three(v: nf.PCollection) -> nf.PCollection:
    """The first three records by a walk that says when it is done."""
    return v.transform(lambda emitter: 0, until_three, lambda status, emitter: None)


MADE: dict[str, Callable[[nf.PCollection], nf.PCollection]] = {
    "flat_map": lambda v: v.flat_map(endless),
    "flat_map, filter, map": lambda v: v.flat_map(endless).filter(lambda x: x % 2).map(lambda x: -x),
    "nested flat_maps": lambda v: v.flat_map(endless).flat_map(lambda x: (x, x)),
    "flat_map of flat_maps": lambda v: v.flat_map(lambda x: [x, x]).flat_map(endless),
    "transformer": lambda v: v.transform(Endless),
    "end of a transformer": lambda v: v.transform(EndlessAtLast),
    "pipe": lambda v: T.pipe(v, "yes | cat -n | cut -f1").map(int),
}

TAKEN: dict[str, Callable[[nf.PCollection], Any]] = {
    "first": lambda v: v.first(),
    "take": lambda v: v.take(3),
}


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("made", MADE)
def test_take_of_what_is_endless(p: nf.Pipeline, made: str, taken: str) -> None:
    data: dict[str, list[int]] = {"a": [1, 2, 5], "b": [7], "none": []}
    if made == "pipe":  # a command need not be run for no record
        del data["none"]
    few = p.parallelize(data).apply_values(MADE[made]).apply_values(TAKEN[taken])
    again = p.parallelize(dict.fromkeys((1, 2), data))
    deep = again.apply_values(lambda t: t.apply_values(lambda v: TAKEN[taken](MADE[made](v))))
    alone = [TAKEN[taken](MADE[made](p.parallelize(records))) for records in data.values()]
    for dataset in (few, deep, *alone):
        dataset.cache()
    p.run()
    expected = {}
    for key, dataset in zip(data, alone, strict=True):
        try:
            got = dataset.get()
        except nf.errors.InvalidDataException:  # the first of nothing
            continue
        if got != []:
            expected[key] = got
    assert few.get() == expected
    assert deep.get() == {1: expected, 2: expected}
    some = expected["a"] if taken == "take" else [expected["a"]]
    assert len(some) == (3 if taken == "take" else 1)


def test_two_takes_of_one_endless_dataset(p: nf.Pipeline) -> None:
    groups = p.parallelize([1, 2, 3, 4]).group_by(lambda x: x % 2)

    def ends(v: nf.PCollection) -> nf.PCollection:
        numbers = v.flat_map(endless)
        return numbers.take(2).union(numbers.take(4))

    assert groups.apply_values(ends).get() == {1: [1, 2, 1, 2, 3, 4], 0: [2, 3, 2, 3, 4, 5]}


def test_groups_made_right_before(p: nf.Pipeline) -> None:
    """The function that gives the key and the one that never ends would otherwise be one chain."""
    groups = p.parallelize(list(range(2000))).group_by(lambda x: x % 3)
    few = groups.apply_values(lambda v: v.flat_map(lambda x: endless(10 * x)).take(3))
    assert few.get() == {k: [10 * k, 10 * k + 1, 10 * k + 2] for k in range(3)}
    counted = groups.apply_values(lambda v: v.flat_map(endless).take(3).count())
    assert counted.get() == {0: 3, 1: 3, 2: 3}


def test_side_inputs_go_on_behind_a_record_that_is_left(p: nf.Pipeline) -> None:
    table = p.parallelize({"a": [1, 2, 3], "b": [4, 5]})
    numbers = table.apply_key_values(
        lambda key, v: v.filter(lambda x: x > 1).flat_map(lambda x, k: ((k, n) for n in endless(x)), key)
    )
    first = numbers.apply_values(lambda v: v.take(2)).get()
    assert first == {"a": [("a", 2), ("a", 3)], "b": [("b", 4), ("b", 5)]}
    # More than one part of a record, more than one record of a group.
    many = table.apply_key_values(lambda key, v: v.flat_map(lambda x, k: [(k, x)] * 3000, key).take(5000))
    assert many.apply_values(lambda v: v.distinct().count()).get() == {"a": 2, "b": 2}
    assert many.apply_values(T.count).get() == {"a": 5000, "b": 5000}


def test_a_walk_that_is_done_needs_no_more(p: nf.Pipeline) -> None:
    assert three(p.parallelize([1, 2]).flat_map(endless)).get() == [1, 2, 3]
    assert p.parallelize([5]).flat_map(endless).take(p.parallelize(2)).get() == [5, 6]


def test_whether_it_is_empty(p: nf.Pipeline) -> None:
    assert p.parallelize([1]).flat_map(endless).is_empty().get() is False


@pytest.mark.parametrize("fn", [iter, lambda part: (-x for x in part)], ids=["as it is", "generator"])
def test_parts_are_not_held(p: nf.Pipeline, fn: Callable[[Iterator[int]], Iterator[int]]) -> None:
    assert len(p.parallelize([0]).flat_map(endless).map_partitions(fn).take(3).get()) == 3


def test_what_a_part_gives_is_not_held(p: nf.Pipeline) -> None:
    numbers = p.parallelize([1, 2, 3]).map_partitions(lambda part: endless(sum(part)))
    assert numbers.take(3).get() == [6, 7, 8]


def test_a_function_of_a_part_may_stop_early(p: nf.Pipeline) -> None:
    assert p.parallelize([1]).flat_map(endless).map_partitions(lambda part: [next(part)]).get() == [1]


def test_records_of_groups_that_have_enough_are_passed_over(p: nf.Pipeline) -> None:
    """The function meets some of them, not all."""
    name = "nestflow-test|met"
    p.reset_counter(name)

    def note(x: int) -> list[int]:
        nf.counter.increase(name)
        return [x]

    groups = p.parallelize([(x % 2, x) for x in range(100_000)]).group_by_key()
    few = groups.apply_values(lambda v: v.flat_map(note).take(2))
    assert few.get() == {0: [0, 2], 1: [1, 3]}
    assert nf.counter._get("met", "nestflow-test") < 20_000


def test_walks_with_more_results_than_a_part(p: nf.Pipeline) -> None:
    class Many(nf.Transformer):
        def begin_process(self) -> Iterator[str]:
            return iter("b" * 3000)

        def process(self, record: int) -> list[int]:
            return [record] * 2500

        def end_process(self) -> Iterator[str]:
            return (x for x in "e" * 3000)

    expected = ["b"] * 3000 + [1] * 2500 + [2] * 2500 + ["e"] * 3000
    table = p.parallelize({"a": [1, 2], "none": []}).apply_values(lambda v: v.transform(Many))
    assert table.get() == {"a": expected, "none": ["b"] * 3000 + ["e"] * 3000}
    assert p.parallelize([1, 2]).transform(Many).get() == expected
    emits = p.parallelize([1, 2]).transform(
        lambda emitter: [emitter.emit("b") for _ in range(3000)],
        lambda status, emitter, x: [emitter.emit(x) for _ in range(2500)],
        lambda status, emitter: [emitter.emit("e") for _ in range(3000)] and None,
    )
    assert Counter(emits.get()) == Counter(expected)


def test_a_command_reads_on_after_it_has_ended_its_output(p: nf.Pipeline, tmp_path: Any) -> None:
    lines = [str(x) for x in range(50_000)]
    # On Spark there is a process for each part, each with a file of its own.
    assert T.pipe(p.parallelize(lines), f"cat > $(mktemp {tmp_path}/got.XXXX)").get() == []
    parts = [part.read_text().split() for part in tmp_path.glob("got.*")]
    assert [line for part in sorted(parts, key=lambda part: int(part[0])) for line in part] == lines
    assert T.pipe(p.parallelize(lines), "head -2").get()[:2] == lines[:2]


def test_take_of_what_inner_groups_give(p: nf.Pipeline) -> None:
    """What gives the records counts them by its own group, whose key nobody else asks for."""

    def first(rows: nf.PCollection) -> nf.PCollection:
        sums = rows.group_by(lambda x: x % 3).apply_values(
            lambda group: group.aggregate(0, lambda a, x: a + x, lambda a, b: a + b).map(lambda x: x + 1)
        )
        return sums.flatten_values().take(1)

    assert p.parallelize([1, 4, 7]).group_by(lambda x: x % 2).apply_values(first).get() == {1: [9], 0: [5]}
