"""Serdes: their bytes, their names, and what an explicit one does to records on every engine."""

from __future__ import annotations

import enum
import pickle
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nestflow as nf
from nestflow import schema, serde
from nestflow import transforms as T

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Lender

texts = st.text(st.characters(exclude_categories=()))  # halves of surrogate pairs too
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(st.integers(0, 99), max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


class Point(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


class Colour(enum.IntEnum):
    """A whole number with a name."""

    RED = 1


class Name(str):
    """A text of another class."""


class Numbers(list[int]):
    """A list of another class."""


class Shouting(serde.Serde):
    """A serde of a user: not the same comes back."""

    def serialize(self, obj: Any) -> bytes:
        return str(obj).encode()

    def deserialize(self, buf: bytes) -> Any:
        return buf.decode().upper()


NAMES = {
    "any()": serde.any(),
    "int_()": serde.of(int),
    "float_()": serde.of(float),
    "bool_()": serde.of(bool),
    "str_()": serde.of(str),
    "bytes_()": serde.of(bytes),
    "tuple_of(int_(), any())": serde.of((int, serde._)),
    "list_of(int_())": serde.of([int]),
    "list_of(int_(), str_())": serde.of([int, str]),
    "list_of(str_(), any())": serde.list_of(str, serde._),
    "proto_of(dict)": serde.proto_of(dict),
    "set_of(int_())": serde.of({int}),
    "dict_of(int_(), str_())": serde.of({int: str}),
    "chain_of(str_(), bytes_())": serde.chain_of(str, bytes),
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    assert str(NAMES[name]) == name
    assert pickle.loads(pickle.dumps(NAMES[name])) == NAMES[name]


@given(value=values)
def test_samples_take_their_values(value: Any) -> None:
    """What `sample` makes of a value gives it back, and so does the default."""
    for made in (serde.sample(value), serde.any()):
        back = made.deserialize(made.serialize(value))
        assert back == value
        assert type(back) is type(value)


CLASSES = [
    (serde.DefaultSerde(), {"any": (None, 1)}),
    (serde.CPickleSerde(), [1, {2}]),
    (serde.IntSerde(), -(2**63)),
    (serde.FloatSerde(), 0.5),
    (serde.BoolSerde(), True),
    (serde.StrSerde(), "\udcff é"),
    (serde.BytesSerde(), b"\0\xff"),
    (serde.TupleSerde(serde.IntSerde(), serde.StrSerde()), (1, "a")),
    (serde.ListSerde(int), [1, None, 3]),
    (serde.ListSerde(int, str), [1, "a"]),
    (serde.SetSerde(str), {"a", ""}),
    (serde.SetSerde(), {"a", 1}),
    (serde.DictSerde(int, [str]), {1: ["a"], 2: []}),
    (serde.DictSerde(), {}),
    (serde.Optional(serde.IntSerde()), None),
    (serde.ChainSerde(serde.CPickleSerde(), serde.BytesSerde()), (1, 2)),
    (serde.FieldsDictSerde({"a": int}), {"a": None}),
    (serde.float_(), 1.5),
    (serde.bool_(), False),
    (serde.bytes_(), b""),
    (serde.set_of(int), {1}),
    (serde.dict_of(str, int), {"a": 1}),
    (serde.chain_of(int, bytes), 7),
]


def test_there_and_back(lender: Lender) -> None:
    """By themselves, after a pickle, and in the engine."""
    for made, value in CLASSES:
        again = pickle.loads(pickle.dumps(made))
        assert again == made
        assert hash(again) == hash(made)
        assert again.deserialize(made.serialize(value)) == value
        assert isinstance(made, serde.CppSerde) is (not isinstance(made, serde.ChainSerde))
    p = lender.lend()
    kept = [p.parallelize([value]).map(_itself, serde=made).cache() for made, value in CLASSES]
    p.run()
    assert [dataset.get() for dataset in kept] == [[value] for _, value in CLASSES]


def _itself(x: Any) -> Any:
    return x


def test_bytes() -> None:
    assert serde.IntSerde().serialize(-2) == b"\xfe" + b"\xff" * 7
    assert serde.FloatSerde().serialize(1.0) == b"\0\0\0\0\0\0\xf0\x3f"
    assert serde.StrSerde().deserialize(b"\xff") == "\udcff"
    pair = serde.TupleSerde(serde.IntSerde(), serde.StrSerde())
    assert pair.serialize((1, "a")) == b"\x08\0\0\0\x01" + b"\0" * 7 + b"\x01\0\0\0a"
    assert serde.of(int).serialize(None) == b""
    assert serde.of(str).serialize("") == b"1"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, "a"),
        (int, 2**63),
        (str, b"a"),
        ((int, str), (1,)),
        ((int, str), [1, "a"]),
        ([int], [1, "a"]),
        ({int}, {"a"}),
        ({int: str}, {1: 2}),
        (bool, 1),
        (float, "1"),
        (float, 2**53 + 1),
        (float, -(10**400)),
        (float, True),
        (int, True),
        (int, Colour.RED),
        ((int, int), Point(1, 2)),
        ([int], Numbers([1])),
        ({int}, frozenset({1})),
        ({int: int}, defaultdict(int, {1: 2})),
        (str, Name("a")),
        ((int, (int, int)), (1, Point(1, 2))),
    ],
    ids=repr,
)
def test_what_bytes_do_not_give_back_is_an_error(kind: Any, value: Any) -> None:
    with pytest.raises(nf.errors.InvalidDataException, match="does not fit the value"):
        serde.of(kind).serialize(value)


