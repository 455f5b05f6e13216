"""Keys: equal in Python, equal as a key; what was given is shown; what cannot be a key says why."""

import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import functools
import pathlib
import subprocess
import sys
import types
import uuid
import zoneinfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import notes, objects, records, run

from nestflow.errors import InvalidDataException
from nestflow.host.program import MISSING

D, F = decimal.Decimal, fractions.Fraction
Point = collections.namedtuple("Point", "x y")


class Number(enum.IntEnum):
    ONE = 1


class Shade(enum.Enum):
    DARK = 1
    LIGHT = 2


class Text(str):
    pass


@dataclasses.dataclass
class Place:
    town: str
    zip: int = 0
    note: str = dataclasses.field(default="", compare=False)


@dataclasses.dataclass(order=True)
class Version:
    major: int
    minor: int


class Plain:
    def __init__(self, **state):
        self.__dict__.update(state)


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a, b):
        self.a, self.b = a, b


class Own:
    def __init__(self, value, other=None):
        self.value, self.other = value, other

    def __eq__(self, other):
        return self.value == other.value


class Keyed(Own):
    def __nestflow_key__(self):
        return self.value


@functools.total_ordering
class Ordered:
    def __lt__(self, other):
        return False


class Directed:
    __nestflow_order__ = True

    def __init__(self, key, reverse):
        self.key, self.reverse = key, reverse


def asc(key):
    return Directed(key, False)


def desc(key):
    return Directed(key, True)


def keys(values):
    return run(records(emit="key"), list(values))["j"]


def key(value):
    return keys([value])[0]


def shown(value):
    return objects(run(records(emit="key"), [value])["js"])[0]


def orders(values, reverse=False):
    return run(records(emit="ordered", reverse=reverse), list(values))["o"]


UTC = dt.timezone.utc
CET = dt.timezone(dt.timedelta(hours=1))
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")

EQUAL = [
    [1, True, 1.0, D(1), D("1.00"), F(1), Number.ONE, 1 + 0j],
    [0.5, D("0.5"), F(1, 2)],
    [D("0.1"), F(1, 10), D("0.10")],
    [0, -0.0, False, D("-0")],
    [float("nan"), D("nan"), D("snan"), float("-nan")],
    [float("inf"), D("inf")],
    [2**70, float(2**70), D(2**70), F(2**70)],
    ["a", Text("a")],
    [(1, 2), Point(1, 2), (True, D(2))],
    [[1, 2], [1.0, D(2)]],
    [{1, 2}, frozenset([2, 1]), {1.0, D(2)}],
    [{"a": 1, "b": 2}, {"b": 2, "a": True}, collections.Counter(b=2, a=1), collections.UserDict(b=2, a=1),
     collections.defaultdict(int, b=2, a=1), collections.ChainMap({"a": 1}, {"b": 2, "a": 3})],
    [range(0), range(2, 2), range(5, 2)],
    [range(0, 3, 2), range(0, 4, 2)],
    [range(7, 8), range(7, 9, 5)],
    [collections.deque([1]), collections.deque([True], 3)],
    [array.array("i", [1]), array.array("l", [1]), array.array("d", [1])],
    [b"ab", bytearray(b"ab")],
    [collections.UserList([3]), [3], [3.0]],
    [collections.UserString("abc"), "abc"],
    [types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(b=2, a=True)],
    [UTC, dt.timezone(dt.timedelta(0), "zero")],
    [dt.datetime(2024, 1, 1, 12, tzinfo=UTC), dt.datetime(2024, 1, 1, 13, tzinfo=CET),
     dt.datetime(2024, 1, 1, 13, tzinfo=BERLIN)],
    [dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 1, fold=1)],
    [dt.time(13, tzinfo=CET), dt.time(12, tzinfo=UTC)],
    [uuid.UUID(int=5), uuid.UUID(int=5, is_safe=uuid.SafeUUID.safe)],
    [Shade.DARK, Shade(1)],
    [Place("Ulm", 1), Place("Ulm", True, "note")],
    [Plain(a=1, b=[2]), Plain(b=[2.0], a=1)],
    [Slots(1, 2), Slots(True, 2)],
    [Keyed(1, "x"), Keyed(1.0, "y")],
    [int, int],
    [pathlib.PurePosixPath("a/b"), pathlib.PurePosixPath("a") / "b"],
    [b"a", b"a"],
    [None, None],
    [(1, (Shade.DARK, [Point(1, 2)])), (1, (Shade.DARK, [(1, 2)]))],
]  # fmt: skip


