"""What a user sees when something is wrong: their own exceptions with the place, ours with the way out."""

from __future__ import annotations

import gzip
import os
import re
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import on_spark
import oracle
import pytest

import nestflow as nf
from nestflow import errors, schema
from nestflow import transforms as T
from nestflow.future import fields
from nestflow.transform_impls.sort import DESC

if TYPE_CHECKING:
    from pathlib import Path

Create = Callable[..., nf.Pipeline]


class Refused(Exception):
    """An exception of a user's own."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(code, why)
        self.code = code


class Demanding(Exception):
    """An exception that cannot be pickled and made again."""

    def __init__(self, *, needed: object) -> None:
        super().__init__("demanding")
        self.needed = needed
        self.lock = open(os.devnull)  # noqa: SIM115


def inverse(x: int) -> float:
    """Fails for 0."""
    return 1 / x


def place_of(error: BaseException) -> str:
    """What the exception says of its place, where this Python has notes."""
    if hasattr(error, "add_note"):
        return "\n".join(getattr(error, "__notes__", []))
    return str(error.__cause__ or error)


def test_users_exception_keeps_its_class_and_its_place(p: nf.Pipeline) -> None:
    with pytest.raises(ZeroDivisionError, match="division by zero") as caught:
        p.parallelize([2, 1, 0, 4]).map(inverse).get()
    place = place_of(caught.value)
    assert "map(inverse)" in place
    assert "test_errors.py:" in place
    assert "record: 0" in place
    assert isinstance(caught.value.__cause__, errors.RemoteTraceback)
    assert "return 1 / x" in str(caught.value.__cause__)


def test_users_own_exception_class(p: nf.Pipeline) -> None:
    def refuse(x: int) -> int:
        raise Refused(x, "no")

    with pytest.raises(Refused) as caught:
        p.parallelize([7]).map(refuse).get()
    assert caught.value.code == 7
    assert caught.value.args == (7, "no")


def test_exception_that_cannot_be_made_again(p: nf.Pipeline) -> None:
    def demand(x: int) -> int:
        raise Demanding(needed=x)

    with pytest.raises(Demanding, match="demanding") as caught:
        p.parallelize([7]).map(demand).get()
    assert "record: 7" in place_of(caught.value)
    assert caught.value.needed == 7


def test_text_that_has_no_encoding(p: nf.Pipeline, tmp_path: Path) -> None:
    def refuse(line: str) -> None:
        raise ValueError(f"bad line: {line}")

    # Bytes that are not UTF-8 are read as lone surrogates.
    (tmp_path / "in").write_bytes(b"caf\xe9\n")
    with pytest.raises(ValueError, match="bad line") as caught:
        p.read(nf.TextFile(str(tmp_path / "in"))).map(refuse).get()
    assert caught.value.args == ("bad line: caf\udce9",)
    assert "map(refuse)" in place_of(caught.value)
    assert "caf" in place_of(caught.value)
    with pytest.raises(errors.InvalidDataException, match=r"caf.udce9"):
        p.read(nf.TextFile(str(tmp_path / "in"))).map(lambda line: [line]).group_by_key().get()


def test_cause_of_users_exception_is_in_the_traceback(p: nf.Pipeline) -> None:
    def wrap(x: int) -> int:
        try:
            return int(1 / x)
        except ZeroDivisionError as error:
            raise ValueError("wrapped") from error

    with pytest.raises(ValueError, match="wrapped") as caught:
        p.parallelize([0]).map(wrap).get()
    assert "ZeroDivisionError" in str(caught.value.__cause__)


FAILING: dict[str, Callable[[nf.PCollection], Any]] = {
    "filter": lambda v: v.filter(inverse),
    "flat_map": lambda v: v.flat_map(lambda x: (inverse(y) for y in [x])),
    "group_by": lambda v: v.group_by(inverse),
    "reduce": lambda v: v.reduce(lambda a, b: inverse(0)),
    "combine": lambda v: v.combine(lambda xs: [inverse(x) for x in xs]),
    "aggregate": lambda v: v.aggregate(0, lambda s, x: inverse(x), lambda a, b: a + b),
    "accumulate": lambda v: v.accumulate(0, lambda s, x: inverse(x)),
    "transform": lambda v: v.transform(lambda e: None, lambda s, e, x: inverse(x), lambda s, e: None),
    "sort_by": lambda v: v.sort_by(inverse),
    "max": lambda v: v.max(inverse),
    "max_elements": lambda v: v.max_elements(2, inverse),
    # Those that are made of others.
    "key_by": lambda v: v.key_by(inverse),
    "map_values": lambda v: v.map(lambda x: (x, 0)).map_values(inverse),
    "flat_map_values": lambda v: v.map(lambda x: (x, 0)).flat_map_values(lambda x: [inverse(x)]),
    "reduce_by_key": lambda v: v.map(lambda x: (0, x)).reduce_by_key(lambda a, b: inverse(0)),
    "top": lambda v: v.top(2, inverse),
    "update": lambda v: nf.schema.update(v.map(lambda x: {"x": x}), {"x": inverse}),
    "select": lambda v: nf.schema.select(v.map(lambda x: {"x": x}), {"x": inverse}),
}


@pytest.mark.parametrize("name", FAILING)
def test_every_transform_names_itself(p: nf.Pipeline, name: str) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        FAILING[name](p.parallelize([3, 0, 1])).get()
    assert f"in {name}(" in place_of(caught.value)
    assert "test_errors.py:" in place_of(caught.value)


@pytest.mark.parametrize("name", FAILING)
def test_every_transform_names_itself_in_groups(p: nf.Pipeline, name: str) -> None:
    table = p.parallelize({"a": [1], "b": [3, 0, 1]})
    with pytest.raises(ZeroDivisionError) as caught:
        table.apply_values(FAILING[name]).get()
    assert f"in {name}(" in place_of(caught.value)


def test_place_in_a_chain(p: nf.Pipeline) -> None:
    numbers = p.parallelize(list(range(5000)))
    chained = numbers.map(lambda x: x + 1).filter(lambda x: x % 2).map(lambda x: 1 / (x - 4001)).map(str)
    with pytest.raises(ZeroDivisionError) as caught:
        chained.get()
    assert "record: 4001" in place_of(caught.value)


def test_exception_of_foreach(p: nf.Pipeline) -> None:
    p.parallelize([0]).foreach(inverse)
    with pytest.raises(ZeroDivisionError):
        p.run()


def test_missing_path_fails_the_run_not_the_read(p: nf.Pipeline, tmp_path: Path) -> None:
    lines = p.read(nf.TextFile(str(tmp_path / "nothing here")))
    with pytest.raises(errors.NestflowRuntimeException, match="nothing here") as caught:
        lines.count().get()
    assert re.search(r"in read at .*test_errors.py:\d+ in test_missing_path", place_of(caught.value))


def test_damaged_input_names_file_and_step(p: nf.Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b"a line\n" * 1000)[:-20])
    with pytest.raises(errors.InvalidDataException, match=r"cut\.gz: damaged or cut off") as caught:
        p.read(nf.TextFile(str(path))).count().get()
    assert "in read at" in place_of(caught.value)


def test_text_that_has_to_be_text(p: nf.Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "bytes.txt"
    path.write_bytes(b"fine\n\xff\xfe\n")
    with pytest.raises(errors.InvalidDataException, match="the line at byte 5 is not UTF-8") as caught:
        p.read(nf.TextFile(str(path), encoding="utf-8-strict")).get()
    assert "in read at" in place_of(caught.value)


@pytest.mark.parametrize("result", [None, 5])
def test_flat_map_to_what_is_not_iterable(p: nf.Pipeline, result: object) -> None:
    with pytest.raises(TypeError, match="iterable") as caught:
        p.parallelize(["x"]).flat_map(lambda x: result).get()
    assert "flat_map" in place_of(caught.value)
    assert "record: 'x'" in place_of(caught.value)


@pytest.mark.parametrize("record", [1, (1,), (1, 2, 3), "ab", None, {1: 2, 3: 4}])
def test_grouping_what_is_not_a_pair(p: nf.Pipeline, record: object) -> None:
    with pytest.raises(errors.NestflowRuntimeException, match="pair"):
        p.parallelize([(1, 2), record]).group_by_key().get()


@pytest.mark.parametrize("name", ["join", "left_join", "right_join", "full_join", "cogroup"])
def test_joining_what_is_not_a_pair(p: nf.Pipeline, name: str) -> None:
    joined = getattr(p.parallelize([(1, 2)]), name)(p.parallelize([3]))
    with pytest.raises(errors.NestflowRuntimeException, match="pair") as caught:
        (joined.apply_values(lambda a, b: b) if name == "cogroup" else joined).get()
    text = f"{caught.value}\n{place_of(caught.value)}"
    assert "None" not in text
    assert re.search(rf"{name}(\(\))? at .*test_errors.py:", text)


UNORDERED: dict[str, Callable[[nf.PCollection], Any]] = {
    "sort": lambda v: v.sort(),
    "sort descending": lambda v: v.sort(True),
    "sort_by": lambda v: v.sort_by(lambda x: (0, DESC(x))),
    "max": lambda v: v.max(),
    "min": lambda v: v.min(),
    "max_elements": lambda v: v.max_elements(2),
    "min_elements": lambda v: v.min_elements(2),
}


@pytest.mark.parametrize("name", UNORDERED)
def test_keys_that_cannot_be_compared(p: nf.Pipeline, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        UNORDERED[name](p.parallelize([17, "seven"])).get()
    text = f"{caught.value}\n{place_of(caught.value)}"
    assert "17" in text
    assert "seven" in text
    assert f"in {name.split()[0]} at" in text
    assert "test_errors.py:" in text


def test_objects_that_cannot_be_compared_are_shown(p: nf.Pipeline) -> None:
    with pytest.raises(TypeError, match="not supported") as caught:
        p.parallelize([1 + 2j, 3 - 4j]).sort().get()
    assert "('complex', 1, 2)" in str(caught.value)
    assert "('complex', 3, -4)" in str(caught.value)


@pytest.mark.parametrize("name", ["max_elements", "min"])
def test_keys_of_a_group_that_cannot_be_compared(p: nf.Pipeline, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        p.parallelize({"a": [17, "seven"], "b": [1, 2]}).apply_values(UNORDERED[name]).get()
    assert f"in {name} at" in place_of(caught.value)


@pytest.mark.parametrize("name", ["max", "min"])
def test_extremes_do_not_compare_none(p: nf.Pipeline, name: str) -> None:
    with pytest.raises(TypeError) as caught:
        UNORDERED[name](p.parallelize([1, None])).get()
    assert f"in {name} at" in place_of(caught.value)


def test_keys_of_different_groups_are_not_compared(p: nf.Pipeline) -> None:
    table = p.parallelize({"a": [2, 1], "b": ["y", "x"]}).apply_values(T.sort)
    assert table.get() == {"a": [1, 2], "b": ["x", "y"]}


def test_dataset_captured_by_a_record_function(p: nf.Pipeline) -> None:
    inside = p.parallelize([1, 2])
    for transform in (inside.map, inside.filter, inside.group_by, inside.reduce):
        with pytest.raises(errors.InvalidLogicalPlanException, match="side input"):
            transform(lambda x: inside)


def test_dataset_captured_inside_a_container(p: nf.Pipeline) -> None:
    held = {"deep": [p.parallelize(1)]}
    with pytest.raises(errors.InvalidLogicalPlanException, match="PObject"):
        p.parallelize([1]).map(lambda x: held["deep"])


def test_what_cannot_be_shipped_is_named(p: nf.Pipeline, tmp_path: Path) -> None:
    with (
        (tmp_path / "file").open("w") as handle,
        pytest.raises(errors.NestflowPlanningException, match="handle"),
    ):
        p.parallelize([1]).map(lambda x: handle.write(x))


@pytest.fixture
def _nothing_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nestflow.options._warned", set())


@pytest.mark.usefixtures("_nothing_warned_of")
def test_unknown_options_warn_once_per_place(p: nf.Pipeline) -> None:
    numbers = p.parallelize([1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            numbers.map(lambda x: x, concurency=3)
        numbers.map(lambda x: x, concurency=3)
        numbers.map(lambda x: x, concurrency=3, serde=None, output_size=5, memory_limit=-1)
    assert [w.category for w in caught] == [UserWarning, UserWarning]
    assert "concurrency" in str(caught[0].message)
    assert caught[0].filename == __file__


@pytest.mark.usefixtures("_nothing_warned_of")
def test_unknown_options_warn_in_every_transform(p: nf.Pipeline) -> None:
    """By the name that the user called, once, with the nearest known name; known ones are quiet."""
    numbers, table = p.parallelize([1]), p.parallelize({"a": [1]})
    pairs, value = p.parallelize([("a", 1)]), p.parallelize(1)
    rows = p.parallelize([{"a": 1}]).as_schema(["a"])
    tuples = p.parallelize([(1, 2)]).as_schema((int, int))
    calls: dict[str, Callable[..., object]] = {
        "select": lambda **o: schema.select(rows, "a", **o),
        "select, a dict": lambda **o: schema.select(rows, {"a": 1}, **o),
        "select, a function": lambda **o: schema.select(rows, lambda c: {"a": c["a"]}, **o),
        "select, tuples": lambda **o: schema.select(tuples, lambda a, b: a, **o),
        "select, described": lambda **o: fields.select(rows, "a => b", lambda a: a, **o),
        "select, method": lambda **o: rows.select("a => b", lambda a: a, **o),
        "update": lambda **o: schema.update(rows, {"a": 1}, **o),
        "update, a function": lambda **o: schema.update(rows, lambda c: {"b": c["a"]}, **o),
        "agg": lambda **o: schema.agg(rows, lambda c: {"n": c["a"].count()}, **o),
        "agg, described": lambda **o: fields.agg(rows, "a => b", lambda a: a.count(), **o),
        "agg, method": lambda **o: rows.agg("a => b", lambda a: a.count(), **o),
        "group_by": lambda **o: schema.group_by(rows, "a", **o),
        "distinct": lambda **o: schema.distinct(rows, "a", **o),
        "join": lambda **o: schema.join(rows, rows, fields="a", **o),
        "cogroup": lambda **o: schema.cogroup(rows, rows, fields="a", **o),
        "tuple_to_dict": lambda **o: schema.tuple_to_dict(tuples, "a, b", **o),
        "dict_to_tuple": lambda **o: schema.dict_to_tuple(rows, "a", **o),
        "flatten": lambda **o: T.flatten(numbers, **o),
        "flatten, a table": lambda **o: table.flatten(**o),
        "flatten, fields": lambda **o: fields.flatten(rows, **o),
        "flatten_values": lambda **o: T.flatten_values(numbers, **o),
        "flatten_values, a table": lambda **o: table.flatten_values(**o),
        "to_pobject": lambda **o: T.to_pobject(value, **o),
        "to_pobject, many": lambda **o: T.to_pobject(numbers, **o),
        "to_pobject, a table": lambda **o: T.to_pobject(table, **o),
        "extract_keys": lambda **o: table.extract_keys(**o),
        "extract_values": lambda **o: table.extract_values(**o),
        "pipe": lambda **o: T.pipe(numbers, "cat", **o),
        "sample": lambda **o: numbers.sample(False, 0.5, **o),
        "zip_with_index": lambda **o: numbers.zip_with_index(**o),
        "group_by_every_record": lambda **o: T.group_by_every_record(numbers, **o),
        "map_partitions": lambda **o: numbers.map_partitions(list, **o),
        "collect_as_map": lambda **o: pairs.collect_as_map(**o),
        "reduce_by_key": lambda **o: pairs.reduce_by_key(max, **o),
        "aggregate_by_key": lambda **o: pairs.aggregate_by_key(0, max, max, **o),
        "count_by_key": lambda **o: pairs.count_by_key(**o),
        "key_by": lambda **o: numbers.key_by(str, **o),
        "map_values": lambda **o: pairs.map_values(str, **o),
        "flat_map_values": lambda **o: pairs.flat_map_values(range, **o),
        "keys": lambda **o: pairs.keys(**o),
        "values": lambda **o: pairs.values(**o),
        "top": lambda **o: numbers.top(2, **o),
        "max": lambda **o: numbers.max(**o),
        "foreach": lambda **o: T.foreach(table, print, **o),
        "accumulate": lambda **o: numbers.accumulate(0, max, **o),
        "aggregate": lambda **o: numbers.aggregate(0, max, max, **o),
        "cartesian": lambda **o: numbers.cartesian(numbers, **o),
        "cartesian, a value": lambda **o: value.cartesian(**o),
        "cogroup, pairs": lambda **o: pairs.cogroup(pairs, **o),
        "combine": lambda **o: numbers.combine(sum, pre_combine=False, **o),
        "count": lambda **o: numbers.count(**o),
        "diff": lambda **o: numbers.diff(numbers, **o),
        "distinct, numbers": lambda **o: numbers.distinct(**o),
        "filter": lambda **o: numbers.filter(bool, **o),
        "first": lambda **o: numbers.first(**o),
        "flat_map": lambda **o: numbers.flat_map(range, **o),
        "flat_map, a value": lambda **o: value.flat_map(range, **o),
        "full_join": lambda **o: pairs.full_join(pairs, **o),
        "glom": lambda **o: numbers.glom(**o),
        "group_by, numbers": lambda **o: numbers.group_by(str, **o),
        "group_by_key": lambda **o: pairs.group_by_key(**o),
        "intersection": lambda **o: numbers.intersection(numbers, **o),
        "is_empty": lambda **o: numbers.is_empty(**o),
        "join, pairs": lambda **o: pairs.join(pairs, **o),
        "left_join": lambda **o: pairs.left_join(pairs, **o),
        "right_join": lambda **o: pairs.right_join(pairs, **o),
        "full_join, rows": lambda **o: schema.full_join(rows, rows, fields="a", **o),
        "left_join, rows": lambda **o: schema.left_join(rows, rows, fields="a", **o),
        "right_join, rows": lambda **o: schema.right_join(rows, rows, fields="a", **o),
        "flatten, rows": lambda **o: schema.flatten(schema.group_by(rows, "a"), **o),
        "make_tuple": lambda **o: T.make_tuple(value, value, **o),
        "map": lambda **o: numbers.map(str, **o),
        "map, a value": lambda **o: value.map(str, **o),
        "map_batches": lambda **o: numbers.map_batches(list, **o),
        "max_elements": lambda **o: numbers.max_elements(1, **o),
        "max_elements, of a value": lambda **o: numbers.max_elements(value, **o),
        "min": lambda **o: numbers.min(**o),
        "min_elements": lambda **o: numbers.min_elements(1, **o),
        "reduce": lambda **o: numbers.reduce(max, **o),
        "sort": lambda **o: numbers.sort(**o),
        "sort_by": lambda **o: numbers.sort_by(str, **o),
        "substract": lambda **o: T.substract(numbers, numbers, **o),
        "subtract": lambda **o: numbers.subtract(numbers, **o),
        "sum": lambda **o: numbers.sum(**o),
        "take": lambda **o: numbers.take(1, **o),
        "take, of a value": lambda **o: numbers.take(value, **o),
        "to_list_pobject": lambda **o: T.to_list_pobject(numbers, **o),
        "transform": lambda **o: numbers.transform(nf.Transformer, **o),
        "transform, functions": lambda **o: numbers.transform(print, print, print, **o),
        "union": lambda **o: numbers.union(numbers, **o),
        "union, a value": lambda **o: value.union(value, **o),
    }
    refused = {"idl_to_str", "str_to_idl", "window_into"}
    assert {name.partition(",")[0] for name in calls} >= {*T.__all__} - refused
    for name, call in calls.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(2):
                call(memory_limt=3)
            call(memory_limit=3, scale=0.5, output_size=7, debug_name="x")
        said = [str(w.message) for w in caught if w.category is UserWarning]
        called = name.partition(",")[0]
        assert said == [
            f"{called} has no option 'memory_limt', it is ignored; did you mean 'memory_limit'?"
        ], name


@pytest.mark.usefixtures("_nothing_warned_of")
def test_unknown_pipeline_options_warn(create: Create) -> None:
    with pytest.warns(UserWarning, match="memory_limit"):
        create(memory_limt="1GB")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        create(tmp_data_path="hdfs:///tmp", default_concurrency=3, job_name="x", hadoop_config_path=None)


LEGACY = {
    "default_serde": None,
    "hadoop_conf": {"dfs.replication": 2},
    "hadoop_job_conf": {},
    "pass_default_encoding_to_remote": True,
    "hadoop_client_path": "bin/hadoop",
    "tmp_data_path": "hdfs:///tmp",
    "job_name": "mine",
    "default_concurrency": 10,
    "cpu_profile": True,
    "heap_profile": True,
    "reprepare_cache_archive": False,
    "round_times": -1,
    "status_as_meta": True,
    "status_meta_path": "a",
    "status_table_path": "b",
    "status_cache_size": 3,
    "use_leveldb_storage": False,
}
"""Options of the original that every pipeline takes."""

OF_SPARK = {"spark_conf": {"spark.app.name": "x"}, "spark_home_path": "/opt/spark"}
"""Those that only say something of Spark, where it is looked at."""


@pytest.mark.usefixtures("_nothing_warned_of")
def test_options_of_the_original_are_taken_quietly() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with nf.Pipeline.create("local", hadoop_config_path="core-site.xml", **LEGACY, **OF_SPARK) as p:
            assert p.parallelize([1]).get() == [1]
        nf.Pipeline.create("spark", **LEGACY).close()


def test_object_without_a_value(p: nf.Pipeline) -> None:
    with pytest.raises(errors.InvalidDataException, match="aggregate"):
        p.parallelize([]).sum().get()


def test_side_input_without_a_value(p: nf.Pipeline) -> None:
    empty = p.parallelize([]).sum()
    with pytest.raises(errors.NestflowRuntimeException, match="empty"):
        p.parallelize([1]).map(lambda x, s: x, empty).get()
    assert p.parallelize([]).map(lambda x, s: x, empty).get() == []


@pytest.mark.parametrize("groups", [{}, {"a": []}, {"a": [1]}])
def test_outer_data_fail_where_they_live(create: Create, groups: dict[str, list[int]]) -> None:
    """They are made once, for all groups: also where there is none that takes them."""
    p = create()
    outer = p.parallelize([0])
    table = p.parallelize(groups).apply_values(
        lambda v: outer.map(lambda x, least: x + least, outer.filter(bool).first())
    )
    assert table.extract_keys().get() == list(groups)  # nobody needs the values
    with pytest.raises(oracle.Fails):
        oracle.get(table)
    with pytest.raises(errors.NestflowRuntimeException, match="empty PObject"):
        table.get()


def test_data_of_groups_cannot_be_shown(p: nf.Pipeline) -> None:
    inner: list[nf.PCollection] = []
    p.parallelize({"a": [1]}).apply_values(lambda v: inner.append(v) or v)
    with pytest.raises(errors.InvalidDataException, match="inside"):
        inner[0].get()


def test_data_of_groups_used_outside(p: nf.Pipeline) -> None:
    inner: list[nf.PCollection] = []
    p.parallelize({"a": [1]}).apply_values(lambda v: inner.append(v) or v)
    with pytest.raises(errors.NestflowPlanningException, match="flatten") as caught:
        inner[0].map(lambda x: x)
    assert str(caught.value).count("test_errors.py:") >= 2


def test_tables_as_operands(p: nf.Pipeline) -> None:
    table = p.parallelize({"a": [1]})
    with pytest.raises(errors.NestflowPlanningException, match="to_pobject"):
        p.parallelize({"b": [2]}).apply_values(lambda v, t: v, table)
    with pytest.raises(errors.NestflowPlanningException, match="to_pobject"):
        p.parallelize({"b": [2]}).apply_values(lambda v: v.map(lambda x, t: x, table))
    with pytest.raises(ValueError, match="flatten"):
        T.union(table, table)


def test_table_of_outer_data_cannot_see_the_group(p: nf.Pipeline) -> None:
    outer = p.parallelize({"a": [1]})
    with pytest.raises(errors.NestflowPlanningException) as caught:
        p.parallelize({"b": [2]}).apply_values(lambda v: outer.apply_values(lambda w: w.union(v)))
    assert str(caught.value).count("test_errors.py:") >= 2


def once_more(table: nf.PTable, use: Any) -> Any:
    return table.apply_key_values(
        lambda key, v: table.apply_key_values(lambda inner, w: use(key, v, inner, w)).flatten()
    )


@pytest.mark.parametrize(
    "use",
    [
        lambda key, v, inner, w: w.intersection(v),
        lambda key, v, inner, w: w.map(lambda x, y: x, v),
        lambda key, v, inner, w: w.map(lambda x, k: x, key),
        lambda key, v, inner, w: w.map(lambda x, y: x, v.count()),
        lambda key, v, inner, w: w.map(lambda x, y: x, v.group_by(abs)),
        lambda key, v, inner, w: v,
        lambda key, v, inner, w: v.group_by(abs).apply_values(T.count).extract_keys(),
        lambda key, v, inner, w: T.flatten(v, serde=nf.serde.CPickleSerde()),
    ],
)
def test_data_of_the_group_around_in_the_same_groups_once_more(p: nf.Pipeline, use: Any) -> None:
    flat = p.parallelize({"a": [1, 2], "b": [3]})
    for table in (flat, flat.apply_values(lambda v: v.map(abs))):
        with pytest.raises(errors.NestflowPlanningException, match="the group around") as caught:
            once_more(table, use)
        assert str(caught.value).count("test_errors.py:") >= 3
    nested = p.parallelize({"x": {"a": [1]}, "y": {"b": [2]}})
    with pytest.raises(errors.NestflowPlanningException, match="the group around"):
        nested.apply_values(lambda t: once_more(t, use))
    with pytest.raises(errors.NestflowPlanningException, match="the group around"):
        once_more(nested, lambda k, v, i, w: w.apply_values(lambda y: y.union(v.flatten_values())))


@pytest.mark.parametrize(
    "seen",
    [T.extract_keys, T.flatten, T.to_pobject, lambda t: t.apply_key_values(lambda key, v: key).flatten()],
)
def test_groups_of_outer_data_are_data_of_the_group_around(p: nf.Pipeline, seen: Any) -> None:
    outer = p.parallelize([0])
    table = p.parallelize({"a": [1, 2], "b": [3]})

    def inside(v: nf.PCollection) -> Any:
        groups = v.group_by(abs).apply_values(lambda x: outer)
        return table.apply_values(lambda w: seen(groups)).flatten()

    with pytest.raises(errors.NestflowPlanningException, match="the group around"):
        table.apply_values(inside)


def test_the_same_groups_once_more(p: nf.Pipeline) -> None:
    """Without data of the group around: with keys of its own, as a whole, and afterwards."""
    table = p.parallelize({"a": [1, 2], "b": [3]})
    inner = once_more(table, lambda key, v, inner, w: w.map(lambda x, k: (k, x), inner)).get()
    pairs = [("a", ("a", 1)), ("a", ("a", 2)), ("b", ("b", 3))]
    assert {key: sorted(found) for key, found in inner.items()} == {"a": pairs, "b": pairs}
    sums = table.apply_values(T.sum)
    of_all = sums.apply_values(lambda v: T.make_tuple(v, T.to_pobject(sums.apply_values(lambda w: w + 1))))
    assert of_all.get() == {"a": (3, {"a": 4, "b": 4}), "b": (3, {"a": 4, "b": 4})}
    both = table.apply_values(lambda v: T.make_tuple(T.to_pobject(table.apply_values(T.count)), v.count()))
    assert both.get() == {"a": ({"a": 2, "b": 1}, 2), "b": ({"a": 2, "b": 1}, 1)}
    nested = p.parallelize({"x": {"a": [1, 2]}, "y": {"b": [3]}})
    counts = once_more(nested, lambda k, v, i, w: w.apply_values(T.count)).get()
    assert {key: sorted(found) for key, found in counts.items()} == {
        key: [("x", ("a", 2)), ("y", ("b", 1))] for key in "xy"
    }


def test_tuples_of_a_table(p: nf.Pipeline) -> None:
    table = p.parallelize([(1, 2)]).cogroup(p.parallelize([(1, 3)]))
    for wrong in (table.flatten, table.get, table.cache):
        with pytest.raises(errors.NestflowPlanningException, match="tuple"):
            wrong()


def test_keys_that_a_dict_cannot_have(p: nf.Pipeline) -> None:
    table = p.parallelize([1, 2, 3]).group_by(lambda x: [x % 2])
    with pytest.raises(errors.InvalidDataException, match="flatten"):
        table.get()
    assert sorted(table.flatten().get()) == [([0], 2), ([1], 1), ([1], 3)]


class OwnEquality:
    """Equal to everything; says nothing of how it is a key."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    "key", [OwnEquality(), lambda: 0, (1, [OwnEquality()])], ids=["own __eq__", "function", "deep"]
)
def test_values_that_cannot_be_keys(p: nf.Pipeline, key: object) -> None:
    with pytest.raises(errors.NestflowRuntimeException, match="key"):
        p.parallelize([1]).map(lambda x: (key, x)).group_by_key().apply_values(T.count).flatten_values().get()


