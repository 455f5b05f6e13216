"""Keys of other classes on every engine: which of them are one key, and that they come back whole."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import importlib.util
import math
import pathlib
from typing import Any

import pytest

import nestflow as nf
from nestflow import transforms as T
from nestflow.errors import NestflowRuntimeException

attr = pytest.importorskip("attr")


@dataclasses.dataclass(frozen=True)
class Site:
    """A dataclass."""

    name: str
    port: int = 80


@dataclasses.dataclass
class Basket:
    """A dataclass that has no hash: a key for groups, not for the dict of `get`."""

    fruits: list[str]


@attr.s(frozen=True, auto_attribs=True)
class Point:
    """A class of attrs."""

    x: int
    y: float = 0.0


class Version:
    """A class without a word on equality: what it holds counts."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = list(numbers)

    def __repr__(self) -> str:
        return f"Version{self.numbers}"


class Slotted:
    """The same, with slots."""

    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x

    def __repr__(self) -> str:
        return f"Slotted({self.x!r})"


class Word:
    """An equality of its own, and what makes it a key."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Word) and self.text.lower() == other.text.lower()

    def __hash__(self) -> int:
        return hash(self.text.lower())

    def __nestflow_key__(self) -> list[str]:
        return list(self.text.lower())

    def __repr__(self) -> str:
        return f"Word({self.text!r})"


class Colour(enum.Enum):
    """An enum."""

    RED = 1
    GREEN = 2
    CRIMSON = 1  # noqa: PIE796 - another name of the same member


class Level(enum.IntEnum):
    """Members that equal numbers."""

    LOW = 1
    HIGH = 2


class Name(str, enum.Enum):
    """Members that equal texts."""

    ANN = "ann"


Pair = collections.namedtuple("Pair", "first second")

UTC = datetime.timezone.utc
EAST = datetime.timezone(datetime.timedelta(hours=3))
NOON = datetime.datetime(2024, 5, 1, 12, tzinfo=UTC)
FIFTEEN_IN_THE_EAST = datetime.datetime(2024, 5, 1, 15, tzinfo=EAST)

EQUAL: dict[str, list[list[Any]]] = {
    "dataclass": [[Site("a"), Site("a", 80)], [Site("a", 81)], [Site("b")]],
    "dataclass that holds no number": [[Site("a", math.nan), Site("a", -math.nan)], [Site("a")]],
    "attrs": [[Point(1), Point(1, 0.0)], [Point(1, 0.5)], [Point(2)]],
    "enum": [[Colour.RED, Colour.CRIMSON], [Colour.GREEN]],
    "int enum": [[Level.LOW, 1, True], [Level.HIGH, 2.0], [3]],
    "str enum": [[Name.ANN, "ann"], ["bob"]],
    "namedtuple": [[Pair(1, "a"), (1, "a"), Pair(True, "a")], [Pair(1, "b")]],
    "datetime": [[NOON, FIFTEEN_IN_THE_EAST], [NOON.replace(tzinfo=None)], [datetime.date(2024, 5, 1)]],
    "numbers": [[decimal.Decimal("1.50"), 1.5, fractions.Fraction(3, 2)], [decimal.Decimal("1.51")]],
    "sets": [[frozenset("ab"), frozenset("ba")], [frozenset("a")]],
    "state": [[Version(1, 2), Version(1, 2)], [Version(1)], [Version(2, 1)]],
    "slots": [[Slotted(1), Slotted(1), Slotted(True)], [Slotted("1")], [Slotted(None)]],
    "own key": [[Word("a"), Word("A")], [Word("b")], ["a"]],
    "numbers that are none": [[float("nan"), -float("nan"), decimal.Decimal("nan")], [float("inf")], [None]],
    "zeros": [[0, 0.0, -0.0, False, decimal.Decimal("-0"), fractions.Fraction(0)], [""]],
    "paths and others": [[pathlib.PurePosixPath("a/b"), pathlib.PurePosixPath("a//b")], ["a/b"], [range(3)]],
    "times": [
        [datetime.timedelta(hours=24), datetime.timedelta(1)],
        [datetime.time(1)],
        [datetime.date(2024, 1, 1)],
    ],
    "inside of tuples": [[(Site("a"), 1), (Site("a", 80), True)], [(Site("a"), 2)]],
}
"""For each kind, values by key: those in one list are one key."""


def check(p: nf.Pipeline, keys: list[list[Any]]) -> None:
    """Group, join and compare by the keys."""
    rows = [(key, index) for index, equal in enumerate(keys) for key in equal]
    pairs, values = p.parallelize(rows), p.parallelize([key for key, _ in rows])
    firsts = p.parallelize([equal[0] for equal in keys])
    counts = pairs.group_by_key().apply_values(T.count).flatten().cache()
    made = pairs.map(lambda row: row).group_by(lambda row: row[0], lambda row: row[1]).cache()
    distinct = values.distinct().cache()
    joined = pairs.join(firsts.map(lambda key: (key, "here"))).cache()
    left = values.subtract(firsts).cache()
    uneven = values.diff(firsts).cache()
    p.run()
    assert sorted(number for _, number in counts.get()) == sorted(map(len, keys))
    assert sorted(made.get().values()) == [[index] * len(equal) for index, equal in enumerate(keys)]
    assert len(distinct.get()) == len(keys)
    given = {(type(key), repr(key)) for key, _ in rows}
    assert {(type(key), repr(key)) for key in distinct.get() if not isinstance(key, frozenset)} <= given
    assert sorted(index for _, (index, _) in joined.get()) == [index for _, index in rows]
    assert left.get() == []
    assert sorted(counts for _, counts in uneven.get()) == sorted((len(k), 1) for k in keys if len(k) > 1)


@pytest.mark.parametrize("kind", EQUAL)
def test_keys(p: nf.Pipeline, kind: str) -> None:
    check(p, EQUAL[kind])


UNHASHABLE: list[list[Any]] = [
    [[1, 2], [1.0, 2], [True, decimal.Decimal(2)]],
    [[2, 1]],
    [(1, 2)],
    [{1, 2}, frozenset([2, 1.0])],
    [{"a": 1, "b": {2}}, {"b": frozenset([2]), "a": True}],
    [{"a": 1}],
    [{}],
    [set(), frozenset()],
    [()],
]


def test_keys_of_containers(p: nf.Pipeline) -> None:
    """What has no order has none as a key; a table of such keys is shown as pairs."""
    rows = [(key, index) for index, equal in enumerate(UNHASHABLE) for key in equal]
    groups = p.parallelize(rows).group_by_key()
    counts = groups.apply_values(lambda v: T.make_tuple(v.min(), v.max(), v.count())).flatten_values().get()
    assert sorted(counts) == [(index, index, len(equal)) for index, equal in enumerate(UNHASHABLE)]
    assert p.parallelize([key for key, _ in rows]).distinct().count().get() == len(UNHASHABLE)
    with pytest.raises(nf.errors.InvalidDataException, match="flatten"):
        groups.get()


def test_keys_without_a_hash(p: nf.Pipeline) -> None:
    baskets = p.parallelize([(Basket(["fig"]), 1), (Basket(["fig"]), 2), (Basket([]), 3)])
    sums = baskets.group_by_key().apply_values(T.sum)
    assert sorted(sums.flatten().map(lambda row: (row[0].fruits, row[1])).get()) == [([], 3), (["fig"], 3)]
    with pytest.raises(nf.errors.InvalidDataException, match="flatten"):
        sums.get()


def _on(p: nf.Pipeline, module: str) -> Any:
    """The module, if this Python and the engine's have it."""
    found = pytest.importorskip(module)
    if not p.parallelize([module]).map(lambda name: importlib.util.find_spec(name) is not None).get()[0]:
        pytest.skip(f"functions on this engine have no {module}")
    return found