def test_a_hint_leaves_subclasses_what_they_are(lender: Lender) -> None:
    """In the engine no value loses its class; a whole number that no float is does not fit."""
    given = [
        ((int, int), Point(1, 2)),
        (int, True),
        (float, 3),
        ({int}, frozenset({1})),
        ({int: int}, defaultdict(int, {1: 2})),
        (str, Name("a")),
    ]
    p = lender.lend()
    kept = [p.parallelize([value]).map(_itself, serde=kind).cache() for kind, value in given]
    p.run()
    for dataset, (_, value) in zip(kept, given, strict=True):
        (got,) = dataset.get()
        assert got == value
        assert type(got) is type(value)
    for number in (2**53 + 1, 10**400):
        with pytest.raises(nf.errors.InvalidDataException, match=r"float_\(\) does not fit the value"):
            p.parallelize([number]).map(_itself, serde=float).get()


def test_composites_keep_to_a_serde_in_what_they_give(lender: Lender) -> None:
    """The serde is for the records of the result, not for those of the steps in between."""
    p = lender.lend()
    numbers, pairs = p.parallelize([5, 6]), p.parallelize([("a", 1), ("a", 2)])
    good: dict[str, Any] = {
        "sample": (T.sample(numbers, False, 1.0, serde=int), [5, 6]),
        "zip_with_index": (numbers.zip_with_index(serde=(int, int)), [(5, 0), (6, 1)]),
        "every": (T.group_by_every_record(numbers, serde=int).apply_values(T.sum).flatten_values(), [5, 6]),
        "collect_as_map": (pairs.collect_as_map(serde={str: int}), {"a": 2}),
        "reduce_by_key": (pairs.reduce_by_key(max, serde=(str, int)), [("a", 2)]),
        "aggregate_by_key": (pairs.aggregate_by_key(0, max, max, serde=(str, int)), [("a", 2)]),
        "flatten": (pairs.group_by_key().flatten(serde=(str, int)), [("a", 1), ("a", 2)]),
        "to_pobject": (T.to_pobject(pairs.group_by_key(), serde={str: [int]}), {"a": [1, 2]}),
        "key_by": (numbers.key_by(str, serde=(str, int)), [("5", 5), ("6", 6)]),
    }
    for dataset, _ in good.values():
        dataset.cache()
    p.run()
    for name, (dataset, expected) in good.items():
        got = dataset.get()
        assert (sorted(got) if name == "every" else got) == expected, name
    table = pairs.group_by_key()
    bad: dict[str, Any] = {
        "sample": lambda: T.sample(numbers, False, 1.0, serde=str),
        "zip_with_index": lambda: numbers.zip_with_index(serde=int),
        "inside": lambda: table.apply_values(T.zip_with_index, serde=int),
        "every": lambda: T.group_by_every_record(numbers, serde=str),
        "collect_as_map": lambda: pairs.collect_as_map(serde=[int]),
        "reduce_by_key": lambda: pairs.reduce_by_key(max, serde=int),
        "flatten": lambda: table.flatten(serde=int),
        "extract_keys": lambda: table.extract_keys(serde=int),
        "extract_values": lambda: table.extract_values(serde=str),
        "flatten_values": lambda: T.flatten_values(numbers, serde=str),
        "to_pobject": lambda: T.to_pobject(table, serde=int),
        "value_serde": lambda: numbers.group_by(lambda x: x, value_serde=str),
        "select": lambda: schema.select(p.parallelize([{"a": 1}]), "a", serde=int),
        "agg": lambda: p.parallelize([{"a": 1}]).agg("a => n", lambda a: a.count(), serde=int),
    }
    for name, make in bad.items():
        with pytest.raises(nf.errors.InvalidDataException, match="does not fit the value"):
            raise AssertionError(f"{name} gave {make().get()}")


