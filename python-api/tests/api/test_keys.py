"""Which keys of a table are one key of the dict, and which of them is shown."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from enum import Enum
from fractions import Fraction

import pytest

from nestflow.errors import InvalidDataException
from nestflow.keys import identity, nested_dict, rank


class Color(Enum):
    RED = 1


class Point:
    def __init__(self, x):
        self.x = x


@dataclasses.dataclass(frozen=True)
class Frozen:
    x: float


class Named:
    def __init__(self, name):
        self.name = name

    def __eq__(self, other):
        return self.name == other.name

    def __hash__(self):
        return 0

    def __nestflow_key__(self):
        return self.name.lower()


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([True, 1.0, 1], 1),
        ([True, 1.0], 1.0),
        ([True, Decimal(1)], True),
        ([Fraction(1), Decimal(1)], Decimal(1)),
        ([(True, 1), (1, True)], (1, True)),
        ([(1, 1.0), (1, 1)], (1, 1)),
        (["a", "a"], "a"),
    ],
)
def test_the_least_of_equal_keys_is_shown(given, shown):
    for order in (given, given[::-1]):
        [key] = nested_dict([(k, 0) for k in order], many=True)
        assert repr(key) == repr(shown)


def test_what_is_one_key():
    nan = float("nan")
    same = [
        (1, True),
        (nan, float("nan")),
        ((nan,), (Decimal("nan"),)),
        (Point(1), Point(1)),
        (Point(1), Point(True)),
        (Frozen(nan), Frozen(float("nan"))),
        (frozenset([nan, 1]), frozenset([True, Decimal("nan")])),
        (Point({"a": 1, "b": {2, 3}}), Point({"b": {3.0, 2}, "a": 1})),
        ((Point([1.0]), "x"), (Point([1]), "x")),
        (Named("A"), Named("a")),
    ]
    for a, b in same:
        assert identity(a) == identity(b)
    for a, b in [("a", b"a"), (1, "1"), (None, 0), (Color.RED, 1), (Point(1), Point(2)), ((1,), 1)]:
        assert identity(a) != identity(b)


def test_order_and_nesting():
    rows = [("b", 1, "x"), ("a", 1, "y"), ("b", True, "z"), ("b", 2, "w")]
    assert nested_dict(rows, many=True) == {"b": {1: ["x", "z"], 2: ["w"]}, "a": {1: ["y"]}}
    assert list(nested_dict(rows, many=True)) == ["b", "a"]
    assert nested_dict([], many=False) == {}


@pytest.mark.parametrize(
    ("key", "what"),
    [([1], "is a list"), ({1}, "is a set"), ({"a": 1}, "is a dict"), ((1, ("b", [2])), "holds a list")],
)
def test_keys_without_a_hash(p, key, what):
    with pytest.raises(InvalidDataException, match=r"flatten\(\)") as caught:
        nested_dict([(key, 1)], many=False)
    assert f"{what}, which cannot be a key of a dict: {key!r};" in str(caught.value)


def test_keys_that_only_a_dict_takes_for_one():
    class Loose:
        def __init__(self, name):
            self.name = name

        def __eq__(self, other):
            return isinstance(other, Loose)

        def __hash__(self):
            return 0

        def __nestflow_key__(self):
            return self.name

    for many in (True, False):
        for rows in ([(Loose("a"), 1), (Loose("b"), 2)], [("x", Loose("a"), 1), ("x", Loose("b"), 2)]):
            with pytest.raises(InvalidDataException, match=r"takes some keys .* flatten\(\)"):
                nested_dict(rows, many=many)
        assert len(nested_dict([("x", Loose("a"), 1), ("y", Loose("b"), 2)], many=many)) == 2


def test_a_key_has_one_value():
    for key in (1, 1.0, True):
        with pytest.raises(InvalidDataException, match="two values"):
            nested_dict([(1, None), (key, None)], many=False)
    with pytest.raises(InvalidDataException, match="two values"):
        nested_dict([("a", "x", 1), ("b", "x", 1), ("a", "x", 2)], many=False)


def test_ranks():
    class Big(int):
        pass

    assert sorted([Fraction(1), Decimal(1), True, 1.0, Big(1), 1], key=rank) == [1] * 6
    assert [type(k) for k in sorted([Fraction(1), Decimal(1), True, 1.0, Big(1), 1], key=rank)] == [
        int, Big, float, bool, Decimal, Fraction,
    ]  # fmt: skip
