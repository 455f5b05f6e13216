"""Which of several equal keys a row shows: its own, or the least of those that went into it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from nestflow import transforms as T

if TYPE_CHECKING:
    from collections.abc import Callable

    import nestflow as nf

ROWS = [(True, "c"), (0, "a"), (0.0, "b"), (1.0, "d")]

OWN: dict[str, Callable[[nf.PCollection], Any]] = {
    "sort": lambda v: v.sort(),
    "take of sort": lambda v: v.sort().take(5),
    "take of descending sort": lambda v: v.sort(True).take(5),
    "take": lambda v: v.take(5),
    "max_elements": lambda v: v.max_elements(5),
    "min_elements": lambda v: T.min_elements(v, 5),
    "filter": lambda v: v.filter(lambda x: True),
    "flat_map": lambda v: v.flat_map(lambda x: [x]),
}


@pytest.mark.parametrize("name", OWN)
def test_rows_show_their_own(p: nf.Pipeline, name: str) -> None:
    rows = p.parallelize(ROWS).group_by_key().apply_values(OWN[name]).flatten().get()
    assert sorted(map(repr, rows)) == sorted(map(repr, ROWS))


@pytest.mark.parametrize("name", OWN)
def test_rows_show_their_own_two_deep(p: nf.Pipeline, name: str) -> None:
    rows = p.parallelize([(key, (key, value)) for key, value in ROWS])
    inner = rows.group_by_key().apply_values(lambda v: v.group_by_key().apply_values(OWN[name]))
    expected = [(key, (key, value)) for key, value in ROWS]
    assert sorted(map(repr, inner.flatten().get())) == sorted(map(repr, expected))


def test_one_row_shows_the_least_that_went_in(p: nf.Pipeline) -> None:
    groups = p.parallelize(ROWS).group_by_key()
    assert sorted(map(repr, groups.apply_values(T.count).flatten().get())) == ["(0, 2)", "(1.0, 2)"]
    assert sorted(map(repr, groups.apply_values(lambda v: v.first()).flatten().get())) == [
        "(0, 'a')",
        "(True, 'c')",
    ]


def test_a_group_that_nothing_is_left_of_shows_the_least(p: nf.Pipeline) -> None:
    groups = p.parallelize(ROWS).group_by_key()
    counts = groups.apply_values(lambda v: v.sort().take(0)).apply_values(T.count).flatten().get()
    assert sorted(map(repr, counts)) == ["(0, 0)", "(1.0, 0)"]
    assert repr(sorted(groups.apply_values(lambda v: v.take(0)).extract_keys().get())) == "[0, 1.0]"


def test_only_the_inner_key_of_an_emptied_group_is_wanted(p: nf.Pipeline) -> None:
    """What holds no record shows its group's key, though nobody asks for the one around it."""

    def named(key: nf.PObject, rows: nf.PCollection) -> nf.PObject:
        none = rows.filter(lambda row: False).sort().take(5)
        return none.map(lambda row, key: key, key).count()

    outer = p.parallelize([True, 2]).group_by(lambda x: x)
    inner = outer.apply_values(lambda rows: rows.group_by(lambda x: x).apply_key_values(named))
    assert inner.flatten_values().get() == [0, 0]
