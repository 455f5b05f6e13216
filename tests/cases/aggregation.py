"""Transforms that give one value for a dataset, and those for the first and the extreme records."""

from __future__ import annotations

import operator

from nestflow import transforms as T

from .case import NUMBERS, WORDS, Case

_ROWS = [(3, "c"), (1, "a"), (2, "b"), (9, "z"), (4, "d")]

CASES = [
    Case("count", lambda v: v.count()),
    Case("count of None", lambda v: v.count(), [None, None, 0]),
    Case("count after a filter", lambda v: v.filter(lambda x: x > 4).count()),
    Case("count of a PObject", lambda v: T.count(v.filter(lambda x: x > 5).first())),
    Case("sum", lambda v: v.sum()),
    Case("sum of floats", lambda v: v.sum(), [0.5, 0.25, 4.0]),
    Case("sum of mixed numbers", lambda v: v.sum(), [1, 0.5, True]),
    Case("sum of one record is the record", lambda v: v.filter(lambda x: x is True).sum(), [True, 2, 3]),
    Case("sum of big numbers", lambda v: v.sum(), [2**62, 2**62, 2**63, -1]),
    Case("sum of lists", lambda v: v.sum().map(sorted), [[1], [2, 3], []]),
    Case("sum after a filter", lambda v: v.filter(lambda x: x > 4).sum()),
    Case("max", lambda v: v.max()),
    Case("min", lambda v: v.min()),
    Case("max of text", lambda v: v.max(), WORDS),
    Case("min of text", lambda v: v.min(), WORDS),
    Case("max by key", lambda v: v.max(lambda r: -r[0]), _ROWS),
    Case("min by key", lambda v: v.min(key=lambda r: -r[0]), _ROWS),
    Case("max of tuples", lambda v: v.max(), _ROWS),
    Case("max of mixed numbers", lambda v: v.max(), [1, 2.5, True, -7]),
    Case("max with options", lambda v: v.max(None, scale=2.0)),
    Case("max with ties", lambda v: v.max(lambda x: x % 2).map(lambda x: x % 2), any_order=True),
    Case("max_elements with ties", lambda v: v.max_elements(8, lambda x: x % 2).map(lambda x: x % 2)),
    Case("max_elements", lambda v: v.max_elements(3)),
    Case("min_elements", lambda v: v.min_elements(3)),
    Case("max_elements of none", lambda v: v.max_elements(0)),
    Case("max_elements of less than none", lambda v: v.max_elements(-2)),
    Case("max_elements of all", lambda v: v.max_elements(100)),
    Case("max_elements by key", lambda v: v.max_elements(2, lambda r: -r[0]), _ROWS),
    Case("min_elements by key", lambda v: v.min_elements(2, key=lambda r: -r[0]), _ROWS),
    Case("max_elements with None", lambda v: v.max_elements(3), [None, 3, 1]),
    Case("min_elements with None", lambda v: v.min_elements(2), [None, 3, 1]),
    Case("max_elements of a PObject's number", lambda v: v.max_elements(v.min())),
    Case("min_elements of a PObject's number", lambda v: v.min_elements(v.filter(lambda x: x < 3).count())),
    Case("max_elements keeps its order", lambda v: v.max_elements(4).map(lambda x: x * 10).take(2)),
    Case("first", lambda v: v.first()),
    Case("first after sort", lambda v: v.sort().first()),
    Case("first after a filter", lambda v: v.filter(lambda x: x > 4).first()),
    Case("take", lambda v: v.take(3)),
    Case("take none", lambda v: v.take(0)),
    Case("take less than none", lambda v: v.take(-1)),
    Case("take more than there are", lambda v: v.take(100)),
    Case("take as many as a PObject says", lambda v: v.take(v.min())),
    Case(
        "take as many as an empty PObject of nothing",
        lambda v: v.filter(lambda x: x > 99).take(v.filter(lambda x: x > 99).first()),
    ),
    Case(
        "largest as many as an empty PObject of nothing",
        lambda v: v.filter(lambda x: x > 99).max_elements(v.filter(lambda x: x > 99).first()),
    ),
    Case(
        "take as many as an empty PObject",
        lambda v: v.take(v.filter(lambda x: x > 99).first()),
    ),
    Case("take after sort", lambda v: v.sort().take(2)),
    Case("take after sort, ties in order", lambda v: v.sort_by(lambda r: r[0] // 4).take(4), _ROWS),
    Case("take after descending sort", lambda v: v.sort_by(lambda r: r[0] // 4, True).take(4), _ROWS),
    Case("take none after sort", lambda v: v.sort().take(0).count()),
    Case("first after descending sort", lambda v: v.sort(True).first()),
    Case("take after sort and map", lambda v: v.sort(True).map(lambda x: x + 1).take(2)),
    Case("take of take", lambda v: v.take(5).filter(lambda x: x != 4).take(2)),
    Case("is_empty", lambda v: v.is_empty()),
    Case("is_empty after a filter", lambda v: v.filter(lambda x: x > 4).is_empty()),
    Case("to_list_pobject", lambda v: T.to_list_pobject(v)),
    Case("to_list_pobject after sort", lambda v: T.to_list_pobject(v.sort())),
    Case("to_list_pobject of a PObject", lambda v: T.to_list_pobject(v.sum())),
    Case("to_pobject", lambda v: T.to_pobject(v)),
    Case("to_pobject of a PObject", lambda v: T.to_pobject(v.sum())),
    Case("reduce", lambda v: v.reduce(lambda a, b: a * b)),
    Case("reduce that adds", lambda v: v.reduce(lambda a, b: a + b)),
    Case("reduce by operator.add", lambda v: v.reduce(operator.add)),
    Case("reduce that adds floats", lambda v: v.map(lambda x: x / 4).reduce(operator.add)),
    Case("reduce that adds texts", lambda v: v.map(str).sort().reduce(lambda x, y: x + y).map(sorted)),
    Case("reduce that adds a side", lambda v: v.reduce(lambda a, b, n: a + b, v.count())),
    Case(
        "reduce that changes its first argument",
        lambda v: v.reduce(_extended).map(sorted),
        [[1], [2], [3, 4]],
    ),
    Case("combine", lambda v: v.combine(sum)),
    Case("combine of a stingy function", lambda v: v.combine(lambda xs: max(xs, default=None))),
    Case("combine in one call", lambda v: v.combine(lambda xs: sorted(xs), pre_combine=False)),
    Case("combine in one call to another type", lambda v: v.combine(lambda xs: str(len(list(xs))), False)),
    Case("combine in one call in order", lambda v: v.sort().combine(lambda xs: list(xs), pre_combine=False)),
    Case("aggregate", lambda v: v.aggregate(0, lambda s, x: s + len(x), lambda a, b: a + b), WORDS),
    Case("aggregate with a zero that changes", lambda v: v.aggregate([], _appended, _extended).map(sorted)),
    Case("aggregate with a callable zero", lambda v: v.aggregate(dict, _counted, _counts_added)),
    Case("accumulate", lambda v: v.accumulate("", lambda s, x: s + str(x))),
    Case("accumulate with a zero that changes", lambda v: v.accumulate([], _appended)),
    Case("accumulate with a callable zero", lambda v: v.accumulate(list, _appended)),
    Case("accumulate after sort", lambda v: v.sort().accumulate((), lambda s, x: (*s, x))),
    Case(
        "several results",
        lambda v: (v.count(), v.sum(), v.max(), v.map(lambda x: x * x).sum(), v.distinct().count()),
    ),
    Case("a result used inside", lambda v: v.map(lambda x, s: x / s, v.sum())),
    Case("mean", lambda v: v.sum() / v.count(), NUMBERS),
]


def _appended(items: list, item: object) -> list:
    items.append(item)
    return items


def _extended(items: list, more: list) -> list:
    items.extend(more)
    return items


def _counted(counts: dict, item: object) -> dict:
    counts[item] = counts.get(item, 0) + 1
    return counts


def _counts_added(counts: dict, more: dict) -> dict:
    for item, number in more.items():
        counts[item] = counts.get(item, 0) + number
    return counts
