"""What answers for empty groups, behind whatever may have emptied them."""

from __future__ import annotations

from nestflow import transforms as T

from .case import Case


def _nothing(v):
    return v.filter(lambda x: False)


def _as_pairs(v):
    return v.map(lambda x: (x, x))


EMPTYING = {
    "filter": _nothing,
    "filter of some": lambda v: v.filter(lambda x: x > 5),
    "flat_map": lambda v: v.flat_map(lambda x: []),
    "take": lambda v: v.take(0),
    "take as a PObject says": lambda v: v.take(_nothing(v).count()),
    "max_elements": lambda v: v.max_elements(0),
    "max_elements after a filter": lambda v: _nothing(v).max_elements(2),
    "take after sort": lambda v: _nothing(v).sort().take(2),
    "sum": lambda v: _nothing(v).sum().as_pcollection(),
    "first": lambda v: _nothing(v).first().map(lambda x: x).as_pcollection(),
    "reduce": lambda v: T.filter(v.reduce(max), lambda x: x > 5),
    "distinct": lambda v: _nothing(v).distinct(),
    "sort": lambda v: _nothing(v).sort(),
    "subtract": lambda v: v.subtract(v),
    "intersection": lambda v: v.intersection(_nothing(v)),
    "diff": lambda v: v.diff(v),
    "join": lambda v: _as_pairs(v).join(_as_pairs(_nothing(v))),
    "left_join": lambda v: _as_pairs(_nothing(v)).left_join(_as_pairs(v)),
    "full_join": lambda v: _as_pairs(_nothing(v)).full_join(_as_pairs(_nothing(v))),
    "cartesian": lambda v: v.cartesian(_nothing(v)),
    "union": lambda v: _nothing(v).union(v.take(0)),
    "transform": lambda v: v.transform(lambda e: None, lambda s, e, x: None, lambda s, e: None),
    "side input": lambda v: v.filter(lambda x, n: x > n + 5, v.count()),
    "outer data": lambda v, o: _nothing(o),
    "outer data put together": lambda v, o: _nothing(v).union(_nothing(o)),
    "outer data compared": lambda v, o: o.subtract(o.union(v)),
    "outer data joined": lambda v, o: _as_pairs(v).join(_as_pairs(_nothing(o))),
    "inner groups": lambda v: v.group_by(lambda x: x % 2).apply_values(_nothing).flatten_values(),
    "inner groups of nothing": lambda v: _nothing(v).group_by(lambda x: x % 2).extract_keys(),
    "inner sums": lambda v: _nothing(v).group_by(lambda x: x).apply_values(T.sum).flatten(),
}


def _answers(v):
    return (
        v.count(),
        v.is_empty(),
        T.to_list_pobject(v.sort()),
        v.accumulate(0, lambda s, x: s + 1),
        v.aggregate(0, lambda s, x: s + 1, lambda a, b: a + b),
        v.combine(lambda xs: len(list(xs)), pre_combine=False),
        v.sort().transform(lambda e: 0, lambda n, e, x: n + 1, lambda n, e: e.emit(n)),
        v.count().map(lambda n: n + 1).as_pcollection().union(v.count()),
        v.distinct().group_by(lambda x: 0).extract_keys().count(),
    )


def _case(name, empty):
    if empty.__code__.co_argcount == 2:
        return Case(f"answers behind {name}", lambda v, o: _answers(empty(v, o)))
    return Case(f"answers behind {name}", lambda v: _answers(empty(v)))


CASES = [_case(name, empty) for name, empty in EMPTYING.items()]
