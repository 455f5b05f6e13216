"""Operators of PObjects, with constants and with PObjects on either side."""

from __future__ import annotations

import operator

from nestflow import transforms as T

from .case import Case

_BINARY = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "^": operator.xor,
    "|": operator.or_,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
    "!=": operator.ne,
}

CASES = [
    *(
        Case(
            f"PObject {sign}",
            lambda v, f=f: (f(v.count() + 1, 3), f(20, v.count() + 1), f(v.count() + 1, v.count() + 2)),
        )
        for sign, f in _BINARY.items()
    ),
    Case("PObject **", lambda v: (v.count() ** 2, 2 ** v.count(), v.count() ** v.count())),
    Case("PObject unary", lambda v: (-v.count(), +v.count(), abs(-v.count()), ~v.count(), v.count().not_())),
    Case(
        "PObject rounding",
        lambda v: (
            (v.count() / 3).ceil(),
            (v.count() / 3).floor(),
            (v.count() / 3).round(),
            (v.count() / 3).round(2),
        ),
    ),
    Case("PObject with an outer one", lambda v, o: v.count() * o.sum()),
    Case("PObject with an outer one first", lambda v, o: o.sum() - v.count()),
    Case("PObject arithmetic on an empty one", lambda v: v.filter(lambda x: False).sum() + 1),
    Case("PObject arithmetic with an empty one", lambda v: v.count() + v.filter(lambda x: False).sum()),
    Case("PObject text", lambda v: v.count().map(str) + "!"),
    Case("PObject in a longer formula", lambda v: (v.sum() - v.min() - v.max()) / (v.count() + 2)),
    Case("PObject compared, then filtered by", lambda v: v.filter(lambda x, big: big, v.count() > 3)),
    Case("PObject tuple", lambda v: T.make_tuple(v.count(), v.count() % 2).map(lambda t: t[0] * t[1])),
]
