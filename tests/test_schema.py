"""The schema layer: what each function gives, said outright, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import oracle
import pytest
from cases.schemas import PEOPLE
from programs import text

import nestflow as nf
from nestflow import counter, schema, serde
from nestflow import transforms as T
from nestflow.future import fields
from nestflow.transform_impls.sort import ASC, DESC

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def people(p: nf.Pipeline) -> nf.PCollection:
    return p.parallelize(PEOPLE).as_schema({"name": str, "age": int, "town": str})


def rows(data: Any) -> list[Any]:
    return sorted(data.get(), key=repr)


def test_select(people: nf.PCollection, p: nf.Pipeline) -> None:
    assert schema.select(people, ["age", "none"]).get()[1] == {"age": 5, "none": None}
    made = schema.select(people, {"name": lambda name: "x" + name, "age": (T.map, lambda a: -a), "c": 1})
    assert made.get()[0] == {"name": "xann", "age": -30, "c": 1}
    assert str(made) == "SchemaPCollection(name,age,c)"
    several = schema.select(people, lambda c: {"n": c["name"].flat_map(list), "a": c["age"]})
    assert several.get()[:3] == [{"n": letter, "a": 30} for letter in "ann"]
    least = p.parallelize(6)
    older = schema.select(people, lambda c, least: {"older": c["age"] > least}, least)
    assert older.get() == [{"older": person["age"] > 6} for person in PEOPLE]
    assert schema.select(people, lambda c: {"one": 1}).get() == [{"one": 1}] * len(PEOPLE)


def test_select_of_tuples(people: nf.PCollection) -> None:
    tuples = schema.dict_to_tuple(people, ("name", "age"))
    assert str(tuples.serde()) == "tuple_of(str_(), int_())"
    assert schema.select(tuples, lambda n, a: ("c", a + 1, n)).get()[0] == (31, "ann", "c")
    assert schema.select(tuples, lambda n, a: a).get()[0] == (30,)
    assert schema.agg(tuples, lambda n, a: (a.max(), 7)).get() == [(30, 7)]


def test_update(people: nf.PCollection, p: nf.Pipeline) -> None:
    assert schema.update(people, {"age": lambda a: a + 1}).get()[0] == {**PEOPLE[0], "age": 31}
    added = schema.update(people, lambda c: {"next": c["age"] + 1})
    assert added.get()[0] == {**PEOPLE[0], "next": 31}
    assert str(added) == "SchemaPCollection(name,age,town,next)"
    plain = p.parallelize([{"a": 1}])
    assert schema.update(plain, {"a": (max, 5), "b": len("x")}).get() == [{"a": 5, "b": 1}]


def test_agg(people: nf.PCollection) -> None:
    made = schema.agg(
        people, lambda c: {"sum": c["age"].sum(), "towns": c["town"].distinct().count(), "c": 1}
    )
    assert made.get() == [{"sum": 47, "towns": 3, "c": 1}]
    assert schema.agg(people, lambda c: {"c": 1}).get() == [{"c": 1}] * len(PEOPLE)


def test_grouping(people: nf.PCollection) -> None:
    table = schema.group_by(people, "name")
    sums = table.apply_values(schema.agg, lambda c: {"sum": c["age"].sum()})
    assert rows(schema.flatten(sums)) == [
        {"name": "", "sum": 0},
        {"name": "ann", "sum": 37},
        {"name": "bob", "sum": 10},
    ]
    with pytest.raises(nf.errors.InvalidDataException, match="flatten"):
        table.get()
    nested = table.apply_values(lambda v: schema.group_by(v, "age").apply_values(lambda w: w.first()))
    assert len(schema.flatten(nested).get()) == 4
    wins = schema.group_by(people, "name").apply_values(lambda v: v.map(lambda r: {"name": "own"}))
    assert schema.flatten(wins).get() == [{"name": "own"}] * 5
    by_element = schema.group_by(schema.dict_to_tuple(people, "name, age"), [0])
    assert by_element.apply_values(T.count).get() == {("ann",): 2, ("bob",): 2, ("",): 1}
    assert type(by_element.apply_values(lambda v: v)._value) is schema.SchemaPCollection
    assert str(by_element.serde()) == "tuple_of(str_(), int_())"
    assert type(table._value) is schema.SchemaPCollection
    assert schema.FieldsDictSerde is serde.FieldsDictSerde
    assert rows(schema.distinct(people, "name")) == sorted([PEOPLE[0], PEOPLE[1], PEOPLE[3]], key=repr)


def test_joins(p: nf.Pipeline) -> None:
    left = p.parallelize([{"k": 1, "a": "x", "both": 1}, {"k": 2, "a": "y", "both": 1}]).as_schema(
        ["k", "a", "both"]
    )
    right = p.parallelize([{"k": 2, "b": "z", "both": 2}, {"k": 3, "b": "w", "both": 2}]).as_schema(
        ["k", "b", "both"]
    )
    none = {"k": None, "b": None, "both": None}
    assert schema.join(left, right, fields="k").get() == [
        ({"k": 2, "a": "y", "both": 1}, {"k": 2, "b": "z", "both": 2})
    ]
    assert ({"k": 1, "a": "x", "both": 1}, none) in schema.left_join(left, right, fields="k").get()
    merged = {"k": 2, "a": "y", "b": "z"}
    assert schema.join(left, right, fields="k", merge=True).get() == [{**merged, "both": 1}]
    found = schema.right_join(left, right, fields="k", merge=True).get()
    assert {row["k"]: row for row in found} == {
        2: {**merged, "both": 2},
        3: {"k": 3, "a": None, "b": "w", "both": 2},
    }
    everything = schema.full_join(left, right, fields="k", merge=True).get()
    assert {row["k"]: row for row in everything} == {
        1: {"k": 1, "a": "x", "b": None, "both": 1},
        2: {**merged, "both": 1},
        3: {"k": 3, "a": None, "b": "w", "both": 2},
    }


def test_refusals(people: nf.PCollection, p: nf.Pipeline) -> None:
    plain = p.parallelize([{"a": 1}])
    tuples = schema.dict_to_tuple(people, "name")
    table = people.group_by(len)
    for call in (
        lambda: schema.select(people, 3),
        lambda: schema.select(people, []),
        lambda: schema.select(tuples, "name"),
        lambda: schema.select(tuples, {"name": 1}),
        lambda: schema.select(tuples, lambda a: [a]),
        lambda: schema.select(tuples, lambda a: {"a": a}),
        lambda: schema.agg(tuples, lambda a: [a.count()]),
        lambda: fields.select(people, 3, len),
        lambda: schema.select(table, "a"),
        lambda: schema.select(people, lambda c: 3),
        lambda: schema.select(people, lambda c: {"t": c["name"].flat_map(list).group_by(len)}),
        lambda: schema.update(people, 3),
        lambda: schema.update(tuples, {"a": 1}),
        lambda: schema.dict_to_tuple(tuples, "a"),
        lambda: schema.describe(plain),
        lambda: schema.cogroup(people),
        lambda: schema.join(people, people),
        lambda: fields.select(plain.as_schema((int, int)), "a", lambda a: a),
        lambda: schema.join(people, fields="name"),
        lambda: schema.join(people, plain, fields="name"),
        lambda: schema.join(people, people, people, fields="name", merge=True),
        lambda: schema.flatten(people),
        lambda: schema.group_by(tuples, "name"),
        lambda: schema.group_by(tuples, [5]),
        lambda: schema.SchemaPCollection(plain),
        lambda: schema.SchemaPCollection(table),
    ):
        with pytest.raises(ValueError):
            call()
    with pytest.raises(KeyError, match="no column 'none'"):
        schema.select(people, lambda c: {"a": c["none"]})


def test_serdes(people: nf.PCollection) -> None:
    assert {name: str(kind) for name, kind in schema.describe(people).items()} == {
        "name": "str_()",
        "age": "int_()",
        "town": "str_()",
    }
    made = schema.of({"a": int})
    assert fields.get_serde_of_field(made, "a") == serde.int_()
    assert fields.get_serde_of_field(made, "b") is None
    assert fields.get_serde_of_fields(made, "a, b").get_fields() == ["a", "b"]
    assert schema.tuple_to_dict(people.map(lambda r: (1, 2)), ["a", ("b", int)]).get()[0] == {"a": 1, "b": 2}


def test_descriptions(people: nf.PCollection) -> None:
    made = fields.select(people, " age , name=>older,letters ", lambda a, n: (a + 1, n.flat_map(list)))
    assert made.get()[0] == {"older": 31, "letters": "a"}
    assert people.select("age", lambda a: a * 2).get()[0] == {"age": 60}
    assert people.agg("age => n", lambda a: a.count()).get() == [{"n": 5}]
    assert fields.flatten(people) is people
    named = fields.group_by(people, "name").apply_values(fields.agg, "age", lambda a: a.sum())
    assert {"name": "ann", "age": 37} in fields.flatten(named).get()
    assert isinstance(schema.of("a"), fields.FieldsDictSerde)
    with pytest.raises(AssertionError):
        people.select("a => b => c", lambda a: a)
    with pytest.raises(AssertionError):
        people.select("age => b, c", lambda a: a)
    code = "import nestflow as nf; nf.Pipeline.create('local').parallelize([{}]).select('a=>b=>c', print)"
    ran = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, check=False)
    assert "AssertionError: there is more than one =>" in ran.stderr


def test_no_data_move_where_a_record_is_enough(people: nf.PCollection) -> None:
    """Columns that are computed by record need no numbers and no groups, and are what groups give."""
    made = schema.select(people, lambda c: {"n": c["name"].flat_map(list).count(), "a": c["age"] + 1})
    assert made.explain().count("stage ") == 1
    assert "numbered" not in made.explain()
    grouped = T.group_by_every_record(people).apply_values(
        lambda v: T.make_tuple(
            v.flat_map(lambda r: list(r["name"])).count(), v.map(lambda r: r["age"]).sum() + 1
        )
    )
    assert rows(made.map(lambda r: (r["n"], r["a"]))) == rows(grouped.flatten_values())
    moved = schema.select(people, lambda c: {"n": c["name"].flat_map(list).group_by(len).flatten_values()})
    assert "numbered" in moved.explain()
    assert len(moved.get()) == sum(len(person["name"]) for person in PEOPLE)


class Numbered(nf.Transformer):
    """Records with their number, and how many there were."""

    def begin_process(self, *sides: Any) -> list[Any]:
        self.seen = 0
        return []

    def process(self, record: Any, *sides: Any) -> list[Any]:
        self.seen += 1
        return [(self.seen, record)]

    def end_process(self, *sides: Any) -> list[Any]:
        return [(self.seen, *map(len, sides))]


def _emitting(v: nf.PCollection) -> nf.PCollection:
    def step(status: int, emitter: Any, x: Any) -> int:
        emitter.emit((status, x))
        if status == 2:
            emitter.done()
        return status + 1

    return v.transform(lambda e: 0, step, lambda status, e: e.emit(status))


COLUMNS: dict[str, Callable[[nf.PCollection], Any]] = {
    "distinct": lambda v: v.distinct().sort_by(text),
    "distinct count": lambda v: v.distinct().count(),
    "sort": lambda v: v.sort_by(text),
    "sort down": lambda v: v.sort_by(lambda x: (DESC(str(x)[:1]), ASC(str(x))), reverse=True),
    "sort, stable": lambda v: v.sort_by(lambda x: x is None, reverse=True),
    "sort of numbers": lambda v: _numbers(v).sort(),
    "sort of numbers down": lambda v: _numbers(v).sort(reverse=True),
    "sort with none": lambda v: v.filter(lambda x: x is None or isinstance(x, str)).sort(),
    "max": lambda v: _numbers(v).max(),
    "max by key": lambda v: v.sort_by(text).max(text),
    "min": lambda v: _numbers(v).min(),
    "max_elements": lambda v: _numbers(v).max_elements(2),
    "min_elements": lambda v: v.min_elements(2, str),
    "top of none": lambda v: v.top(0, str),
    "take of a number": lambda v: v.take(v.count() - 2),
    "subtract": lambda v: v.subtract(_numbers(v)).sort_by(text),
    "intersection": lambda v: v.intersection(v.union(v)).sort_by(text),
    "intersection of all": lambda v: v.union(v).intersection(v, True).sort_by(text),
    "diff": lambda v: v.diff(_numbers(v)).sort_by(text),
    "transform": _emitting,
    "transformer": lambda v: v.transform(Numbered()),
    "transformer with a side": lambda v: v.transform(Numbered, _numbers(v)),
    "map_partitions": lambda v: v.map_partitions(lambda part: [list(part)]),
    "map_batches": lambda v: v.map_batches(lambda batch: [len(batch)]),
    "indexed": lambda v: v.zip_with_index(),
}

LISTS = [
    ["b", "a", "b", None, "c", None, 3, 1, 2.5, True, 1.0, "é"],
    [],
    [None],
    [float("nan"), 2, float("nan"), 0.0, -0.0, False, 1],
    [(1, "a"), (True, "a"), [1, "a"], {"k": 1}, {"k": 1.0}, b"a", "a"],
]


def _numbers(v: nf.PCollection) -> nf.PCollection:
    return v.filter(lambda x: isinstance(x, (int, float)))


@pytest.mark.parametrize("name", COLUMNS)
def test_what_a_record_decides_moves_nothing(p: nf.Pipeline, name: str) -> None:
    """Each operator gives for a record what it gives in a group with that record, in one stage."""
    fn = COLUMNS[name]
    lists = p.parallelize([{"l": values} for values in LISTS]).as_schema(["l"])
    columns = schema.select(lists, lambda c: {"n": T.to_list_pobject(fn(c["l"].flat_map(list)))})
    grouped = T.group_by_every_record(lists).apply_values(
        lambda v: T.to_list_pobject(fn(v.flat_map(lambda row: row["l"])))
    )
    by_record, by_group = columns.cache(), grouped.flatten_values().cache()
    assert "numbered" not in by_record.explain()
    p.run()
    oracle.check([row["n"] for row in by_record.get()], oracle.Bag(by_group.get()), exact=False)


def test_batches_of_a_record_keep_their_limits(p: nf.Pipeline, engine: str) -> None:
    """Only the engine knows how many bytes records have, and in how many processes a function runs."""
    if "tiny" in engine:
        pytest.skip("a few megabytes are too much for it to sort")
    megabytes = p.parallelize([{"n": 8}, {"n": 1}]).as_schema(["n"])

    def column(v: nf.PCollection, **limits: Any) -> nf.PCollection:
        blocks = v.flat_map(lambda n: [b"x" * (1 << 20)] * n)
        return blocks.map_batches(lambda batch: [len(batch)], **limits)

    limited = schema.select(megabytes, lambda c: {"n": column(c["n"], batch_size="2MB")})
    shared = schema.select(megabytes, lambda c: {"n": column(c["n"], instances=1)})
    for made in (limited, shared):
        assert "numbered" in made.explain()
    sizes = [row["n"] for row in limited.get()]
    assert sum(sizes) == 9
    assert max(sizes) <= 3
    assert sorted(row["n"] for row in shared.get()) == [1, 8]
    assert "numbered" not in schema.select(megabytes, lambda c: {"n": column(c["n"])}).explain()


@pytest.mark.parametrize("largest", [True, False])
def test_a_key_of_an_extreme_is_made_once(p: nf.Pipeline, largest: bool) -> None:
    def key(x: int) -> int:
        counter.increase("keys")
        return x

    counter.reset("keys")
    lists = p.parallelize([{"l": [3, 1, 2]}]).as_schema(["l"])

    def column(v: nf.PCollection) -> nf.PObject:
        numbers = v.flat_map(list)
        return numbers.max(key) if largest else numbers.min(key)

    assert schema.select(lists, lambda c: {"n": column(c["l"])}).get() == [{"n": 3 if largest else 1}]
    assert counter.get("keys") == 3


def test_sets_of_a_record_are_told_apart_by_what_they_hold(p: nf.Pipeline) -> None:
    """Of equal values a frozenset is shown before a set."""
    lists = p.parallelize([{"l": [{1}, frozenset([True]), {2}, {1, 2}]}]).as_schema(["l"])
    made = schema.select(lists, lambda c: {"n": c["l"].flat_map(list).distinct()})
    assert made.get() == [{"n": {1}}, {"n": {2}}, {"n": {1, 2}}]
    assert [type(row["n"]) for row in made.get()] == [frozenset, set, set]
    with pytest.raises(TypeError, match="no order"):
        schema.select(lists, lambda c: {"n": c["l"].flat_map(list).sort()}).get()


def test_what_cannot_be_compared_fails_as_in_groups(p: nf.Pipeline) -> None:
    lists = p.parallelize([{"l": [1, "a"]}, {"l": [None, 1]}]).as_schema(["l"])
    for fn in (lambda v: v.sort(), lambda v: v.max(), lambda v: v.max_elements(2)):
        made = schema.select(lists, lambda c, fn=fn: {"n": fn(c["l"].flat_map(list))})
        with pytest.raises(TypeError, match=r"not supported between .*'a'"):
            made.get()
    only = lists.filter(lambda row: None in row["l"])
    with pytest.raises(TypeError, match="None"):
        schema.select(only, lambda c: {"n": c["l"].flat_map(list).min()}).get()
    assert schema.select(only, lambda c: {"n": c["l"].flat_map(list).sort()}).get() == [{"n": None}, {"n": 1}]


def test_an_empty_column_fails_as_in_groups(people: nf.PCollection) -> None:
    made = schema.select(people, lambda c: {"a": c["age"] + T.filter(c["age"], lambda a: a > 6).first()})
    with pytest.raises(nf.errors.NestflowRuntimeException, match="empty PObject"):
        made.get()


def test_a_reduce_may_change_its_first_argument(p: nf.Pipeline) -> None:
    nested = p.parallelize([{"l": [[1], [2]]}]).as_schema(["l"])

    def longer(a: list[int], b: list[int]) -> list[int]:
        a.extend(b)
        return a

    chosen = schema.select(nested, lambda c: {"d": c["l"].flat_map(lambda x: x).reduce(longer), "l": c["l"]})
    assert chosen.get() == [{"d": [1, 2], "l": [[1], [2]]}]
