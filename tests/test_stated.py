"""What composites give, said outright, on every engine: for a whole dataset, and the same in groups.

The oracle evaluates plans, and a composite makes its plan with the same Python as the engine's: if that is
wrong, both are. So here a row is a program, its records, and the answer that somebody worked out by hand.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

import oracle
import pytest
from oracle import Bag

import nestflow as nf
from nestflow import schema
from nestflow import transforms as T
from nestflow.future import fields

if TYPE_CHECKING:
    from collections.abc import Callable


class Row(NamedTuple):
    """A program over the records, and over others from outside if it takes two arguments."""

    program: Callable[..., Any]
    records: list[Any]
    answer: Any
    outer: tuple[Any, ...] = ()


PAIRS = [("b", 1), ("a", 2), ("b", 3)]
TEXTS = [("a", "xy"), ("b", ""), ("a", "z")]
LEFT = [("a", 1), ("a", 2), ("b", 3)]
RIGHT = [("a", "x"), ("c", "y")]
ANN, BOB, BOBS_SON = (
    {"name": "ann", "age": 30, "town": "Omsk"},
    {"name": "bob", "age": 40, "town": None},
    {"name": "bob", "age": 5, "town": "Perm"},
)
PEOPLE = [ANN, BOB, BOBS_SON]


def _add(a, b):
    return a + b


def _people(v):
    return v.as_schema(["name", "age", "town"])


def _people_as_tuples(v):
    return schema.dict_to_tuple(_people(v), "name, age")


def _adults_and_young(v):
    return _people(v).filter(lambda r: r["age"] > 20), _people(v).filter(lambda r: r["age"] <= 30)


def _seven(f):
    """Operators on a PObject that holds 7, their results in one tuple."""
    return lambda v: T.make_tuple(*f(v.first()))


STATED: dict[str, dict[str, Row]] = {
    "pairs": {
        "reduce_by_key": Row(lambda v: v.reduce_by_key(_add), PAIRS, Bag([("a", 2), ("b", 4)])),
        "reduce_by_key, equal keys": Row(
            lambda v: v.reduce_by_key(_add), [(True, 5), (1, 7), (1.0, 1), (2.0, 4)], Bag([(1, 13), (2.0, 4)])
        ),
        "reduce_by_key of lists": Row(lambda v: v.reduce_by_key(_add), [["k", 1], ["k", 2]], [("k", 3)]),
        "reduce_by_key of nothing": Row(lambda v: v.reduce_by_key(_add), [], []),
        "aggregate_by_key": Row(
            lambda v: v.aggregate_by_key(0, lambda s, x: s + len(x), _add), TEXTS, Bag([("a", 3), ("b", 0)])
        ),
        "aggregate_by_key, a zero that changes": Row(
            lambda v: v.aggregate_by_key([], lambda s, x: s.append(x) or s, _add).map_values(sorted),
            PAIRS,
            Bag([("a", [2]), ("b", [1, 3])]),
        ),
        "count_by_key": Row(lambda v: v.count_by_key(), PAIRS, {"a": 1, "b": 2}),
        "count_by_key of nothing": Row(lambda v: v.count_by_key(), [], {}),
        "collect_as_map": Row(lambda v: v.collect_as_map(), PAIRS, {"a": 2, "b": 3}),
        "collect_as_map of nothing": Row(lambda v: v.collect_as_map(), [], {}),
        "key_by": Row(lambda v: v.key_by(len), ["a", "bc", ""], [(1, "a"), (2, "bc"), (0, "")]),
        "map_values": Row(lambda v: v.map_values(lambda x: -x), PAIRS, [("b", -1), ("a", -2), ("b", -3)]),
        "flat_map_values": Row(
            lambda v: v.flat_map_values(list), TEXTS, [("a", "x"), ("a", "y"), ("a", "z")]
        ),
        "keys": Row(lambda v: v.keys(), PAIRS, ["b", "a", "b"]),
        "values": Row(lambda v: v.values(), PAIRS, [1, 2, 3]),
        "group_by_key, then sums": Row(
            lambda v: v.group_by_key().apply_values(T.sum), PAIRS, {"a": 2, "b": 4}
        ),
    },
    "positions": {
        "top": Row(lambda v: v.top(2), [3, 1, 4, 1, 5], [5, 4]),
        "top by key": Row(lambda v: v.top(2, key=lambda x: -x), [3, 1, 4, 2], [1, 2]),
        "top of fewer": Row(lambda v: v.top(9), [3, 1], [3, 1]),
        "top of none": Row(lambda v: v.top(0), [3, 1], []),
        "top, as many as a PObject says": Row(lambda v: v.top(v.min()), [3, 2, 4], [4, 3]),
        "zip_with_index": Row(lambda v: v.zip_with_index(), ["b", "a", "b"], [("b", 0), ("a", 1), ("b", 2)]),
        "zip_with_index, sorted": Row(
            lambda v: v.sort(True).zip_with_index(), [1, 3, 2], [(3, 0), (2, 1), (1, 2)]
        ),
        "zip_with_index of nothing": Row(lambda v: v.zip_with_index(), [], []),
        "map_partitions": Row(
            lambda v: v.map_partitions(lambda part: [sum(part)]).sum(), [*range(100)], 4950
        ),
        "map_partitions of more": Row(
            lambda v: v.map_partitions(lambda part: (2 * x for x in part)), [1, 2, 3], Bag([2, 4, 6])
        ),
        "map_partitions of nothing": Row(lambda v: v.map_partitions(lambda part: [1]), [], []),
        "glom": Row(lambda v: v.glom().flat_map(lambda part: part), [3, 1, 2], Bag([1, 2, 3])),
        "glom of nothing": Row(lambda v: v.glom(), [], []),
        "group_by_every_record": Row(
            lambda v: T.group_by_every_record(v).apply_values(T.count).flatten_values(), [7, 7, 8], [1, 1, 1]
        ),
        "sample of all": Row(lambda v: v.sample(False, 1.0), [3, 1, 3], [3, 1, 3]),
        "sample of none": Row(lambda v: v.sample(True, 0.0), [3, 1, 3], []),
        "take and first": Row(
            lambda v: T.make_tuple(v.first(), T.to_list_pobject(v.take(2))), [9, 8, 7], (9, [9, 8])
        ),
        "max_elements and min_elements": Row(
            lambda v: T.make_tuple(
                T.to_list_pobject(v.max_elements(2)), T.to_list_pobject(T.min_elements(v, 2))
            ),
            [3, None, 4, 1],
            ([4, 3], [None, 1]),
        ),
    },
    "arithmetic": {
        "+": Row(_seven(lambda n: (n + 2, 2 + n, n + n)), [7], (9, 9, 14)),
        "-": Row(_seven(lambda n: (n - 2, 2 - n, n - n)), [7], (5, -5, 0)),
        "*": Row(_seven(lambda n: (n * 2, 2 * n, n * n)), [7], (14, 14, 49)),
        "/": Row(_seven(lambda n: (n / 2, 14 / n, n / n)), [7], (3.5, 2.0, 1.0)),
        "//": Row(_seven(lambda n: (n // 2, 16 // n, -n // 2)), [7], (3, 2, -4)),
        "%": Row(_seven(lambda n: (n % 4, 16 % n, -n % 4)), [7], (3, 2, 1)),
        "**": Row(_seven(lambda n: (n**2, 2**n)), [7], (49, 128)),
        "<<": Row(_seven(lambda n: (n << 2, 2 << n)), [7], (28, 256)),
        ">>": Row(_seven(lambda n: (n >> 1, 512 >> n)), [7], (3, 4)),
        "&": Row(_seven(lambda n: (n & 10, 10 & n)), [7], (2, 2)),
        "^": Row(_seven(lambda n: (n ^ 2, 2 ^ n)), [7], (5, 5)),
        "|": Row(_seven(lambda n: (n | 8, 8 | n)), [7], (15, 15)),
        "< and >": Row(_seven(lambda n: (n < 8, n > 8, n < 7, n > 7.5)), [7], (True, False, False, False)),
        "<= and >=": Row(_seven(lambda n: (n <= 7, n >= 8, n <= n)), [7], (True, False, True)),
        "== and !=": Row(_seven(lambda n: (n == 7, n != 7, n == n)), [7], (True, False, True)),
        "unary": Row(_seven(lambda n: (-n, +n, abs(-n), ~n, n.not_())), [7], (-7, 7, 7, -8, False)),
        "rounding": Row(
            _seven(lambda n: ((n / 2).ceil(), (n / 2).floor(), (n / 2).round(), (n / 3).round(2))),
            [7],
            (4, 3, 4, 2.33),
        ),
        "with an outer one": Row(lambda v, o: v.sum() * o.count() - o.sum(), [3, 4], -1, [5, 10]),
        "mean": Row(lambda v: v.sum() / v.count(), [1, 2, 3, 4], 2.5),
    },
    "cartesian": {
        "of two": Row(
            lambda v, o: v.cartesian(o), [1, 2], [(1, "x"), (1, "y"), (2, "x"), (2, "y")], ["x", "y"]
        ),
        "the outer one first": Row(
            lambda v, o: o.cartesian(v), [1, 2], [("x", 1), ("x", 2), ("y", 1), ("y", 2)], ["x", "y"]
        ),
        "of three": Row(
            lambda v: T.cartesian(v, v.count(), v), [5, 6], [(a, 2, b) for a in (5, 6) for b in (5, 6)]
        ),
        "of one": Row(lambda v: T.cartesian(v), [5], [(5,)]),
        "of PObjects": Row(lambda v: v.sum().cartesian(v.count()), [5, 6], [(11, 2)]),
        "with nothing": Row(lambda v: v.cartesian(v.filter(lambda x: x > 9)), [5, 6], []),
    },
    "sets and joins": {
        "distinct": Row(lambda v: v.distinct(), [2, 1, 2.0, True, "1"], Bag([2, 1, "1"])),
        "union": Row(lambda v, o: v.union(o, v.count()), [2, 1], [2, 1, 7, 2], [7]),
        "subtract": Row(lambda v, o: v.subtract(o), [2, 1, 2, 3], Bag([2, 2]), [3, 1.0]),
        "intersection": Row(lambda v, o: v.intersection(o), [2, 2, 2, 3], [2], [2, 2, 4]),
        "intersection with copies": Row(
            lambda v, o: v.intersection(o, output_duplicated=True), [2, 2, 2, 3], [2, 2], [2, 2, 4]
        ),
        "diff": Row(
            lambda v, o: v.diff(o), [2, 2, 3, 5], Bag([(2, (2, 1)), (4, (0, 1)), (5, (1, 0))]), [2, 3, 4]
        ),
        "join": Row(lambda v, o: v.join(o), LEFT, Bag([("a", (1, "x")), ("a", (2, "x"))]), RIGHT),
        "left_join": Row(
            lambda v, o: v.left_join(o),
            LEFT,
            Bag([("a", (1, "x")), ("a", (2, "x")), ("b", (3, None))]),
            RIGHT,
        ),
        "right_join": Row(
            lambda v, o: v.right_join(o),
            LEFT,
            Bag([("a", (1, "x")), ("a", (2, "x")), ("c", (None, "y"))]),
            RIGHT,
        ),
        "full_join": Row(
            lambda v, o: v.full_join(o),
            LEFT,
            Bag([("a", (1, "x")), ("a", (2, "x")), ("b", (3, None)), ("c", (None, "y"))]),
            RIGHT,
        ),
        "full_join of three": Row(
            lambda v, o: v.full_join(o, o),
            [("a", 1)],
            Bag([("a", (1, "x", "x")), ("c", (None, "y", "y"))]),
            RIGHT,
        ),
        "cogroup": Row(
            lambda v, o: v.cogroup(o).apply_values(lambda a, b: a.count() * 10 + b.count()),
            LEFT,
            {"a": 21, "b": 10, "c": 1},
            RIGHT,
        ),
    },
    "pipes": {
        "lines, empty ones dropped": Row(lambda v: T.pipe(v, "cat"), ["b", "", "a b"], Bag(["b", "a b"])),
        "other records as text": Row(lambda v: T.pipe(v, "cat"), [1, None, 2.5], Bag(["1", "None", "2.5"])),
        "fields": Row(
            lambda v: T.pipe(v, "cut -f2,1", input_fields_num=2, output_fields_num=2),
            PAIRS,
            Bag([("a", "2"), ("b", "1"), ("b", "3")]),
        ),
        "delimiters": Row(
            lambda v: T.pipe(v, "tr a-z A-Z", input_fields_num=2, field_delimiter="|", output_fields_num=2),
            [("a", "b c")],
            [("A", "B C")],
        ),
        "the last field has the rest": Row(
            lambda v: T.pipe(v, "cat", output_fields_num=2), ["a\tb\tc"], [("a", "b\tc")]
        ),
        "tables, keys first": Row(
            lambda v: T.pipe(v.group_by_key(), "cat", output_fields_num=2),
            PAIRS,
            Bag([("a", "2"), ("b", "1"), ("b", "3")]),
        ),
        "nested tables": Row(
            lambda v: T.pipe(
                v.group_by_key().apply_values(lambda g: g.group_by(lambda x: x % 2)),
                "cat",
                output_fields_num=3,
            ),
            PAIRS,
            Bag([("a", "0", "2"), ("b", "1", "1"), ("b", "1", "3")]),
        ),
        "binary": Row(lambda v: T.pipe(v, "cat", type="bistreaming"), ["a\nb", ""], Bag([b"a\nb", b""])),
        "binary fields": Row(
            lambda v: T.pipe(v, "cat", type="bistreaming", input_fields_num=2, output_fields_num=2),
            [("a\t", 1)],
            [(b"a\t", b"1")],
        ),
    },
    "schema": {
        "tuple_to_dict": Row(lambda v: schema.tuple_to_dict(v, "a, b"), [(1, 2)], [{"a": 1, "b": 2}]),
        "dict_to_tuple": Row(_people_as_tuples, PEOPLE, [("ann", 30), ("bob", 40), ("bob", 5)]),
        "select of names": Row(
            lambda v: schema.select(_people(v), "age, none"), [ANN], [{"age": 30, "none": None}]
        ),
        "select of columns": Row(
            lambda v: schema.select(_people(v), {"age": lambda a: a * 2, "name": (T.map, len), "c": 1}),
            PEOPLE,
            [{"age": age, "name": 3, "c": 1} for age in (60, 80, 10)],
        ),
        "select by a function": Row(
            lambda v: schema.select(_people(v), lambda c: {"n": c["name"].flat_map(list), "a": c["age"]}),
            [ANN],
            [{"n": "a", "a": 30}, {"n": "n", "a": 30}, {"n": "n", "a": 30}],
        ),
        "select of tuples": Row(
            lambda v: schema.select(_people_as_tuples(v), lambda n, a: (3, a + 1, n)), [ANN], [(31, "ann", 3)]
        ),
        "update": Row(
            lambda v: schema.update(_people(v), {"age": lambda a: a + 1}), [BOB], [{**BOB, "age": 41}]
        ),
        "update by a function": Row(
            lambda v: schema.update(_people(v), lambda c: {"old": c["age"] > 20}),
            PEOPLE,
            [{**ANN, "old": True}, {**BOB, "old": True}, {**BOBS_SON, "old": False}],
        ),
        "agg": Row(
            lambda v: schema.agg(
                _people(v), lambda c: {"s": c["age"].sum(), "n": c["name"].distinct().count(), "c": 1}
            ),
            PEOPLE,
            [{"s": 75, "n": 2, "c": 1}],
        ),
        "agg of constants": Row(lambda v: schema.agg(_people(v), lambda c: {"s": 1}), PEOPLE, [{"s": 1}] * 3),
        "agg of tuples": Row(
            lambda v: schema.agg(_people_as_tuples(v), lambda n, a: a.max()), PEOPLE, [(40,)]
        ),
        "group_by": Row(
            lambda v: schema.flatten(
                schema.group_by(_people(v), "name").apply_values(schema.agg, lambda c: {"s": c["age"].sum()})
            ),
            PEOPLE,
            Bag([{"name": "ann", "s": 30}, {"name": "bob", "s": 45}]),
        ),
        "group_by of tuples": Row(
            lambda v: schema.group_by(_people_as_tuples(v), [0]).apply_values(T.count),
            PEOPLE,
            {("ann",): 1, ("bob",): 2},
        ),
        "cogroup": Row(
            lambda v: schema.flatten(
                schema.cogroup(*_adults_and_young(v), fields=["name"]).apply_values(
                    lambda a, b: T.make_tuple(a.count(), b.count()).map(lambda t: {"counts": t})
                )
            ),
            PEOPLE,
            Bag([{"name": "ann", "counts": (1, 1)}, {"name": "bob", "counts": (1, 1)}]),
        ),
        "join": Row(
            lambda v: schema.join(*_adults_and_young(v), fields="name"),
            PEOPLE,
            Bag([(ANN, ANN), (BOB, BOBS_SON)]),
        ),
        "join, merged": Row(
            lambda v: schema.join(*_adults_and_young(v), fields="name", merge=True), PEOPLE, Bag([ANN, BOB])
        ),
        "left_join": Row(
            lambda v: schema.left_join(*_adults_and_young(v), fields="age"),
            PEOPLE,
            Bag([(ANN, ANN), (BOB, {"name": None, "age": None, "town": None})]),
        ),
        "right_join, merged": Row(
            lambda v: schema.right_join(*_adults_and_young(v), fields="age", merge=True),
            PEOPLE,
            Bag([ANN, BOBS_SON]),
        ),
        "full_join, merged": Row(
            lambda v: schema.full_join(*_adults_and_young(v), fields="age", merge=True), PEOPLE, Bag(PEOPLE)
        ),
        "distinct": Row(lambda v: schema.distinct(_people(v), "name"), PEOPLE, Bag([ANN, BOB])),
        "fields.select": Row(
            lambda v: fields.select(_people(v), "age, name => next, n", lambda a, n: (a + 1, n.map(len))),
            [ANN],
            [{"next": 31, "n": 3}],
        ),
        "fields.agg": Row(
            lambda v: v.agg("age => a, c", lambda a: (a.count(), 3)), PEOPLE, [{"a": 3, "c": 3}]
        ),
        "fields.group_by": Row(
            lambda v: fields.flatten(
                fields.group_by(_people(v), "name").apply_values(fields.agg, "age", lambda a: a.max())
            ),
            PEOPLE,
            Bag([{"name": "ann", "age": 30}, {"name": "bob", "age": 40}]),
        ),
    },
}


@pytest.mark.parametrize("family", STATED)
def test_stated(p: nf.Pipeline, family: str) -> None:
    """All programs of a family, in one run."""
    datasets: dict[str, tuple[Any, Any]] = {}
    for name, row in STATED[family].items():
        outer = _outer(p, row)
        whole = row.program(p.parallelize(row.records), *outer)
        table = p.parallelize({1: row.records, 2: row.records}).apply_values(row.program, *outer)
        datasets[name] = whole.cache(), row.answer
        empty = not row.answer and not isinstance(whole, nf.PObject)
        # A group without results is not shown.
        datasets[f"{name}, in groups"] = table.cache(), {} if empty else {1: row.answer, 2: row.answer}
    p.run()
    found = {name: oracle.difference(data.get(), answer) for name, (data, answer) in datasets.items()}
    assert {name: difference for name, difference in found.items() if difference} == {}


def _outer(p: nf.Pipeline, row: Row) -> list[nf.PCollection]:
    return [p.parallelize(list(row.outer))] if len(inspect.signature(row.program).parameters) == 2 else []
