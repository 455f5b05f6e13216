"""Objects survive the way into cells and back: same type, same value, to the last bit."""

import collections
import datetime as dt
import decimal
import enum
import fractions
import math
import pickle
import struct
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nestflow import _host

Point = collections.namedtuple("Point", "x y")


class Color(enum.IntEnum):
    RED = 1


class Name(str):
    pass


class Tagged(dict):
    """Not a plain dict: it has to stay of its class."""


class Node:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return type(other) is Node and other.value == self.value


def there_and_back(value):
    (back,) = _host.decode(_host.encode([value]))
    return back


def same(left, right):
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return struct.pack("d", left) == struct.pack("d", right)
    if isinstance(left, (tuple, list)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    return left == right


@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, 1, -1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**200, -(2**200), 10**2000,
        0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 5e-324,
        "", "a", "ä€😀", "a\0b", "\udc80 lone", b"", b"\0\xff", "x" * 5000,
        (), (1,), (1, (2, ("a", None))), [], [[], [1]], {}, {"b": 1, "a": [2]}, {(1, 2): {3}}, set(),
        {1, "a"},
        frozenset(), frozenset({(1, 2)}), ("\0", b"\0\0", ""),
        dt.date.min, dt.date(2024, 2, 29), dt.date.max,
        dt.datetime.min, dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime.max,
        dt.datetime(2024, 10, 27, 2, 30, fold=1),
        dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc),
        dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=-5, minutes=-30))),
        dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1), "CET")),
        dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=5))),
        dt.time(1, 2, 3, 4), dt.time(1, fold=1), dt.time(1, tzinfo=dt.timezone.utc),
        dt.timedelta.min, dt.timedelta.max, dt.timedelta(-1, 5, 6),
        uuid.UUID(int=2**127 + 5), decimal.Decimal("1.10"), decimal.Decimal("-0"), decimal.Decimal("1E+9"),
        1j, fractions.Fraction(1, 3), range(3), Point(1, 2), Color.RED, Name("a"), bytearray(b"a"), Node(1),
        collections.OrderedDict(b=1, a=2), collections.Counter("abca"), [Point(1, [Color.RED])],
        int, len, ...,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_survive(value):
    assert same(there_and_back(value), value)


def test_details_that_equality_does_not_see():
    assert str(there_and_back(decimal.Decimal("1.10"))) == "1.10"
    assert there_and_back(dt.datetime(2024, 1, 1, fold=1)).fold == 1
    assert there_and_back(dt.time(1, fold=1)).fold == 1
    zone = dt.timezone(dt.timedelta(hours=1), "CET")
    assert there_and_back(dt.datetime(2024, 1, 1, tzinfo=zone)).tzname() == "CET"
    assert there_and_back(dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)).tzinfo is dt.timezone.utc
    safe = uuid.UUID(int=5, is_safe=uuid.SafeUUID.safe)
    assert there_and_back(safe).is_safe is uuid.SafeUUID.safe
    assert list(there_and_back({"b": 1, "a": 2})) == ["b", "a"]


def test_what_contains_itself_and_what_is_very_deep():
    knot = [1]
    knot.append(knot)
    back = there_and_back(knot)
    assert back[0] == 1 and back[1] is back
    deep = ()
    for _ in range(400):
        deep = (deep,)
    assert there_and_back(deep) == deep


def test_classes_that_only_main_knows(monkeypatch):
    made = type("Made", (), {"__module__": "__main__", "x": 5})
    assert there_and_back(made()).x == 5


def test_what_cannot_be_stored():
    with pytest.raises(TypeError, match="pickle"):
        _host.encode([(x for x in ())])


def test_damaged_cells_are_errors():
    for cell in (b"", b"\x12\0", b"\x30", b"\xff", b"\x30\x01\0\x01", b"\x61x"):
        with pytest.raises(ValueError):
            _host.decode([cell])


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
    | st.text(st.characters(categories=["Cs", "Lu"])) | st.dates() | st.datetimes() | st.times()
    | st.timedeltas()
    | st.uuids() | st.decimals(allow_nan=False) | st.datetimes(timezones=st.just(dt.timezone.utc))
)  # fmt: skip
hashable = st.recursive(
    st.integers() | st.text(), lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=5
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(hashable, inner) | st.sets(hashable)
    ),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(anything)
def test_any_value_survives(value):
    back = there_and_back(value)
    assert type(back) is type(value)
    assert repr(back) == repr(value) or back == value


def all_there_and_back(values):
    back = _host.decode(_host.encode(values))
    assert len(back) == len(values) and all(map(same, back, values))
    return back