@pytest.mark.parametrize("name", ["distinct", "sort", "subtract"])
def test_values_that_cannot_be_keys_of_a_transform(p: nf.Pipeline, name: str) -> None:
    odd = p.parallelize([OwnEquality()])
    with pytest.raises(errors.NestflowRuntimeException, match="__nestflow_key__") as caught:
        (odd.subtract(odd) if name == "subtract" else getattr(odd, name)()).get()
    text = f"{caught.value}\n{place_of(caught.value)}"
    assert "None" not in text
    assert f"in {name} at" in text


UNSTORABLE: dict[str, Callable[[nf.PCollection], nf.PCollection | nf.PObject]] = {
    "map": lambda v: v.map(lambda x: (y for y in [x])),
    "accumulate": lambda v: v.accumulate(0, lambda s, x: (y for y in [x])),
    "reduce": lambda v: v.union(v).reduce(lambda s, x: (y for y in [x])),
    "transform": lambda v: v.transform(
        lambda emitter: 0, lambda s, emitter, x: emitter.emit(y for y in [x]), lambda s, emitter: None
    ),
    "distinct": lambda v: v.map(lambda x: nested(3000)).distinct().count(),
    "group_by": lambda v: v.group_by(lambda x: nested(3000)).apply_values(T.count).flatten(),
    "sort_by": lambda v: v.union(v).sort_by(lambda x: nested(3000)),
}


