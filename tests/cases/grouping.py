"""Grouping inside whatever is there already, and what comes out of tables."""

from __future__ import annotations

from nestflow import transforms as T

from .case import NUMBERS, OTHERS, PAIRS, WORDS, Case

_KEYS = [
    (1, "a"),
    (True, "b"),
    (1.0, "c"),
    (2.0, "d"),
    ("1", "e"),
    (b"1", "f"),
    (None, "g"),
    ((1, 2), "h"),
    ((1.0, 2), "i"),
    (0.0, "j"),
    (-0.0, "k"),
    (float("nan"), "l"),
    (float("nan"), "m"),
]

CASES = [
    Case("group_by", lambda v: v.group_by(lambda x: x % 3)),
    Case("group_by of text", lambda v: v.group_by(len), WORDS),
    Case("group_by with values", lambda v: v.group_by(lambda x: x % 2, lambda x: -x)),
    Case("group_by a boolean", lambda v: v.group_by(lambda x: x > 3)),
    Case("group_by a float", lambda v: v.group_by(lambda x: x / 2)),
    Case("group_by None", lambda v: v.group_by(lambda x: None)),
    Case("group_by a tuple", lambda v: v.group_by(lambda x: (x % 2, str(x % 3)))),
    Case("group_by_key", lambda v: v.group_by_key(), PAIRS),
    Case("group_by_key of lists", lambda v: v.map(list).group_by_key(), PAIRS),
    Case("group_by_key of mixed keys", lambda v: v.group_by_key(), _KEYS),
    Case("count of mixed keys", lambda v: v.group_by_key().apply_values(T.count), _KEYS),
    Case("count in groups", lambda v: v.group_by(lambda x: x % 3).apply_values(T.count)),
    Case(
        "count in groups after a filter",
        lambda v: v.group_by(lambda x: x % 3).apply_values(lambda g: g.filter(lambda x: x > 4).count()),
    ),
    Case(
        "sum in groups after a filter",
        lambda v: v.group_by(lambda x: x % 3).apply_values(lambda g: g.filter(lambda x: x > 4).sum()),
    ),
    Case(
        "sums of groups, converted and counted",
        lambda v: v.group_by(lambda x: x % 2).apply_values(
            lambda g: g.filter(lambda x: x % 2).sum().as_pcollection().count()
        ),
    ),
    Case("flatten", lambda v: v.group_by(lambda x: x % 3).flatten()),
    Case("flatten of mixed keys", lambda v: v.group_by_key().flatten(), _KEYS),
    Case("flatten_values", lambda v: v.group_by(lambda x: x % 3).flatten_values()),
    Case(
        "flatten_values then sum",
        lambda v: v.group_by(lambda x: x % 3).apply_values(T.max).flatten_values().sum(),
    ),
    Case("extract_keys", lambda v: v.group_by(lambda x: x % 3).extract_keys()),
    Case("extract_keys of mixed keys", lambda v: v.group_by_key().extract_keys(), _KEYS),
    Case(
        "extract_keys of emptied groups",
        lambda v: (
            v.group_by(lambda x: x % 3).apply_values(lambda g: g.filter(lambda x: False)).extract_keys()
        ),
    ),
    Case(
        "count of extract_keys",
        lambda v: (
            v.group_by(lambda x: x % 3)
            .apply_values(lambda g: g.filter(lambda x: x > 5))
            .extract_keys()
            .count()
        ),
    ),
    Case("extract_values", lambda v: v.group_by(lambda x: x % 3).apply_values(T.take, 1).extract_values()),
    Case(
        "flatten of nested groups",
        lambda v: v.group_by(lambda x: x % 2).apply_values(lambda g: g.group_by(lambda x: x % 3)).flatten(),
    ),
    Case(
        "flatten_values of nested groups",
        lambda v: (
            v.group_by(lambda x: x % 2)
            .apply_values(lambda g: g.group_by(lambda x: x % 3).apply_values(T.sum))
            .flatten_values()
        ),
    ),
    Case(
        "inner keys per outer key",
        lambda v: v.group_by(lambda x: x % 2).apply_values(
            lambda g: g.group_by(lambda x: x % 3).extract_keys().count()
        ),
    ),
    Case(
        "flatten inside groups",
        lambda v: v.group_by(lambda x: x % 2).apply_values(
            lambda g: g.group_by(lambda x: x % 3).apply_values(T.count).flatten()
        ),
    ),
    Case(
        "three levels",
        lambda v: v.group_by(lambda x: x % 2).apply_values(
            lambda g: g.group_by(lambda x: x % 3).apply_values(
                lambda h: h.group_by(lambda x: x).apply_values(T.count)
            )
        ),
    ),
    Case(
        "nested apply_values",
        lambda v: (
            v.group_by(lambda x: x % 2)
            .apply_values(lambda g: g.group_by(lambda x: x % 3))
            .apply_values(lambda t: t.apply_values(lambda g: g.filter(lambda x: x > 2).count()))
        ),
    ),
    Case(
        "key in apply_key_values",
        lambda v: v.group_by(lambda x: x % 3).apply_key_values(lambda k, g: g.map(lambda x, k: (k, x), k)),
    ),
    Case("key as the value", lambda v: v.group_by(lambda x: x % 3).apply_key_values(lambda k, g: k)),
    Case(
        "key counted with an emptied group",
        lambda v: v.group_by(lambda x: x % 3).apply_key_values(
            lambda k, g: k.union(g.filter(lambda x: x > 5)), ensure_keep_group=True
        ),
    ),
    Case(
        "key as the number to take",
        lambda v: v.group_by(lambda x: x % 3).apply_key_values(lambda k, g: g.take(k)),
    ),
    Case(
        "key with an emptied group's count",
        lambda v: v.group_by(lambda x: x % 3).apply_key_values(
            lambda k, g: g.filter(lambda x: x > 5).count().map(lambda n, k: (k, n), k)
        ),
    ),
    Case(
        "keys of two levels",
        lambda v: v.group_by(lambda x: x % 2).apply_key_values(
            lambda k, g: g.group_by(lambda x: x % 3).apply_key_values(
                lambda j, h: h.map(lambda x, k, j: (k, j, x), k, j)
            )
        ),
    ),
    Case(
        "mixed keys seen in groups",
        lambda v: v.group_by_key().apply_key_values(
            lambda k, g: g.map(lambda x, k: (type(k).__name__, x), k)
        ),
        _KEYS,
    ),
    Case("to_pobject of a table", lambda v: T.to_pobject(v.group_by(lambda x: x % 3))),
    Case(
        "to_pobject of a table of PObjects",
        lambda v: T.to_pobject(
            v.group_by(lambda x: x % 3).apply_values(lambda g: g.filter(lambda x: x > 4).sum())
        ),
    ),
    Case(
        "to_pobject of a nested table",
        lambda v: T.to_pobject(
            v.group_by(lambda x: x % 2).apply_values(lambda g: g.group_by(lambda x: x % 3))
        ),
    ),
    Case(
        "cogroup with an outer one",
        lambda v, o: v.cogroup(o).apply_values(lambda a, b: T.make_tuple(a.count(), b.count())),
        PAIRS,
        OTHERS,
    ),
    Case(
        "cogroup of an outer one first",
        lambda v, o: o.cogroup(v).apply_values(lambda a, b: T.make_tuple(a.count(), b.count())),
        PAIRS,
        OTHERS,
    ),
    Case(
        "cogroup, one side unused",
        lambda v, o: v.cogroup(o).apply_values(lambda a, b: a.count()),
        PAIRS,
        OTHERS,
    ),
    Case(
        "cogroup, extract_keys",
        lambda v, o: v.cogroup(o).apply_values(lambda a, b: a).extract_keys(),
        PAIRS,
        OTHERS,
    ),
    Case(
        "cogroup, one side filtered and subtracted",
        lambda v: v.cogroup(v.filter(lambda r: r[1])).apply_values(
            lambda a, b: a.filter(lambda x: x != 3).subtract(b).count()
        ),
        PAIRS,
    ),
    Case(
        "cogroup of three",
        lambda v, o: T.cogroup(v, o, v).apply_values(lambda a, b, c: a.cartesian(b, c)),
        PAIRS,
        OTHERS,
    ),
    Case("cogroup of one", lambda v: T.cogroup(v).apply_values(lambda a: a.count()), PAIRS),
    Case(
        "cogroup to a tuple",
        lambda v, o: v.cogroup(o).apply_values(lambda a, b: (b, a)).apply_values(lambda b, a: b.union(a)),
        PAIRS,
        OTHERS,
    ),
    Case(
        "two consumers, two depths",
        lambda v: (
            (
                t := v.group_by(lambda x: x % 2).apply_values(
                    lambda g: g.group_by(lambda x: x % 3).apply_values(T.distinct)
                )
            ).apply_values(lambda g: g.apply_values(T.count)),
            t.apply_values(lambda g: g.flatten_values().distinct().count()),
        ),
        NUMBERS,
    ),
    Case(
        "group by the count of a group",
        lambda v: (
            v.group_by(lambda x: x).apply_values(T.count).flatten().group_by(lambda r: r[1], lambda r: r[0])
        ),
    ),
]
