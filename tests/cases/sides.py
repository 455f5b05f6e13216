"""Side inputs of each kind and from each place."""

from __future__ import annotations

from nestflow import transforms as T

from .case import NUMBERS, PAIRS, Case

CASES = [
    Case("side PObject of the group", lambda v: v.map(lambda x, n: x * n, v.count())),
    Case(
        "side PCollection of the group",
        lambda v: v.map(lambda x, s: (x, len(s), s[0], s[-1], list(s[1:3])), v),
    ),
    Case(
        "side PCollection twice over",
        lambda v: v.filter(
            lambda x, s: x in s and sum(1 for _ in s) == sum(1 for _ in s), v.filter(lambda x: x > 3)
        ),
    ),
    Case("side PCollection as a list", lambda v: v.count().map(lambda n, s: s.as_list(), v)),
    Case(
        "side PCollection that is empty",
        lambda v: v.map(lambda x, s: (x, list(s)), v.filter(lambda x: False)),
    ),
    Case("side table of the group", lambda v: v.map(lambda x, d: (x, d[x % 2]), v.group_by(lambda x: x % 2))),
    Case(
        "side table of PObjects",
        lambda v: v.map(lambda x, d: x / d[x % 3], v.group_by(lambda x: x % 3).apply_values(T.sum)),
    ),
    Case(
        "side nested table",
        lambda v: v.map(
            lambda x, d: d[x % 2][x % 3],
            v.group_by(lambda x: x % 2).apply_values(
                lambda g: g.group_by(lambda x: x % 3).apply_values(T.count)
            ),
        ),
    ),
    Case("side outer PCollection", lambda v, o: v.filter(lambda x, s: x in s, o)),
    Case("side outer PObject", lambda v, o: v.map(lambda x, n: x + n, o.count())),
    Case("side outer list", lambda v, o: v.map(lambda x, s: (x, s), T.to_list_pobject(o))),
    Case(
        "side outer table as an object",
        lambda v, o: v.map(
            lambda x, d: d.get(x, 0), T.to_pobject(o.group_by(lambda x: x).apply_values(T.count))
        ),
    ),
    Case("several sides", lambda v, o: v.map(lambda x, n, s, m: (x, n, len(s), m), v.count(), o, o.max())),
    Case("side input of flat_map", lambda v, o: v.flat_map(lambda x, s: [x] * (x in s), o)),
    Case("side input of a PObject map", lambda v, o: v.sum().map(lambda x, s: x + len(s), o)),
    Case("side input of reduce", lambda v: v.reduce(lambda a, b, n: (a * b) % (n + 7), v.count())),
    Case(
        "side input of aggregate",
        lambda v, o: v.aggregate(0, lambda s, x, n: s + x * n, lambda a, b, n: a + b, o.count()),
    ),
    Case(
        "side input of aggregate, callable zero",
        lambda v, o: v.aggregate(lambda s: 0, lambda n, x, s: n + (x in s), lambda a, b, s: a + b, o),
    ),
    Case(
        "side input of accumulate",
        lambda v, o: v.accumulate([], lambda kept, x, s: [*kept, x] if x in s else kept, o),
    ),
    Case(
        "side input of accumulate, callable zero",
        lambda v: v.accumulate(lambda n: [n], lambda kept, x, n: [*kept, x - n], v.count()),
    ),
    Case(
        "empty PObject beside no records",
        lambda v: v.filter(lambda x: False).map(lambda x, s: x / s, v.filter(lambda x: False).sum()),
    ),
    Case(
        "empty PObject where no function is called",
        lambda v: v.take(1).reduce(lambda a, b, s: a, v.filter(lambda x: False).sum()),
    ),
    Case(
        "empty PObject beside records", lambda v: v.map(lambda x, s: x, v.filter(lambda x: x > 1000).first())
    ),
    Case(
        "empty PObject in some groups",
        lambda v: v.map(lambda x, s: (x, s), v.filter(lambda x: x > 4).first()),
    ),
    Case(
        "empty PObject for a transform",
        lambda v: v.filter(lambda x: False).transform(
            lambda e, s: 0, lambda n, e, x, s: n, lambda n, e, s: None, v.filter(lambda x: False).first()
        ),
    ),
    Case(
        "empty PObject for a callable zero",
        lambda v: v.filter(lambda x: False).aggregate(
            lambda s: 0, lambda n, x, s: n, lambda a, b, s: a, v.filter(lambda x: False).first()
        ),
    ),
    Case(
        "empty PObject for the callable zero of a fold",
        lambda v: v.filter(lambda x: False).accumulate(
            lambda s: 0, lambda n, x, s: n, v.filter(lambda x: False).first()
        ),
    ),
    Case(
        "empty PObject beside a zero that is no function",
        lambda v: v.take(0).accumulate(0, lambda n, x, s: n, v.take(0).first()),
    ),
    Case("side of a side", lambda v: v.map(lambda x, m: x - m, v.map(lambda x, n: x * n, v.count()).max())),
    Case(
        "side input after a grouping",
        lambda v: v.group_by(lambda x: x % 2).apply_values(
            lambda g, n: g.map(lambda x, n: x * n, n), v.count()
        ),
    ),
    Case(
        "captured outer data of a group",
        lambda v: v.group_by(lambda x: x % 2).apply_values(lambda g: g.map(lambda x, s: x * s[0], v.sort())),
    ),
    Case(
        "inner count against outer count",
        lambda v: v.group_by(lambda x: x % 3).apply_values(lambda g: g.count() / v.count()),
    ),
    Case(
        "key of an outer level as a side input",
        lambda v: v.group_by_key().apply_key_values(
            lambda k, g: g.group_by(lambda x: x).apply_values(lambda h: h.map(lambda x, k: (k, x), k))
        ),
        PAIRS,
    ),
    Case(
        "side input in a chain",
        lambda v, o: (
            v.map(lambda x: x + 1)
            .filter(lambda x, s: x in s, o)
            .map(lambda x, n: x * n, v.count())
            .flat_map(lambda x: [x, x])
        ),
        NUMBERS,
    ),
]