def test_keys_of_numpy(p: nf.Pipeline) -> None:
    np = _on(p, "numpy")
    check(
        p,
        [
            [np.int64(1), 1, np.uint8(1), np.float64(1.0), np.bool_(True)],
            [np.float32(0.1), float(np.float32(0.1))],
            [0.1, np.float64(0.1)],
            [np.str_("a"), "a"],
            [np.bytes_(b"a"), b"a"],
        ],
    )
    check(p, [[(np.int64(1), "a"), (1, "a")], [(np.int32(2), "a")]])
    assert len(p.parallelize([np.float64("nan"), float("nan"), np.float32("nan")]).distinct().get()) == 1
    [shown] = p.parallelize([(np.int32(5), "x")]).group_by_key().flatten().keys().get()
    assert type(shown) is np.int32
    days = [np.datetime64("2024-05-01"), np.datetime64("2024-05-01"), np.datetime64("2024-05-02")]
    assert sorted(
        p.parallelize(days).group_by(lambda day: day).apply_values(T.count).flatten().values().get()
    ) == [
        1,
        2,
    ]


def test_sorting_by_numpy(p: nf.Pipeline) -> None:
    np = _on(p, "numpy")
    numbers = [np.int64(3), 1, np.float32(0.5), 2.5, np.int8(-1), np.float64(math.inf), None]
    found = p.parallelize(numbers).sort().get()
    assert found == [None, -1, 0.5, 1, 2.5, 3, math.inf]
    assert list(map(type, found[1:3])) == [np.int8, np.float32]
    assert p.parallelize([np.str_("b"), "a"]).max().get() == "b"


def test_operators_with_numpy_on_the_left(p: nf.Pipeline) -> None:
    np = _on(p, "numpy")
    three = p.parallelize(3)
    assert (np.int64(2) + three).get() == 5
    assert (np.float64(2) < three).get() == True  # noqa: E712 - it is NumPy's
    added = np.arange(2) + three
    assert isinstance(added, nf.PObject)
    assert added.get().tolist() == [3, 4]


def test_arrays_are_values(p: nf.Pipeline) -> None:
    np = _on(p, "numpy")
    arrays = p.parallelize([("a", np.arange(3)), ("a", np.ones(3))])
    [total] = arrays.group_by_key().apply_values(T.sum).flatten_values().get()
    assert total.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises((NestflowRuntimeException, TypeError), match="array"):
        arrays.group_by(lambda row: row[1]).apply_values(T.count).get()


def test_keys_of_pandas(p: nf.Pipeline) -> None:
    pd = _on(p, "pandas")
    stamp = pd.Timestamp("2024-05-01 12:00:00.000000001")
    check(
        p, [[stamp, pd.Timestamp(stamp.value)], [pd.Timestamp("2024-05-01 12:00")], [pd.NaT], [pd.NA], [None]]
    )
    [back] = p.parallelize([stamp]).distinct().get()
    assert back.nanosecond == 1
    assert len(p.parallelize([pd.NaT, pd.NaT, pd.NA, pd.NA, None]).distinct().get()) == 3