def nested(depth: int) -> list[object]:
    """Lists in lists."""
    found: list[object] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize("name", UNSTORABLE)
def test_values_that_cannot_be_stored(p: nf.Pipeline, name: str) -> None:
    """The error says what cannot be stored, and its notes which step and which record."""
    with pytest.raises(errors.InvalidDataException) as caught:
        UNSTORABLE[name](p.parallelize([1])).get()
    said = place_of(caught.value)
    assert "test_errors.py" in said
    assert "record: " in said
    shown = "[[[" if "nested" in str(caught.value) or "list" in str(caught.value) else "generator"
    assert shown in said


def test_wrong_arguments_at_the_call(p: nf.Pipeline) -> None:
    numbers = p.parallelize([1])
    wrong: list[Callable[[], object]] = [
        lambda: numbers.map(3),
        lambda: numbers.map(lambda x, s: x, 5),
        lambda: numbers.take("3"),
        lambda: numbers.max_elements(1.5),
        lambda: T.union(),
        lambda: T.join(numbers),
        lambda: T.cartesian(),
        lambda: T.max(numbers.count()),
        lambda: T.extract_keys(numbers),
        lambda: p.parallelize(numbers),
        lambda: p.parallelize(x for x in range(3)),
        lambda: p.parallelize({"a": [(x for x in "xy")]}),
        lambda: p.parallelize({"a": [1]}).apply_values(lambda v: 3),
        lambda: p.read("path"),
        lambda: p.write(numbers, "path"),
        lambda: nf.Pipeline.create("hadoop"),
        lambda: nf.Pipeline.create("local", progress="x"),
        lambda: nf.Pipeline.create("local", progress=3),
        lambda: nf.Pipeline.create("local", tmp_dir=3),
        lambda: nf.Pipeline.create("spark", tmp_dir=""),
        lambda: nf.Pipeline.create("spark", progress=3),
        lambda: numbers.filter(5),
        lambda: numbers.flat_map(None),
        lambda: numbers.foreach(3),
        lambda: numbers.group_by(3),
        lambda: numbers.group_by(len, 3),
        lambda: numbers.group_by(len, concurrency=0),
        lambda: numbers.sort_by(3),
        lambda: numbers.max(3),
        lambda: numbers.min_elements(1, 3),
        lambda: numbers.reduce(3),
        lambda: numbers.combine(3),
        lambda: numbers.accumulate(0, 3),
        lambda: numbers.accumulate(0, max, 5),
        lambda: numbers.aggregate(0, 3, max),
        lambda: numbers.aggregate(0, max, 3),
        lambda: numbers.transform(),
        lambda: numbers.transform(len, len, 3),
        lambda: numbers.transform(nf.Transformer, [1]),
        lambda: numbers.subtract(p.parallelize({})),
        lambda: numbers.intersection([1]),
        lambda: numbers.join(numbers.count()),
        lambda: T.left_join(numbers),
        lambda: T.first([1]),
        lambda: T.group_by_key(p.parallelize({})),
        lambda: T.flatten_values(3),
        lambda: T.to_pobject(3),
        lambda: T.to_list_pobject(p.parallelize({"a": [1]})),
        lambda: T.pipe(numbers, "cat", type="lines"),
        lambda: T.pipe(numbers, "cat", input_fields_num=0),
        lambda: numbers.count().round("x"),
        lambda: numbers.count() + numbers,
        lambda: p.set_init_hook("x", 3),
        lambda: p.read(nf.input.TextFile),
        lambda: p.write(numbers, nf.output.TextFile),
        lambda: nf.output.TextFile("x").partition("2"),
        lambda: nf.output.TextFile("x").partition(2, 3),
        lambda: nf.output.TextFile("x").sort_by(3),
        lambda: nf.output.TextFile("x", record_delimiter=3),
        lambda: nf.output.TextFile(b"x"),
        lambda: nf.input.SequenceFile("x").as_type(3),
        lambda: nf.output.SequenceFile("x").as_type(None),
        lambda: schema.select(p.parallelize([(1, 2)]).as_schema((int, int)), "a"),
        lambda: schema.select(p.parallelize([(1, 2)]).as_schema((int, int)), {"a": 1}),
    ]
    for call in wrong:
        with pytest.raises(ValueError):
            call()


