"""Outer data inside groups: passed, captured, operands, results; and tables of the group itself."""

from __future__ import annotations

from nestflow import transforms as T

from .case import NUMBERS, PAIRS, Case


def _mod(n):
    return lambda x: x % n


CASES = [
    Case(
        "outer data passed through",
        lambda v, o: v.group_by(_mod(3)).apply_values(lambda g, o: g.filter(lambda x, s: x in s, o), o),
    ),
    Case("outer data captured", lambda v, o: v.group_by(_mod(3)).apply_values(lambda g: g.union(o))),
    Case(
        "outer data captured two levels up",
        lambda v, o: v.group_by(_mod(2)).apply_values(
            lambda g: g.group_by(_mod(3)).apply_values(lambda h: h.union(o).count())
        ),
    ),
    Case("outer data returned", lambda v, o: v.group_by(_mod(3)).apply_values(lambda g: o)),
    Case(
        "empty outer data returned, then counted",
        lambda v, o: (
            v.group_by(_mod(3)).apply_values(lambda g: o.filter(lambda x: False)).apply_values(T.count)
        ),
    ),
    Case(
        "enclosing group returned, then folded",
        lambda v: (
            v.group_by(_mod(3))
            .apply_values(lambda g: v.filter(lambda x: x > 5))
            .apply_values(lambda g: g.sort().accumulate(0, lambda s, x: s + x))
        ),
    ),
    Case("outer PObject returned", lambda v, o: v.group_by(_mod(3)).apply_values(lambda g: o.count())),
    Case("enclosing group returned", lambda v: v.group_by(_mod(3)).apply_values(lambda g: v)),
    Case("enclosing group's count returned", lambda v: v.group_by(_mod(3)).apply_values(lambda g: v.count())),
    Case(
        "enclosing group joined",
        lambda v: v.group_by_key().apply_key_values(
            lambda k, g: g.map(lambda x: (x, 1)).join(v.map(lambda r: (r[1], r[0])))
        ),
        PAIRS,
    ),
    Case("enclosing group subtracted", lambda v: v.group_by(_mod(3)).apply_values(lambda g: v.subtract(g))),
    Case(
        "difference to the enclosing group", lambda v: v.group_by(_mod(3)).apply_values(lambda g: v.diff(g))
    ),
    Case(
        "enclosing group cogrouped",
        lambda v: v.group_by(_mod(2)).apply_values(
            lambda g: (
                g.map(lambda x: (x, 1))
                .cogroup(v.map(lambda x: (x, 2)))
                .apply_values(lambda a, b: a.count() - b.count())
            )
        ),
    ),
    Case(
        "outer table flattened inside",
        lambda v: _with(
            v.group_by(_mod(2)),
            lambda t: v.group_by(_mod(3)).apply_values(lambda g: t.flatten().count() + g.count()),
        ),
    ),
    Case(
        "outer table's keys inside",
        lambda v: _with(
            v.group_by(_mod(2)),
            lambda t: v.group_by(_mod(3)).apply_values(
                lambda g: g.filter(lambda x, ks: x % 2 in ks, t.extract_keys())
            ),
        ),
    ),
    Case(
        "outer table as an object inside",
        lambda v: _with(
            v.group_by(_mod(2)).apply_values(T.sum),
            lambda t: v.group_by(_mod(3)).apply_values(
                lambda g: g.map(lambda x, d: x / d[x % 2], T.to_pobject(t))
            ),
        ),
    ),
    Case(
        "outer grouping built inside",
        lambda v, o: v.group_by(_mod(2)).apply_values(
            lambda g: o.group_by(_mod(2)).apply_values(T.count).flatten().union(g.count())
        ),
    ),
    Case(
        "grouping of a union with outer data",
        lambda v, o: v.group_by(_mod(2)).apply_values(
            lambda g: g.union(o).group_by(_mod(3)).apply_values(T.count)
        ),
    ),
    Case(
        "take as many as an outer number",
        lambda v, o: v.group_by(_mod(2)).apply_values(lambda g: g.take(o.min())),
    ),
    Case("constant argument", lambda v: v.group_by(_mod(2)).apply_values(T.take, 2)),
    Case(
        "keyword argument", lambda v: v.group_by(_mod(2)).apply_values(T.max_elements, n=2, key=lambda x: -x)
    ),
    Case(
        "top per group per group",
        lambda v: v.group_by(_mod(2)).apply_values(
            lambda g: g.group_by(_mod(3)).apply_values(lambda h: h.max_elements(2))
        ),
    ),
    Case(
        "top of the tops",
        lambda v: v.group_by(_mod(2)).apply_values(
            lambda g: g.group_by(_mod(3)).apply_values(T.max).flatten_values().sort()
        ),
    ),
    Case(
        "join of groups' results",
        lambda v: _with(
            v.group_by(_mod(3)),
            lambda t: t.apply_values(T.count).flatten().join(t.apply_values(T.sum).flatten()),
        ),
    ),
    Case(
        "emptied at both levels",
        lambda v: v.group_by(_mod(2)).apply_values(
            lambda g: (
                g.filter(lambda x: x > 4)
                .group_by(_mod(3))
                .apply_values(lambda h: h.filter(lambda x: x > 6).count())
            )
        ),
    ),
    Case(
        "count of inner groups after emptying",
        lambda v: v.group_by(_mod(2)).apply_values(
            lambda g: (
                g.filter(lambda x: x > 4)
                .group_by(_mod(3))
                .apply_values(lambda h: h.filter(lambda x: x > 6))
                .extract_keys()
                .count()
            )
        ),
    ),
    Case(
        "flattened counts of inner groups",
        lambda v: v.group_by(_mod(2)).apply_values(
            lambda g: (
                g.group_by(_mod(3))
                .apply_values(lambda h: h.filter(lambda x: x > 6).count())
                .flatten_values()
                .sum()
            )
        ),
    ),
    Case(
        "tuple of tables",
        lambda v: _with(
            v.group_by(_mod(2)).apply_values(lambda g: (g.group_by(_mod(3)), g.count())),
            lambda t: t.apply_values(lambda a, b: a.apply_values(T.sum)),
        ),
    ),
    Case(
        "outer data two deep, values taken out twice",
        lambda v, o: (
            v.group_by(_mod(2))
            .apply_values(
                lambda g: g.group_by(_mod(3)).apply_values(lambda h: h.sort().union(o)).flatten_values()
            )
            .flatten_values()
        ),
    ),
    Case(
        "a table mapped twice",
        lambda v: (
            v.group_by(_mod(2))
            .apply_values(lambda g: g.map(lambda x: x + 1))
            .apply_values(lambda g: g.filter(lambda x: x > 3))
            .apply_values(T.count)
        ),
        NUMBERS,
    ),
]


def _with(value, fn):
    return fn(value)
