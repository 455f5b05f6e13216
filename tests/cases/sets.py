"""Sets and multisets: equality is that of keys."""

from __future__ import annotations

from nestflow import transforms as T

from .case import NUMBERS, WORDS, Case

_MIXED = [
    1,
    True,
    1.0,
    2.0,
    2,
    "1",
    b"1",
    None,
    (1, 2),
    (1.0, 2.0),
    0,
    -0.0,
    False,
    float("nan"),
    float("nan"),
]
_HEAPS = [[1, 2], [2, 1], [1, 2], {1, 2}, frozenset([2, 1]), {"a": 1, "b": 2}, {"b": 2, "a": 1}, (1, 2)]

CASES = [
    Case("distinct", lambda v: v.distinct()),
    Case("distinct of text", lambda v: v.distinct(), WORDS),
    Case("distinct of mixed numbers", lambda v: v.distinct(), _MIXED),
    Case("distinct of lists, sets and dicts", lambda v: v.distinct().count(), _HEAPS),
    Case("distinct then count", lambda v: v.distinct().count()),
    Case("distinct twice", lambda v: v.distinct().map(lambda x: x // 2).distinct()),
    Case("distinct then sum", lambda v: v.distinct().sum()),
    Case("distinct of an empty one", lambda v: v.filter(lambda x: False).distinct()),
    Case("union with itself", lambda v: v.union(v)),
    Case("union of parts", lambda v: v.filter(lambda x: x > 4).union(v.filter(lambda x: x < 4), v.sum())),
    Case("union of one", lambda v: T.union(v)),
    Case("union keeps order", lambda v: v.map(lambda x: -x).union(v).take(14)),
    Case("union with an outer one", lambda v, o: v.union(o)),
    Case("union of an outer one first", lambda v, o: o.union(v)),
    Case("count of a union with an outer one", lambda v, o: v.filter(lambda x: x > 4).union(o).count()),
    Case("cartesian", lambda v: v.take(3).cartesian(v.filter(lambda x: x > 4))),
    Case("cartesian of three", lambda v: T.cartesian(v.take(2), v.count(), v.take(3))),
    Case("cartesian of one", lambda v: T.cartesian(v)),
    Case("cartesian of one PObject", lambda v: T.cartesian(v.count())),
    Case("cartesian with an outer one", lambda v, o: v.cartesian(o)),
    Case("cartesian of an outer one first", lambda v, o: o.cartesian(v)),
    Case("cartesian with an empty side", lambda v: v.cartesian(v.filter(lambda x: False))),
    Case("make_tuple", lambda v: T.make_tuple(v.count(), v.sum(), v.is_empty())),
    Case(
        "make_tuple of an empty PObject", lambda v: T.make_tuple(v.count(), v.filter(lambda x: False).sum())
    ),
    Case("make_tuple with an outer one", lambda v, o: T.make_tuple(o.count(), v.count())),
    Case("subtract", lambda v: v.subtract(v.filter(lambda x: x > 4))),
    Case("subtract an outer one", lambda v, o: v.subtract(o)),
    Case("subtract from an outer one", lambda v, o: o.subtract(v)),
    Case("count of subtract from an outer one", lambda v, o: o.subtract(v).count()),
    Case("subtract nothing", lambda v: v.subtract(v.filter(lambda x: False))),
    Case("subtract mixed numbers", lambda v, o: v.subtract(o).count(), _MIXED, [1, 2.0, "1"]),
    Case(
        "what subtract leaves is as it was",
        lambda v, o: v.subtract(o).map(repr),
        [0, False, 0.0, 1, True, 2, 2.0, "a", "a"],
        [True, "b", 7],
    ),
    Case(
        "subtract one with an equal key",
        lambda v: v.subtract(v.take(1).map(float)).map(repr),
        [1, True, 2, 2.0],
    ),
    Case("intersection", lambda v, o: v.intersection(o)),
    Case("intersection with an outer one first", lambda v, o: o.intersection(v)),
    Case("intersection with copies", lambda v, o: v.intersection(o, output_duplicated=True)),
    Case("intersection with itself", lambda v: v.intersection(v, True)),
    Case(
        "intersection with parts", lambda v: v.filter(lambda x: x > 2).intersection(v.filter(lambda x: x < 5))
    ),
    Case("diff", lambda v, o: v.diff(o)),
    Case("diff of an outer one first", lambda v, o: o.diff(v)),
    Case("diff with itself", lambda v: v.diff(v)),
    Case("diff with nothing", lambda v: v.diff(v.filter(lambda x: False)), NUMBERS),
    Case("count of diff with an outer one", lambda v, o: v.diff(o).count()),
]
