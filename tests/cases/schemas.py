"""Named columns: chosen and computed by record and as a whole, grouped and joined."""

from __future__ import annotations

from nestflow import schema
from nestflow import transforms as T

from .case import Case

PEOPLE = [
    {"name": "ann", "age": 30, "town": "Omsk"},
    {"name": "bob", "age": 5, "town": None},
    {"name": "ann", "age": 7, "town": "Perm"},
    {"name": "", "age": 0, "town": "Omsk"},
    {"name": "bob", "age": 5, "town": None},
]


def _seen(v):
    return v.as_schema(["name", "age", "town"])


def _tuples(v):
    return schema.dict_to_tuple(_seen(v), "name, age")


def _two(v):
    return v.filter(lambda r: r["age"] > 4), v.filter(lambda r: r["age"] < 10)


def _of_letters(letters):
    return {
        "n": letters.distinct().count(),
        "down": T.to_list_pobject(letters.sort(reverse=True)),
        "most": letters.max(),
        "two": T.to_list_pobject(letters.min_elements(2)),
        "rest": T.to_list_pobject(letters.subtract(letters.take(1)).sort()),
        "walked": T.to_list_pobject(letters.zip_with_index()),
    }


CASES = [
    Case("fields chosen", lambda v: schema.select(_seen(v), "age, none"), PEOPLE),
    Case("field computed", lambda v: schema.select(_seen(v), {"age": lambda a: a * 2, "n": 1}), PEOPLE),
    Case(
        "fields computed, several for a record",
        lambda v: schema.select(_seen(v), lambda c: {"n": c["name"].flat_map(list), "a": c["age"]}),
        PEOPLE,
    ),
    Case(
        "fields computed in groups of one",
        lambda v: schema.select(
            _seen(v), lambda c: {"n": c["name"].flat_map(list).group_by(str).extract_keys().count()}
        ),
        PEOPLE,
    ),
    Case(
        "fields computed of what a record holds",
        lambda v: schema.select(_seen(v), lambda c: _of_letters(c["name"].flat_map(list))),
        PEOPLE,
    ),
    Case(
        "fields computed of outer data",
        lambda v, o: schema.select(_seen(v), lambda c, o: {"n": c["age"] + o.count()}, o),
        PEOPLE,
    ),
    Case(
        "elements computed of outer data",
        lambda v, o: schema.select(_tuples(v), lambda n, a, o: (n, a + o.count()), o),
        PEOPLE,
    ),
    Case(
        "updated with outer data",
        lambda v, o: schema.update(_seen(v), lambda c, o: {"age": c["age"] * o.max()}, o),
        PEOPLE,
    ),
    Case(
        "columns aggregated with outer data",
        lambda v, o: schema.agg(_seen(v), lambda c, o: {"n": c["age"].intersection(o).count()}, o),
        PEOPLE,
    ),
    Case(
        "by a description, with outer data",
        lambda v, o: v.select("age => a", lambda a, o, by: (a + o.count()) * by, o, 2),
        PEOPLE,
    ),
    Case(
        "whole by a description, with outer data",
        lambda v, o: v.agg("age, name => a, n", lambda a, n, o: (a.union(o).max(), n.count()), o),
        PEOPLE,
    ),
    Case(
        "fields computed, of two collections a record",
        lambda v: v.select("name => a, b", lambda n: (n.flat_map(list), n.flat_map(list))),
        PEOPLE,
    ),
    Case("fields computed of the group", lambda v: schema.select(v, lambda c: {"n": v.count()}), PEOPLE),
    Case("elements computed", lambda v: schema.select(_tuples(v), lambda n, a: (3, a + 1, n)), PEOPLE),
    Case("updated", lambda v: schema.update(_seen(v), {"age": lambda a: a + 1}), PEOPLE),
    Case("updated by a function", lambda v: schema.update(_seen(v), lambda c: {"x": c["age"] < 6}), PEOPLE),
    Case("values updated", lambda v: schema.update(v, {"age": lambda a: a + 1, "x": None}), PEOPLE),
    Case(
        "columns aggregated",
        lambda v: schema.agg(_seen(v), lambda c: {"s": c["age"].sum(), "n": c["name"].distinct().count()}),
        PEOPLE,
    ),
    Case("constants of columns", lambda v: schema.agg(_seen(v), lambda c: {"s": 1}), PEOPLE),
    Case("elements aggregated", lambda v: schema.agg(_tuples(v), lambda n, a: a.sum()), PEOPLE),
    Case(
        "grouped by fields",
        lambda v: schema.flatten(
            schema.group_by(_seen(v), "name").apply_values(schema.agg, lambda c: {"s": c["age"].sum()})
        ),
        PEOPLE,
    ),
    Case("grouped by elements", lambda v: schema.group_by(_tuples(v), [0]).flatten().count(), PEOPLE),
    Case(
        "cogrouped by fields",
        lambda v: (
            schema.cogroup(*_two(_seen(v)), fields=["name"])
            .apply_values(lambda a, b: a.count() - b.count())
            .flatten()
        ),
        PEOPLE,
    ),
    Case("joined by fields", lambda v: schema.join(*_two(_seen(v)), fields="name"), PEOPLE),
    Case("left joined", lambda v: schema.left_join(*_two(_seen(v)), fields="town, age"), PEOPLE),
    Case("right joined", lambda v: schema.right_join(*_two(_seen(v)), fields="age", merge=True), PEOPLE),
    Case("full joined", lambda v: schema.full_join(*_two(_seen(v)), fields="name", merge=True), PEOPLE),
    Case(
        "joined by fields, three sides",
        lambda v: schema.left_join(_seen(v), *_two(_seen(v)), fields="name, age"),
        PEOPLE,
    ),
    Case("full joined, not merged", lambda v: schema.full_join(*_two(_seen(v)), fields="age"), PEOPLE),
    Case(
        "left joined and merged",
        lambda v: schema.left_join(*_two(_seen(v)), fields="age", merge=True),
        PEOPLE,
    ),
    Case("right joined, not merged", lambda v: schema.right_join(*_two(_seen(v)), fields=["age"]), PEOPLE),
    Case("distinct by elements", lambda v: schema.distinct(_tuples(v), [1, 0]), PEOPLE),
    Case(
        "grouped by fields, then by others",
        lambda v: schema.flatten(
            schema.group_by(_seen(v), "name").apply_values(
                lambda g: schema.group_by(g, ["age", "town"]).apply_values(
                    schema.agg, lambda c: {"n": c["age"].count()}
                )
            )
        ),
        PEOPLE,
    ),
    Case(
        "grouped by elements, flattened",
        lambda v: schema.flatten(
            schema.group_by(_tuples(v), [0]).apply_values(schema.agg, lambda n, a: (a.max(), a.min()))
        ),
        PEOPLE,
    ),
    Case(
        "described, chosen, and to tuples",
        lambda v: schema.dict_to_tuple(schema.select(_seen(v), "age"), "age, x"),
        PEOPLE,
    ),
    Case("distinct by fields", lambda v: schema.distinct(_seen(v), "name"), PEOPLE),
    Case("tuples to dicts", lambda v: schema.tuple_to_dict(_tuples(v), "a, b"), PEOPLE),
    Case("by a description", lambda v: v.select("age, name => a", lambda a, n: a), PEOPLE),
    Case("whole by a description", lambda v: v.agg("age => a, b", lambda a: (a.count(), 3)), PEOPLE),
]
