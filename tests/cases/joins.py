"""Joins, among the group's own data and with outer data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nestflow import transforms as T

from .case import OTHERS, PAIRS, Case

if TYPE_CHECKING:
    from collections.abc import Iterator

_MIXED = [(1, "a"), (True, "b"), (2.0, "c"), (float("nan"), "d"), (None, "e")]
_MIXED_OTHERS = [(1.0, "A"), (2, "B"), (float("nan"), "C"), (None, "D"), ("1", "E")]


def _own(v):
    return v.filter(lambda r: r[0] != "a").map(lambda r: (r[0], r[0] * 2))


def _cases(name: str) -> Iterator[Case]:
    join = getattr(T, name)
    yield Case(f"{name} with an outer one", lambda v, o: join(v, o), PAIRS, OTHERS)
    yield Case(f"{name} of an outer one", lambda v, o: join(o, v), PAIRS, OTHERS)
    yield Case(f"{name} with itself", lambda v: join(v, v), PAIRS)
    yield Case(f"{name} with parts of itself", lambda v: join(v, _own(v)), PAIRS)
    yield Case(f"{name} of parts of itself", lambda v: join(_own(v), v), PAIRS)
    yield Case(f"{name} of three", lambda v, o: join(v, _own(v), o), PAIRS, OTHERS)
    yield Case(f"{name} with nothing", lambda v: join(v, v.filter(lambda r: False)), PAIRS)
    yield Case(f"{name} with mixed keys", lambda v, o: join(v, o), _MIXED, _MIXED_OTHERS)
    yield Case(f"{name}, counted", lambda v, o: join(v, o).count(), PAIRS, OTHERS)
    yield Case(
        f"{name}, grouped", lambda v, o: join(v, o).group_by_key().apply_values(T.count), PAIRS, OTHERS
    )


CASES = [case for name in ("join", "left_join", "right_join", "full_join") for case in _cases(name)]
CASES += [
    Case("join, as a method", lambda v, o: v.join(o, v), PAIRS, OTHERS),
    Case("left_join, as a method", lambda v, o: v.left_join(o), PAIRS, OTHERS),
    Case("right_join, as a method", lambda v, o: v.right_join(o), PAIRS, OTHERS),
    Case("full_join, as a method", lambda v, o: v.full_join(o), PAIRS, OTHERS),
]