def test_a_default_serde_is_kept_to_where_no_other_is_known(create: Callable[..., nf.Pipeline]) -> None:
    p = create(default_serde=Shouting())
    words = p.parallelize(["a", "b"])
    assert words.get() == ["A", "B"]
    assert words.map(str.lower).get() == ["A", "B"]
    assert words.map(str.lower, serde=str).get() == ["a", "b"]
    assert words.flat_map(lambda w: [w.lower(), 1]).get() == ["A", "1", "B", "1"]
    assert words.group_by(str.lower, str.lower).get() == {"A": ["A"], "B": ["B"]}
    assert p.parallelize({"x": ["y"]}).get() == {"X": ["Y"]}
    assert words.aggregate("", lambda s, w: s + w.lower(), lambda a, b: a + b).get() in ("AB", "BA")
    assert words.accumulate("", lambda s, w: s + w.lower()).get() == "AB"
    lower = words.transform(lambda e: None, lambda s, e, w: e.emit(w.lower()), lambda s, e: None)
    assert lower.get() == ["A", "B"]
    # What is known, or is a step of ours, stays as it is.
    assert words.count().get() == 2
    assert words.cartesian(words.take(1)).get() == [("A", "A"), ("B", "A")]
    assert words.zip_with_index().get() == [("A", 0), ("B", 1)]
    assert sorted(words.glom().get()) in ([["A", "B"]], [["A"], ["B"]])
    assert sorted(words.key_by(len, serde=(int, str)).join(words.key_by(len, serde=(int, str))).get())[0] == (
        1,
        ("A", "A"),
    )
    assert T.pipe(words, "tr A-Z a-z").get() == ["a", "b"]
    assert sorted(T.group_by_every_record(words).flatten_values().get()) == ["A", "B"]
    made = schema.select(words.map(lambda w: {"w": w}, serde=schema.of("w")), lambda c: {"n": c["w"]})
    assert made.get() == [{"n": "A"}, {"n": "B"}]


def test_a_default_serde_may_be_a_type(create: Callable[..., nf.Pipeline]) -> None:
    p = create(default_serde=int)
    assert str(p.default_objector()) == "int_()"
    numbers = p.parallelize([1, 2])
    assert numbers.map(lambda x: x + 1).get() == [2, 3]
    assert p.parallelize({1: {2: [3]}}).get() == {1: {2: [3]}}
    for make in (lambda: numbers.map(str).get(), lambda: p.parallelize(["a"])):
        with pytest.raises(nf.errors.InvalidDataException, match=r"int_\(\) does not fit the value"):
            make()
    with pytest.raises(ValueError, match="default_serde has to be a serde or a type"):
        create(default_serde=3)


def test_what_has_no_serde() -> None:
    for wrong in (3, [], {int, str}, object, {}):
        with pytest.raises(AssertionError):
            serde.of(wrong)


def test_parts() -> None:
    both = serde.tuple_of(int, str)
    assert serde.extract_elem(both, 1) == serde.str_()
    assert str(serde.extract_elem(serde.int_(), 1)) == "any()"
    assert serde.extract_elem(serde.int_(), 1, serde.str_()) == serde.str_()
    assert serde.origin(both) == serde.TupleSerde(int, str)
    assert serde.common_serde(both, both) == both
    assert serde.common_serde(serde.int_(), Shouting()) is None
    assert serde.common_serde(Shouting(), Shouting()) == Shouting()
    assert serde.common_serde() is None
    assert serde.common_serde(serde.CPickleSerde(), serde.ListSerde(), serde.dict_of(str, str)) == serde.any()
    assert serde.common_serde(serde.int_(), serde.ProtobufSerde(dict)) is None
    assert serde.is_serde(both)
    assert not serde.is_serde(int)