def test_generators_are_no_data(p: nf.Pipeline) -> None:
    with pytest.raises(ValueError, match=r"parallelize at .*test_errors.py:.*generator.*list\("):
        p.parallelize(x for x in range(3))


def test_functions_cannot_be_shipped_without_cloudpickle(
    p: nf.Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = p.parallelize([1])
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(errors.NestflowPlanningException, match="pip install cloudpickle"):
        numbers.map(lambda x: x)


def test_datasets_of_two_pipelines(create: Create) -> None:
    with pytest.raises(ValueError, match="another pipeline"):
        create().parallelize([1]).union(create().parallelize([2]))
    first, second = create(), create()
    mine, theirs = first.parallelize([1]), second.parallelize([2])
    assert first.get(mine) == [1]
    for wrong in (theirs, theirs.map(abs), [1]):
        with pytest.raises(ValueError, match=r"another pipeline|needs a PCollection"):
            first.get(wrong)  # type: ignore[arg-type]


class Switch:
    """Fails while a file is missing, so that a second run can succeed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, x: object) -> object:
        if not self.path.exists():
            raise RuntimeError("not yet")
        return x

    def turn(self) -> None:
        """Let it succeed from now on."""
        self.path.touch()


def test_failed_run_changes_nothing_and_the_next_one_does_it(p: nf.Pipeline, tmp_path: Path) -> None:
    switch = Switch(tmp_path / "switch")
    good, bad = tmp_path / "good", tmp_path / "bad"
    visits = tmp_path / "visits"
    numbers = p.parallelize([1, 2, 3])
    kept = numbers.map(lambda x: x * 2).cache()
    p.write(numbers, nf.output.TextFile(str(good)))
    p.write(numbers.map(switch), nf.output.TextFile(str(bad)))
    kept.map(switch).foreach(lambda x: visits.open("a").write(f"{x}\n") and None)

    with pytest.raises(RuntimeError, match="not yet"):
        p.run()
    assert [path.name for path in tmp_path.iterdir()] == []

    switch.turn()
    p.run()
    for target in (good, bad):
        assert [part.read_text() for part in sorted(target.glob("part-*"))] == ["1\n2\n3\n"]
    assert sorted(visits.read_text().split()) == ["2", "4", "6"]
    assert kept.get() == [2, 4, 6]

    p.run()
    assert sorted(visits.read_text().split()) == ["2", "4", "6"]


def test_failed_run_keeps_an_older_target(p: nf.Pipeline, tmp_path: Path) -> None:
    target = tmp_path / "out"
    p.write(p.parallelize(["old"]), nf.output.TextFile(str(target)))
    p.run()
    p.write(p.parallelize([0]).map(inverse), nf.output.TextFile(str(target)))
    with pytest.raises(ZeroDivisionError):
        p.run()
    assert (target / "part-00000").read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_failed_get_can_be_asked_again(p: nf.Pipeline, tmp_path: Path) -> None:
    switch = Switch(tmp_path / "switch")
    result = p.parallelize([1]).map(switch)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            result.get()
    switch.turn()
    assert result.get() == [1]


def test_target_that_must_not_be_replaced(p: nf.Pipeline, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "mine").write_text("precious")
    p.write(p.parallelize([1]), nf.output.TextFile(str(target), overwrite=False))
    with pytest.raises(errors.NestflowRuntimeException, match="out") as caught:
        p.run()
    assert "in write at" in place_of(caught.value)
    assert [path.name for path in target.iterdir()] == ["mine"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_targets_that_hold_more_than_an_output(
    create: Create, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "work"
    mine.mkdir()
    (mine / "precious").write_text("1")
    (mine / "home").mkdir()
    monkeypatch.chdir(mine)
    monkeypatch.setenv("HOME", str(mine / "home"))
    for path in ("precious", ".", str(mine), str(tmp_path), "home"):
        p = create()
        p.write(p.parallelize([1]), nf.output.TextFile(path))
        with pytest.raises(errors.NestflowRuntimeException, match="directory") as caught:
            p.run()
        assert "in write at" in place_of(caught.value)
        assert [(path.name, path.is_dir()) for path in sorted(mine.iterdir())] == [
            ("home", True),
            ("precious", False),
        ]
        assert (mine / "precious").read_text() == "1"


@pytest.mark.parametrize("part", [-1, 2, 10**30, "x", None, 0.5])
def test_partition_function_out_of_range(p: nf.Pipeline, tmp_path: Path, part: Any) -> None:
    target = nf.output.TextFile(str(tmp_path / "out")).partition(2, lambda x, n: part)
    p.write(p.parallelize(["the record"]), target)
    with pytest.raises(errors.InvalidDataException) as caught:
        p.run()
    assert f"returned {part!r} for the record 'the record'" in str(caught.value)
    assert "in write at" in place_of(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_process_that_dies(p: nf.Pipeline) -> None:
    embedded = on_spark.HOST == "embedded"
    if embedded or p.parallelize([0]).map(lambda x: os.getpid()).get() == [os.getpid()]:
        pytest.skip("it would end the tests")
    with pytest.raises(errors.NestflowRuntimeException):
        p.parallelize([1]).map(lambda x: os._exit(3)).get()
    assert p.parallelize([1]).map(lambda x: x + 1).get() == [2]


def test_exit_in_a_function(p: nf.Pipeline) -> None:
    def leave(x: int) -> int:
        raise SystemExit(3)

    with pytest.raises((SystemExit, errors.NestflowRuntimeException)):
        p.parallelize([1]).map(leave).get()
    assert p.parallelize([1]).map(lambda x: x + 1).get() == [2]


def test_error_of_a_key_in_an_inner_group(p: nf.Pipeline) -> None:
    nested = p.parallelize({"a": {"x": [1, 0]}, "b": {"y": [2]}})
    with pytest.raises(ZeroDivisionError) as caught:
        nested.apply_values(lambda t: t.apply_values(lambda v: v.map(inverse).sum())).get()
    assert "map(inverse)" in place_of(caught.value)