def test_equal_values_are_one_key_and_others_are_not():
    found = [set(keys(group)) for group in EQUAL]
    assert all(len(group) == 1 for group in found), [
        g for g, f in zip(EQUAL, found, strict=True) if len(f) != 1
    ]
    others = ["1", b"1", (1,), [1], {1}, {1: 1}, dt.date(2024, 1, 1), dt.time(0), dt.timedelta(0),
    Shade.LIGHT,
              Place("Ulm", 2), Plain(a=1), Slots(2, 1), Keyed(2), str, F(1, 3),
              D("0.1000000000000000000000001"),
              range(1), range(2), range(0, 4, 3), collections.deque([1, 2]), array.array("i", [1, 2]),
              collections.ChainMap({"a": 3}), bytearray(b"b"), types.SimpleNamespace(a=1), CET,
              2**70 + 1, ((1,),), (1, 2, 3), "b", float("-inf"), 1 + 1j, 0.1]  # fmt: skip
    everything = [cell for group in found for cell in group] + keys(others)
    assert len(set(everything)) == len(everything)


@pytest.mark.parametrize("value", [value for group in EQUAL for value in group], ids=repr)
def test_the_key_that_is_shown_is_the_one_given(value):
    program = run(records(emit="key"), [value])
    given_back = objects(program["js"])[0]
    if given_back is MISSING:
        given_back = objects(program["j"])[0]
    assert (
        type(given_back) is type(value) and repr(given_back).split(" at ")[0] == repr(value).split(" at ")[0]
    )


def test_keys_do_not_depend_on_the_process():
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; import test_keys as t, hashlib;"
        "print(hashlib.md5(repr(t.keys([v for g in t.EQUAL for v in g])).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in "123"
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (Own(1), "__nestflow_key__"),
        ((1, [Own(1)]), "__nestflow_key__"),
        (Plain(own=Own(1)), "__nestflow_key__"),
        (collections.OrderedDict(a=1), "OrderedDict"),
        (collections.Counter(a=0), "Counter"),
        (lambda: 1, "function"),
        (Plain(f=lambda: 1), "function"),
        (D("1E+99999"), "exponent"),
        (functools.reduce(lambda inner, _: [inner], range(200), Shade.DARK), "nested"),
    ],
)
def test_what_cannot_be_a_key_says_why(value, reason):
    with pytest.raises(InvalidDataException, match=reason) as caught:
        keys([value])
    assert "Own" in str(caught.value) or reason != "__nestflow_key__"


def test_an_exception_of_nestflow_key_is_the_users():
    class Bad:
        def __nestflow_key__(self):
            return 1 // 0

    with pytest.raises(ZeroDivisionError):
        keys([Bad()])


def test_numpy_and_pandas():
    numpy = pytest.importorskip("numpy")
    pandas = pytest.importorskip("pandas")
    when = dt.datetime(2024, 1, 1)
    for group in [
        [1, numpy.int64(1), numpy.int8(1), numpy.float32(1), numpy.bool_(True), numpy.longdouble(1)],
        [float(numpy.float32(0.1)), numpy.float32(0.1)],
        ["a", numpy.str_("a")],
        [b"a", numpy.bytes_(b"a")],
        [
            when,
            numpy.datetime64("2024-01-01"),
            numpy.datetime64("2024-01-01T00", "ns"),
            pandas.Timestamp(when),
        ],
        [dt.timedelta(1), numpy.timedelta64(1, "D"), pandas.Timedelta(days=1)],
        [
            numpy.datetime64("2024-01-01T00:00:00.000000001"),
            pandas.Timestamp("2024-01-01T00:00:00.000000001"),
        ],
        [pandas.NA, pandas.NA],
    ]:
        assert len(set(keys(group))) == 1, group
        for value in group[1:]:
            assert type(shown(value)) is type(value)
    a_little_later = pandas.Timestamp("2024-01-01T00:00:00.000000001")
    assert len(set(keys([when, pandas.NaT, pandas.NA, numpy.datetime64("NaT"), a_little_later]))) == 5
    for value in (numpy.array([1]), pandas.Series([1])):
        with pytest.raises(InvalidDataException, match="cannot be a key"):
            keys([value])
    assert orders([numpy.int64(1)]) == orders([1])
    times = [pandas.Timestamp("2024-01-01") + pandas.Timedelta(ns) for ns in (0, 1, 2, 1000, 5000)]
    assert orders(times) == sorted(orders(times))


