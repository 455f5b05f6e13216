"""The names that users of RDDs know."""

from __future__ import annotations

from nestflow import transforms as T

from .case import NUMBERS, OTHERS, PAIRS, Case


def _add(a, b):
    return a + b


def _size(part):
    return [len(list(part))]


SUMS = [("b", 1), ("a", 2), ("b", 3), (1, 5), (True, 7), ("a", 2)]
TEXTS = [("a", "xy"), ("b", ""), ("a", "z")]

CASES = [
    Case("reduce_by_key", lambda v: v.reduce_by_key(_add), SUMS),
    Case("aggregate_by_key", lambda v: v.aggregate_by_key(0, lambda s, x: s + len(x), _add), TEXTS),
    Case("count_by_key", lambda v: v.count_by_key(), PAIRS),
    Case("collect_as_map", lambda v: v.collect_as_map(), PAIRS),
    Case("key_by", lambda v: v.key_by(lambda x: x % 3)),
    Case("key_by joined", lambda v: v.key_by(lambda x: x % 2).join(v.key_by(lambda x: x % 2)).count()),
    Case("map_values", lambda v: v.map_values(str), PAIRS),
    Case("flat_map_values", lambda v: v.flat_map_values(list), TEXTS),
    Case("keys", lambda v: v.keys(), PAIRS),
    Case("values", lambda v: v.values(), OTHERS),
    Case("top", lambda v: v.top(3)),
    Case("top by key", lambda v: v.top(1, key=lambda r: r[1]), OTHERS),
    Case("zip_with_index", lambda v: v.zip_with_index()),
    Case("zip_with_index, then by index", lambda v: v.sort().zip_with_index().filter(lambda r: r[1] % 2)),
    Case("zip_with_index of nothing", lambda v: v.filter(lambda x: x > 99).zip_with_index()),
    Case("map_partitions", lambda v: v.map_partitions(_size).sum()),
    Case("map_partitions of every record", lambda v: v.map_partitions(lambda p: (x + 1 for x in p)).sum()),
    Case("glom", lambda v: v.glom().flat_map(lambda part: part).map(lambda x: -x).sum()),
    Case("group_by_every_record", lambda v: T.group_by_every_record(v).flatten_values().sum()),
    Case(
        "group_by_every_record, inside",
        lambda v: (
            T.group_by_every_record(v).apply_values(lambda g: g.union(g.count())).flatten_values().sum()
        ),
    ),
    Case("sample of all", lambda v: v.sample(False, 1.0)),
    Case("sample of nothing", lambda v: v.sample(False, 0)),
    Case("sample with replacement of nothing", lambda v: v.sample(True, 0.0).count()),
    Case("sample is of the records", lambda v: v.sample(True, 3.0, seed=5).distinct().subtract(v)),
    Case("sums by key of numbers", lambda v: v.key_by(lambda x: x % 4).reduce_by_key(max), NUMBERS),
]
