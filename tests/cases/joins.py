"""Joins, among the group's own data and with outer data."""

from __future__ import annotations

from nestflow import transforms as T

from .case import OTHERS, PAIRS, Case

_MIXED = [(1, "a"), (True, "b"), (2.0, "c"), (float("nan"), "d"), (None, "e")]
_MIXED_OTHERS = [(1.0, "A"), (2, "B"), (float("nan"), "C"), (None, "D"), ("1", "E")]


def _own(v):
    return v.filter(lambda r: r[0] != "a").map(lambda r: (r[0], r[0] * 2))


CASES = [
    case
    for name in ("join", "left_join", "right_join", "full_join")
    for case in (
        Case(f"{name} with an outer one", lambda v, o, f=getattr(T, name): f(v, o), PAIRS, OTHERS),
        Case(f"{name} of an outer one", lambda v, o, f=getattr(T, name): f(o, v), PAIRS, OTHERS),
        Case(f"{name} with itself", lambda v, f=getattr(T, name): f(v, v), PAIRS),
        Case(f"{name} with parts of itself", lambda v, f=getattr(T, name): f(v, _own(v)), PAIRS),
        Case(f"{name} of parts of itself", lambda v, f=getattr(T, name): f(_own(v), v), PAIRS),
        Case(f"{name} of three", lambda v, o, f=getattr(T, name): f(v, _own(v), o), PAIRS, OTHERS),
        Case(f"{name} with nothing", lambda v, f=getattr(T, name): f(v, v.filter(lambda r: False)), PAIRS),
        Case(f"{name} with mixed keys", lambda v, o, f=getattr(T, name): f(v, o), _MIXED, _MIXED_OTHERS),
        Case(f"{name}, counted", lambda v, o, f=getattr(T, name): f(v, o).count(), PAIRS, OTHERS),
        Case(f"{name}, grouped", lambda v, o, f=getattr(T, name): f(v, o).group_by_key().apply_values(T.count), PAIRS, OTHERS),
    )
]
