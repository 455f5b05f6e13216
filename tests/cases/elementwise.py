"""Transforms that look at one record at a time."""

from __future__ import annotations

from nestflow import transforms as T

from .case import WORDS, Case

CASES = [
    Case("map", lambda v: v.map(lambda x: x * 2)),
    Case("map to None", lambda v: v.map(lambda x: None)),
    Case("map to odd values", lambda v: v.map(lambda x: (x, [x], {x: str(x)}, {x, 1}, float(x), b"\0" * x))),
    Case("map of text", lambda v: v.map(lambda w: w.upper()), WORDS),
    Case("map of a map", lambda v: v.map(lambda x: x + 1).map(str).map(lambda s: s * 2)),
    Case("map with a builtin", lambda v: v.map(str)),
    Case("flat_map to a list", lambda v: v.flat_map(lambda x: [x] * (x % 3))),
    Case("flat_map to a generator", lambda v: v.flat_map(lambda x: (y for y in range(x % 4)))),
    Case("flat_map to a string", lambda v: v.flat_map(lambda w: w), WORDS),
    Case("flat_map to a dict", lambda v: v.flat_map(lambda x: {x: 1, -x: 2})),
    Case("flat_map to nothing", lambda v: v.flat_map(lambda x: [])),
    Case("flat_map twice", lambda v: v.flat_map(lambda x: range(x % 3)).flat_map(lambda x: [x, x])),
    Case("filter", lambda v: v.filter(lambda x: x % 2)),
    Case("filter by truth of anything", lambda v: v.filter(lambda w: w), WORDS),
    Case("filter all away", lambda v: v.filter(lambda x: False)),
    Case(
        "filter, map, filter, flat_map",
        lambda v: v.filter(lambda x: x > 1).map(lambda x: x - 2).filter(bool).flat_map(range),
    ),
    Case("map of None records", lambda v: v.map(lambda x: x is None), [None, 0, None, ""]),
    Case("mutating a record", lambda v: (v.map(_mutated), v.map(len)), [[1], [], [2, 3]]),
    Case(
        "the records themselves",
        lambda v: v,
        [1, True, 1.0, "1", b"1", None, (), [], {}, -0.0, 1e300, 10**30, "\ud800"],
    ),
    Case("unknown options", lambda v: v.map(lambda x: x, serde=None, scale=1.0, memory_limit=3)),
    Case("PObject map", lambda v: v.count().map(lambda n: n + 1)),
    Case("PObject map of an empty one", lambda v: v.filter(lambda x: False).first().map(lambda n: n + 1)),
    Case("PObject flat_map", lambda v: v.count().flat_map(range)),
    Case("PObject filter", lambda v: T.filter(v.count(), lambda n: n > 3)),
    Case("PObject flat_map of an empty one", lambda v: v.filter(lambda x: False).first().flat_map(range)),
    Case("PObject filter of an empty one", lambda v: T.filter(v.filter(lambda x: False).sum(), bool)),
    Case("PObject union of an empty one", lambda v: v.filter(lambda x: False).sum().union(v.count())),
    Case("PObject flatten", lambda v: T.flatten(v.count())),
    Case("PObject as_pcollection", lambda v: v.count().as_pcollection()),
    Case("PCollection as_pobject", lambda v: v.as_pobject()),
    Case("apply", lambda v: v.apply(T.map, lambda x: -x)),
]


def _mutated(record: list[int]) -> list[int]:
    record.append(0)
    return record
