"""Order: sort, and what keeps and looks at it."""

from __future__ import annotations

from nestflow import transforms as T
from nestflow.transform_impls.sort import ASC, DESC

from .case import NUMBERS, WORDS, Case

_ROWS = [(2, "b"), (1, "b"), (2, "a"), (1, "a"), (3, ""), (2, "b"), (1, "ab")]
_BIG = [2**63, -(2**63), 2**62, 2**61 - 1, -(2**61), 0, 10**25, -(10**25), 1]
_FLOATS = [0.5, -0.5, -1e300, 1e-300, 2, -3, 1.5, 2.5, 10**20]

CASES = [
    Case("sort", lambda v: v.sort()),
    Case("sort descending", lambda v: v.sort(reverse=True)),
    Case("sort by the truth of reverse", lambda v: v.sort(DESC)),
    Case("sort text", lambda v: v.sort(), WORDS),
    Case(
        "sort text descending",
        lambda v: v.sort(True),
        ["a", "ab", "abc", "b", "", "é", "\uffff", "\U0001f600"],
    ),
    Case("sort bytes descending", lambda v: v.sort(True), [b"a", b"ab", b"\0", b"", b"\xff", b"a\0"]),
    Case("sort tuples", lambda v: v.sort(), _ROWS),
    Case("sort tuples descending", lambda v: v.sort(True), [*_ROWS, (1,), (), (1, "a", 0)]),
    Case("sort big numbers", lambda v: v.sort(), _BIG),
    Case("sort mixed numbers", lambda v: v.sort(), _FLOATS),
    Case("sort mixed numbers descending", lambda v: v.sort(True), _FLOATS),
    Case("sort with None", lambda v: v.sort(), [2, None, 1, None]),
    Case("sort with None descending", lambda v: v.sort(True), [2, None, 1]),
    Case("sort booleans", lambda v: v.sort(), [True, False, True]),
    Case("sort_by is stable", lambda v: v.sort_by(lambda r: r[0]), _ROWS),
    Case("sort_by is stable descending", lambda v: v.sort_by(lambda r: r[0], True), _ROWS),
    Case("sort_by None", lambda v: v.sort_by(None), _ROWS),
    Case("sort_by two directions", lambda v: v.sort_by(lambda r: (ASC(r[0]), DESC(r[1]))), _ROWS),
    Case("sort_by two directions as a list", lambda v: v.sort_by(lambda r: [DESC(r[0]), r[1]]), _ROWS),
    Case(
        "sort_by one part against the whole",
        lambda v: v.sort_by(lambda r: (r[0], ASC(r[1])), reverse=True),
        _ROWS,
    ),
    Case("sort_by a wrapped key", lambda v: v.sort_by(lambda r: DESC(r)), _ROWS),
    Case("sort_by a wrapped tuple", lambda v: v.sort_by(lambda r: DESC((r[0], ASC(r[1])))), _ROWS),
    Case("sort_by mixed kinds per position", lambda v: v.sort_by(lambda x: (x % 2, str(x))), NUMBERS),
    Case("sort twice", lambda v: v.sort_by(lambda r: r[1]).sort_by(lambda r: r[0]), _ROWS),
    Case(
        "sort, map, filter, flat_map",
        lambda v: v.sort().map(lambda x: x + 1).filter(lambda x: x != 4).flat_map(lambda x: [x, -x]),
    ),
    Case(
        "sort then accumulate",
        lambda v: v.sort_by(lambda r: r[0]).accumulate("", lambda s, r: s + r[1]),
        _ROWS,
    ),
    Case("sort then a side input", lambda v: v.count().map(lambda n, s: list(s), v.sort())),
    Case("sort then group", lambda v: v.sort(True).group_by(lambda x: x % 2)),
    Case("sort then distinct", lambda v: v.sort().distinct()),
    Case("sort a distinct", lambda v: v.distinct().sort()),
    Case("sort then take then sum", lambda v: v.sort().take(3).sum()),
    Case("sort a PObject", lambda v: T.sort(v.count())),
    Case("sort then union", lambda v: v.sort().union(v.sort(True))),
]