def test_absent() -> None:
    for made in (serde.FastPbSerdeFactory, serde.IdlPacketSerde):
        with pytest.raises(NotImplementedError):
            made()


def test_messages() -> None:
    """Protobuf's classes are known by what they can do: the library is the user's."""

    class Message:
        DESCRIPTOR = None

        def __init__(self) -> None:
            self.text = ""

        def SerializeToString(self) -> bytes:
            return self.text.encode()

        def ParseFromString(self, data: bytes) -> None:
            self.text = data.decode()

    message = Message()
    message.text = "a"
    made = serde.of(Message)
    assert str(made) == "proto_of(Message)"
    assert made.deserialize(made.serialize(message)).text == "a"
    with pytest.raises(nf.errors.InvalidDataException, match="no Message"):
        serde.ProtobufSerde(Message).deserialize(b"\xff")
    assert serde.ProtobufSerde(message).deserialize(b"b").text == "b"
    assert serde.ProtobufSerde(lambda: Message()).deserialize(b"b").text == "b"
    with pytest.raises(ValueError, match="message class"):
        serde.ProtobufSerde(3)
    assert serde.ProtobufSerde(Message, raise_exception_when_failed=False).deserialize(b"\xff") is None


def _person(name: str) -> Any:
    import person_pb2

    return person_pb2.Person(name=name, ages=[len(name), -1])


def test_messages_of_protobuf(lender: Lender, tmp_path: Path) -> None:
    """The real library: by itself, between functions, to the client, and in files."""
    pytest.importorskip("google.protobuf")
    import person_pb2

    person, kind = _person("zoë"), serde.ProtobufSerde(person_pb2.Person)
    assert str(kind) == str(serde.of(person_pb2.Person)) == "proto_of(Person)"
    assert kind.serialize(person) == b"\x0a\x04zo\xc3\xab\x12\x0b\x03" + b"\xff" * 9 + b"\x01"
    assert kind.deserialize(kind.serialize(person)) == person
    assert pickle.loads(pickle.dumps(kind)).deserialize(kind.serialize(person)) == person
    with pytest.raises(nf.errors.InvalidDataException, match="no Person"):
        kind.deserialize(b"\xff")
    p = lender.lend()
    people = p.parallelize(["zoë", "", "bo"]).map(_person, serde=kind)
    old = people.filter(lambda m: m.ages[0]).map(lambda m: (m.name, sum(m.ages)))
    assert old.get() == [("zoë", 2), ("bo", 1)]
    assert people.get() == [_person(name) for name in ("zoë", "", "bo")]
    by_length = people.group_by(lambda m: m.ages[0]).apply_values(lambda v: v.map(lambda m: m.name))
    assert by_length.get() == {3: ["zoë"], 0: [""], 2: ["bo"]}
    p.write(people, nf.output.SequenceFile(str(tmp_path / "people"), serde=kind))
    p.run()
    read = p.read(nf.input.SequenceFile(str(tmp_path / "people"), serde=kind))
    assert sorted(read.map(lambda m: m.name).get()) == ["", "bo", "zoë"]


def test_inferred() -> None:
    p = nf.Pipeline.create("local")
    pairs = p.parallelize([("a", 1)], serde=(str, int))
    assert str(pairs.serde()) == "tuple_of(str_(), int_())"
    table = pairs.group_by_key()
    assert list(map(str, table.key_serdes())) == ["str_()"]
    assert str(table.serde()) == "int_()"
    assert str(table.flatten().serde()) == "tuple_of(str_(), int_())"
    assert str(pairs.join(pairs).serde()) == "tuple_of(str_(), tuple_of(int_(), int_()))"
    assert str(pairs.map(len).serde()) == "any()"
    for kept in (pairs.sort(), pairs.filter(bool), pairs.take(1), pairs.max(), pairs.union(pairs)):
        assert kept.serde() == pairs.serde()
    assert str(pairs.diff(pairs).serde()) == "tuple_of(tuple_of(str_(), int_()), tuple_of(int_(), int_()))"
    assert str(T.to_list_pobject(pairs).serde()) == "list_of(tuple_of(str_(), int_()))"
    assert str(pairs.is_empty().serde()) == "bool_()"
    assert str(p.parallelize({1: {"a": [2]}}, serde=(int, str, int)).key_serdes()) == "[int_(), str_()]"