def test_attrs_classes():
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Town:
        name: str
        seen: int = attrs.field(eq=False, default=0)

    assert key(Town("Ulm", 1)) == key(Town("Ulm", 2)) != key(Town("Bonn"))


numbers = (
    st.integers() | st.floats(allow_nan=False) | st.booleans()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.fractions() | st.integers(-5, 5) | st.decimals(-5, 5, places=2)
    | st.fractions(-5, 5, max_denominator=8)
)  # fmt: skip
hashable = st.recursive(
    numbers | st.text(max_size=2) | st.none() | st.sampled_from(Shade),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(hashable, max_size=8))
def test_keys_are_equal_where_python_says_so(values):
    cells = keys(values)
    for left, left_cell in zip(values, cells, strict=True):
        for right, right_cell in zip(values, cells, strict=True):
            assert (left == right) == (left_cell == right_cell), (left, right)


def sorts_like(values, expected):
    cells = orders(values)
    return [values[i] for i in sorted(range(len(values)), key=lambda i: cells[i])] == expected


@settings(max_examples=300, deadline=None)
@given(
    st.lists(numbers, max_size=10)
    | st.lists(st.text(), max_size=8)
    | st.lists(st.tuples(numbers, st.text(max_size=3)), max_size=8)
    | st.lists(st.lists(st.text(max_size=2)), max_size=8)
    | st.lists(st.datetimes(timezones=st.sampled_from([UTC, CET])), max_size=8)
)
def test_sort_keys_sort_as_python_sorts(values):
    assert sorts_like(values, sorted(values))
    cells = orders(map(desc, values))
    assert [values[i] for i in sorted(range(len(values)), key=lambda i: cells[i])] == sorted(
        values, reverse=True
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=3), numbers, st.integers(0, 2)), max_size=10))
def test_directions_by_component(values):
    cells = orders((desc(text), asc(number), [small, desc(text)]) for text, number, small in values)
    found = [values[i] for i in sorted(range(len(values)), key=lambda i: cells[i])]
    expected = sorted(values, key=lambda v: v[1])
    expected = sorted(expected, key=lambda v: v[0], reverse=True)
    assert [(t, n) for t, n, _ in found] == [(t, n) for t, n, _ in expected]


def test_a_direction_of_its_own_overrides_that_of_the_whole():
    values = [(1, "b"), (1, "a"), (2, "c")]
    cells = orders([(asc(number), text) for number, text in values], reverse=True)
    found = sorted(zip(cells, values, strict=True), reverse=True)
    assert [value for _, value in found] == [(1, "b"), (1, "a"), (2, "c")]


def test_none_is_least():
    assert sorts_like([1, None, -(2**80)], [None, -(2**80), 1])
    cells = orders([desc(1), desc(None), desc(-(2**80))])
    assert cells[0] < cells[2] < cells[1]


def test_generated_orders_sort_by_their_fields():
    values = [Version(1, 10), Version(1, 9), Version(0, 99)]
    assert sorts_like(values, sorted(values))


@pytest.mark.parametrize(
    "value", [Ordered(), (1, Ordered()), desc(Ordered()), pathlib.PurePosixPath("a")], ids=repr
)
def test_an_order_of_its_own_asks_for_a_tuple(value):
    with pytest.raises(TypeError, match="tuple") as caught:
        orders([value])
    assert "with the record" in notes(caught.value)