def test_texts_of_every_length_that_come_again():
    # Texts that are alike but for their length, or for a byte at any place.
    texts = [letter * length for letter in ("a", "b", "\0", "ä", "\udc80") for length in range(20)]
    texts += [
        "a" * before + other + "a" * (length - before)
        for length in range(18)
        for before in range(length)
        for other in "b\0"
    ]
    for records in (texts * 3, [(text, [text]) for text in texts] * 3, [{text: text} for text in texts] * 3):
        all_there_and_back(records)
    # Most are found again; none is; and what began with many that are has many that are not.
    all_there_and_back([{"name": "ann", "city": f"city {n % 7}"} for n in range(500)])
    all_there_and_back([{f"key {n}": f"value {n}"} for n in range(500)])
    all_there_and_back([("x", str(n)) for n in range(100)] + [(str(n), str(-n)) for n in range(1000)])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.text("ab\0é", max_size=18), scalars | st.lists(st.text("ab", max_size=9)), max_size=5
        )
        | st.tuples(st.text("abc", max_size=17), st.text("ab\udc80", max_size=3), st.integers()),
        min_size=1,
        max_size=12,
    )
)
def test_any_records_that_come_again_survive(records):
    back = _host.decode(_host.encode(records * 70))
    assert list(map(repr, back)) == list(map(repr, records * 70))


def test_objects_of_records_are_their_own():
    one, *others = all_there_and_back([{"a": 1, "b": [2]} for _ in range(100)])
    one["a"], one["c"] = 5, 6
    one["b"].append(7)
    assert others == [{"a": 1, "b": [2]}] * 99


def test_dicts_of_plain_values_beside_others():
    surrogates, large = "\udc80", 2**70
    all_there_and_back(
        [
            {"a": 1, "b": large, "c": 2},
            {"a": surrogates, surrogates: "a", "b": -large},
            {large: 1, "a": {"b": {"c": large}}},
            {"a": None, 1: True, 0.5: b"\0", "": (), False: 2},
            collections.OrderedDict(b=1, a=2),
            collections.Counter("aab"),
            collections.defaultdict(list, a=[1]),
            Tagged(a=1),
            {"tagged": Tagged(a=1), "b": 2},
        ]
    )


changed: dict[str, object] = {}


class Changes:
    """A value that changes the dict it is in when it is pickled."""

    def __reduce__(self):
        changed.clear()
        changed["new"] = 0
        return int, (7,)


def test_a_dict_that_changes_while_it_is_read():
    changed.update({"a": "x" * 30, "b": Changes(), "c": "y" * 30, "d": 2**70})
    assert there_and_back(changed) == {"a": "x" * 30, "b": 7, "c": "y" * 30, "d": 2**70}
    assert changed == {"new": 0}
    knot = [1, Changes(), "z"]
    assert there_and_back(knot) == [1, 7, "z"]


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "u8", "f2", "f4", "f8", "c16", ">i4", "M8[ns]", "S3", "U2", "O", "i4,f8"]
)
def test_arrays(dtype):
    numpy = pytest.importorskip("numpy")
    numbers = numpy.arange(24).reshape(2, 3, 4)
    made = numpy.zeros((2, 3, 4), dtype) if "," in dtype else numbers.astype(dtype)
    odd = [made[:, ::2], made.T, numpy.asfortranarray(made), made[0, 0, 0:0], made[..., 0]]
    for array in (made, made.ravel(), made[0, 0, :1].reshape(()), made[:0], made[..., None], *odd):
        for value in (array, [array], {"a": (array, 1)}):
            back = there_and_back(value)
            while type(back) in (list, dict, tuple):
                back = back["a"] if type(back) is dict else back[0]
            assert type(back) is type(array)
            assert (back.dtype, back.shape) == (pickle.loads(pickle.dumps(array, 5)).dtype, array.shape)
            assert back.tobytes() == array.tobytes() or dtype in ("O", ">i4")
            assert numpy.array_equal(back, array)
            if back.shape:
                assert back.flags.writeable
                assert back.flags.f_contiguous == array.flags.f_contiguous or not array.flags.contiguous


def test_plain_arrays_are_not_pickled():
    numpy = pytest.importorskip("numpy")
    vector = numpy.arange(8, dtype=numpy.float32)
    (cell,) = _host.encode([vector])
    assert len(cell) < 8 * 4 + 24
    assert b"numpy" not in cell

    assert type(there_and_back(vector.view(numpy.matrix))) is numpy.matrix
    masked = numpy.ma.masked_array([1, 2], mask=[True, False])
    assert there_and_back(masked).mask.tolist() == [True, False]
    for length in range(2, len(cell) - 1):
        with pytest.raises((ValueError, TypeError, pickle.UnpicklingError)):
            _host.decode([cell[:length]])