def test_explicit_serdes_are_kept_to(lender: Lender) -> None:
    p = lender.lend()
    numbers = p.parallelize([1, 2])
    assert numbers.map(lambda x: x + 1, serde=int).get() == [2, 3]
    assert numbers.map(str, serde=Shouting()).get() == ["1", "2"]
    words = p.parallelize(["a", "b"])
    assert words.map(lambda x: x, serde=Shouting()).get() == ["A", "B"]
    assert words.sum(serde=serde.StrSerde()).get() == "ab"
    shout = words.group_by(lambda x: x, key_serde=Shouting()).apply_values(T.count)
    assert shout.get() == {"A": 1, "B": 1}
    pairs = p.parallelize([("a", 1)])
    assert pairs.group_by_key(key_serde=Shouting(), value_serde=int).get() == {"A": [1]}
    both = pairs.cogroup(pairs, value_serdes=[Shouting(), None]).apply_values(lambda a, b: a.union(b))
    assert sorted(both.get()["a"], key=repr) == ["1", 1]
    assert pairs.join(pairs, key_serde=Shouting()).get() == [("A", (1, 1))]
    named = numbers.map(lambda x: {"n": x, "more": 1}, serde=serde.FieldsDictSerde(["n", "m"]))
    assert named.get() == [{"n": 1, "m": None}, {"n": 2, "m": None}]


class Reversed:
    """A serde by its methods alone."""

    def serialize(self, obj: str) -> bytes:
        return obj.encode()

    def deserialize(self, buf: bytes) -> str:
        return buf.decode()[::-1]


def test_a_serde_needs_no_base(lender: Lender, tmp_path: Path) -> None:
    p = lender.lend()
    words = p.parallelize(["ab", "c"])
    assert words.map(lambda x: x, serde=Reversed()).get() == ["ba", "c"]
    assert words.map(lambda x: (x, 1), serde=(Reversed(), int)).get() == [("ba", 1), ("c", 1)]
    assert serde.common_serde(Reversed(), serde.str_()) is None
    p.write(words, nf.output.SequenceFile(str(tmp_path / "out"), serde=Reversed()))
    p.run()
    assert sorted(p.read(nf.input.SequenceFile(str(tmp_path / "out"), serde=Reversed())).get()) == ["ba", "c"]
    with pytest.raises(AssertionError):
        serde.of(Reversed)


def test_a_record_that_does_not_fit_is_named(lender: Lender) -> None:
    numbers = lender.lend().parallelize([1, 2])
    with pytest.raises(nf.errors.InvalidDataException, match=r"int_\(\) does not fit the value 'two'"):
        numbers.map(lambda x: "two" if x == 2 else x, serde=int).get()


def test_a_wrong_serde_warns() -> None:
    numbers = nf.Pipeline.create("local").parallelize([1, 2])
    with pytest.warns(UserWarning, match="serde has to be a serde or a type") as seen:
        assert numbers.map(str, serde=3).get() == ["1", "2"]
    assert seen[0].filename == __file__


def test_schemas() -> None:
    p = nf.Pipeline.create("local")
    rows = p.parallelize([{"a": 1}])
    assert str(rows.as_schema(["a", "b"])) == "SchemaPCollection(a,b)"
    assert repr(rows.as_schema({"a": int})) == "[...]"
    assert rows.as_schema(["a", "b"]).get() == [{"a": 1}]
    assert str(rows.as_schema(["a"]).sort_by(len)) == "SchemaPCollection(a)"
    mapped = rows.as_schema(["a"]).map(lambda row: {"b": row["a"] + 1})
    assert type(mapped) is nf.schema.SchemaPCollection and str(mapped) == "SchemaPCollection(?)"
    assert str(mapped.as_schema(["b"])) == "SchemaPCollection(b)" and mapped.get() == [{"b": 2}]
    assert nf.schema.select(mapped, "b").get() == [{"b": 2}]
    tuples = p.parallelize([(1, "x")]).as_schema((int, str))
    assert type(tuples) is nf.PCollection
    assert str(tuples.serde()) == "tuple_of(int_(), str_())"
    for wrong in ([], {}, (), "ab", 3, ["a", int], [object]):
        with pytest.raises(ValueError):
            rows.as_schema(wrong)
