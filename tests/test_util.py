"""What programs find beside the datasets: small functions, test cases, exceptions, members of pipelines."""

from __future__ import annotations

import os
import pickle
import unittest
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pytest
from conftest import ENGINES

import nestflow as nf
from nestflow import counter, error, lazy_var, udf
from nestflow import transforms as T
from nestflow.test import magic
from nestflow.test.test_base import PipelineBasedTest, run_mode
from nestflow.transform_impls.sort import ASC, DESC
from nestflow.util import broadcast, decorators, log, path_util, utils

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Thing:
    """An object with a field."""

    def __init__(self, n: int) -> None:
        self.n = n


class Pair(NamedTuple):
    """A tuple with names."""

    name: str
    n: Any


def test_directions(p: nf.Pipeline) -> None:
    rows = p.parallelize([(1, "b"), (0, "a"), (1, "a"), (0, "b")])
    assert rows.sort_by(lambda r: (ASC(r[0]), DESC(r[1]))).get() == [(0, "b"), (0, "a"), (1, "b"), (1, "a")]
    assert rows.sort_by(lambda r: (ASC(r[0]), r[1]), reverse=True).get() == [
        (0, "b"),
        (0, "a"),
        (1, "b"),
        (1, "a"),
    ]
    assert rows.sort(reverse=DESC).get()[0] == (1, "b")
    assert (ASC(3).key, ASC(3).reverse, DESC(3).reverse) == (3, False, True)


def test_broadcast(p: nf.Pipeline) -> None:
    outer, table = p.parallelize({"x": 1, "y": 2}), p.parallelize({"a": [5], "b": [6, 7]})
    nested = p.parallelize({"x": {1: [2, 3]}})

    def lifted(values: nf.PCollection) -> Any:
        here = broadcast.working_scope(values)
        assert not broadcast.is_same_working_scope(outer, values)
        assert broadcast.is_same_working_scope(values, values.count())
        deep = broadcast.broadcast_to(nested, here).apply_values(lambda t: t.apply_values(T.count))
        objects = broadcast.broadcast_to(outer, here).apply_values(lambda o: o + 1)
        return T.to_pobject(objects).map(lambda d, e: (d, e), T.to_pobject(deep))

    expected = ({"x": 2, "y": 3}, {"x": {1: 2}})
    assert table.apply_values(lifted).get() == {"a": expected, "b": expected}
    assert broadcast.is_same_working_scope(outer, 3)
    with pytest.raises(ValueError):
        broadcast.broadcast_to(3, 0)


def test_what_things_are(p: nf.Pipeline) -> None:
    table = p.parallelize({"a": {"b": [1]}})
    assert utils.is_ptype(table)
    assert not utils.is_ptype({})
    assert not utils.is_infinite(table)
    assert utils.detect_ptype(table) == utils.detect_ptype({"a": {"b": [1]}}) == (1, nf.PCollection)
    assert utils.detect_ptype(3) == (-1, nf.PObject)
    assert utils.detect_ptype({}) == (0, nf.PCollection)
    assert utils.flatten_runtime_value(table.get()) == [("a", "b", 1)]
    assert utils.flatten_runtime_value({"a": 3}) == [("a", 3)]
    nested = utils.flatten_runtime_value({"a": [(1, 2)], "b": {"c": [None]}})
    assert nested == [("a", (1, 2)), ("b", "c", None)]
    assert utils.flatten_runtime_value([1, [2]]) == [1, [2]]
    assert utils.flatten_runtime_value((1, 2)) == [(1, 2)]
    assert utils.construct(p, {"a": 1}).get() == {"a": 1}
    assert utils.construct(p, [1], serde=int).get() == [1]


def test_paths(tmp_path: Path) -> None:
    assert path_util.to_abs_local_path("x") == os.path.abspath("x")
    assert path_util.to_abs_local_path("s3a://x/y") == "s3a://x/y"
    assert path_util.is_hdfs_path("hdfs:///x")
    assert path_util.extract_namenode("hdfs://h:1/x") == "hdfs://h:1"
    assert path_util.extract_namenode("hdfs:///x") == "hdfs://"
    assert path_util.extract_namenode("/x") is None
    archives = [path_util.can_be_archive_path(name) for name in ("a.tgz", "a.gz", "a.jar", "a.qp")]
    assert archives == [True, False, True, True]
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "file").touch()
    for name in ("folder", "file", "nothing"):
        path_util.rm_rf(str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_decorators(caplog: pytest.LogCaptureFixture) -> None:
    made: list[int] = []

    @decorators.singleton
    def one() -> list[int]:
        made.append(1)
        return made

    assert one() is one()
    assert made == [1]
    with caplog.at_level("INFO", logger=log.logger.name):
        assert decorators.advance_logger()(one)() is made
    assert [record.getMessage() for record in caplog.records] == ["one begins", "one ends"]


def test_assertions_of_pipelines(p: nf.Pipeline) -> None:
    numbers = p.parallelize([1, 2, 2])
    magic.passert(numbers.count() == 3)
    magic.passert_eq([2, 1, 2], numbers)
    magic.passert_eq({"a": 1}, p.parallelize({"a": 1}))
    magic.passert_eq(p.parallelize(5), numbers.sum())
    magic.passert_eq(numbers.distinct(), [2, 1])
    magic.passert(True)
    magic.passert_eq([1], [1])
    p.run()
    assert magic._if(numbers.count() > 5, numbers, numbers.distinct()).count().get() == 2
    assert magic._if(numbers.count() > 2, p.parallelize("yes"), p.parallelize("no")).get() == "yes"
    pairs = p.parallelize([("a", 1), ("b", 2)])
    assert pairs.map(magic.col(0)).get() == ["a", "b"]
    assert magic.map_on(pairs, 1, str).get() == [("a", "1"), ("b", "2")]
    assert magic.map_on(pairs, magic.col(-1), str).get() == [("a", "1"), ("b", "2")]
    assert magic.map_on(p.parallelize([[1, 2]]), magic.col(0), str).get() == [["1", 2]]
    named = p.parallelize([{"n": 1}])
    assert magic.map_on(named, "n", str).map(magic.field("n")).get() == ["1"]
    assert magic.map_on(named, magic.field("n"), str).get() == [{"n": "1"}]
    objects = p.parallelize([Thing(1)])
    assert magic.map_on(objects, magic.field("n"), str).map(magic.field("n")).get() == ["1"]
    assert magic.map_on(p.parallelize([Pair("a", 1)]), magic.col(1), str).get() == [Pair("a", "1")]


def test_the_record_at_a_place(p: nf.Pipeline) -> None:
    letters = p.parallelize(["b", "a", "c"])
    assert [magic.at(letters, n).get() for n in range(3)] == ["b", "a", "c"]
    assert magic.at(letters.sort(reverse=True), letters.count() - 1).get() == "a"
    table = p.parallelize({1: ["x", "y"], 2: ["z", "w", "v"]})
    assert table.apply_values(magic.at, 1).get() == {1: "y", 2: "w"}
    for n in (3, p.parallelize(3)):
        with pytest.raises(IndexError):
            magic.at(letters, n).get()
    with pytest.raises(ValueError, match="whole number"):
        magic.at(letters, 1.5)


def test_assertions_fail_the_run() -> None:
    for now in (lambda: magic.passert(0), lambda: magic.passert_eq(1, 2)):
        with pytest.raises(AssertionError):
            now()
    for check in (
        lambda v: magic.passert(v.count() == 4),
        lambda v: magic.passert_eq(v, [1]),
        lambda v: magic.passert_eq([1], v),
        lambda v: magic.passert_eq(2, v.count(), "not two"),
    ):
        p = nf.Pipeline.create("local", host="in_process", progress=False)
        check(p.parallelize([1, 2, 2]))
        with pytest.raises(AssertionError):
            p.run()


def test_test_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sums(PipelineBasedTest):
        def test_right(self) -> None:
            self.passertEqual([2, 1], self._pipeline.parallelize([1, 2]))

        def test_wrong(self) -> None:
            self.passertEqual(4, self._pipeline.parallelize([1, 2]).sum())

        def test_kinds(self) -> None:
            p = self._pipeline
            self.passertTrue(p.parallelize([]).is_empty())
            self.passertEqual({"a": [2, 1]}, p.parallelize({"a": [1, 2]}))
            self.passertEqual([1, 2], p.parallelize([2, 1]).apply(T.to_list_pobject).map(sorted))
            with self.assertRaisesRegex(AssertionError, "order counts"):
                self.passertEqual([1, 2], p.parallelize([2, 1]).apply(T.to_list_pobject), "order counts")
            with self.assertRaises(AssertionError):
                self.passertEqual({"a": [2]}, p.parallelize({"a": [2, 2]}))
            with self.assertRaises(AssertionError):
                self.passertTrue(p.parallelize(1).not_())

        @run_mode(mode=["spark"])
        def test_elsewhere(self) -> None:
            raise AssertionError

        @run_mode(fs="hdfs")
        def test_on_hdfs(self) -> None:
            raise AssertionError

        @run_mode(mode="local", fs=["local", "hdfs"])
        def test_files(self) -> None:
            paths.append(self.generate_tmp_path())
            self._pipeline.write(self._pipeline.parallelize(["a"]), nf.output.TextFile(paths[0]))
            self._pipeline.run()
            self.assertTrue(os.path.isdir(paths[0]))

    class Configured(PipelineBasedTest):
        def setConfig(self, **options: Any) -> None:
            super().setConfig(job_name="mine", **options)

        def runTest(self) -> None:
            self.assertEqual({"job_name": "mine"}, self._pipeline.config())
            made.append(self._pipeline.parallelize([1]))
            self.setConfig(default_serde=nf.serde.CPickleSerde())
            self.assertIsInstance(self._pipeline.default_objector(), nf.serde.CPickleSerde)
            made.append(self._pipeline.parallelize([2, 1]))
            self.assertItemsEqual([1, 2], made[1].get())

    monkeypatch.chdir(tmp_path)
    paths: list[str] = []
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Sums).run(result)
    made: list[nf.PCollection] = []
    assert Configured().run().wasSuccessful()
    for dataset in made:
        with pytest.raises(error.BigflowRuntimeException, match="closed"):
            dataset.count().get()
    assert (result.testsRun, len(result.failures), result.errors, len(result.skipped)) == (6, 1, [], 2)
    assert os.listdir(".") == []
    assert paths


def test_test_cases_of_a_kind(engine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here, there = ("spark", "local") if "spark" in engine else ("local", "spark")

    class Sums(PipelineBasedTest):
        options: ClassVar = {"progress": False, **ENGINES[engine]}

        @run_mode(mode=here)
        def test_here(self) -> None:
            self.passertEqual(3, self._pipeline.parallelize([1, 2]).sum())
            path = self.generate_tmp_path()
            self._pipeline.write(self._pipeline.parallelize(["a"]), nf.output.TextFile(path))
            self._pipeline.run()
            self.assertTrue(self._pipeline._path_exists(path))

        @run_mode(mode=there)
        def test_elsewhere(self) -> None:
            raise AssertionError

    monkeypatch.setenv("NESTFLOW_TEST_PIPELINE", here)
    monkeypatch.chdir(tmp_path)
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Sums).run(result)
    assert (result.testsRun, result.failures, result.errors, len(result.skipped)) == (2, [], [], 1)
    assert os.listdir(".") == []


def _in_a_group(p: nf.Pipeline) -> None:
    def checked(v: nf.PCollection) -> nf.PCollection:
        magic.passert(v.filter(lambda x: x > 2).sum() == 3)
        return v

    p.parallelize({1: [2]}).apply_values(checked).cache()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p: magic.passert(p.parallelize([]).sum()),
        lambda p: magic.passert_eq(5, p.parallelize([]).sum()),
        lambda p: magic.passert_eq(p.parallelize([]).sum(), p.parallelize([1]).sum()),
        _in_a_group,
    ],
)
def test_a_value_that_is_missing_is_not_what_is_asserted(wrong: Callable[[nf.Pipeline], None]) -> None:
    p = nf.Pipeline.create("local")
    magic.passert_eq(p.parallelize([]).sum(), p.parallelize([]).max())
    p.run()
    wrong(p)
    with pytest.raises(AssertionError, match=r"no value|there is none"):
        p.run()


def test_emptied_groups_are_broadcast(p: nf.Pipeline) -> None:
    tables = {
        "flat": p.parallelize({1: [], 2: ["b"]}),
        "nested": p.parallelize({"x": {1: [], 2: ["b", "c"]}, "y": {}}),
    }

    counted = {"flat": T.count, "nested": lambda table: table.apply_values(T.count)}

    def inside(name: str) -> dict[str, Any]:
        def of(v: nf.PCollection) -> Any:
            moved = broadcast.broadcast_to(tables[name], broadcast.working_scope(v))
            return T.make_tuple(
                moved.extract_keys().apply(T.to_list_pobject),
                T.to_pobject(moved.apply_values(counted[name])),
            )

        keys, counts = p.parallelize({0: [0]}).apply_values(of).get()[0]
        return {"keys": sorted(keys), "counts": counts}

    assert inside("flat") == {"keys": [1, 2], "counts": {1: 0, 2: 1}}
    assert inside("nested") == {"keys": ["x", "y"], "counts": {"x": {1: 0, 2: 2}}}


def test_a_table_of_the_group_is_there_already(p: nf.Pipeline) -> None:
    def inside(v: nf.PCollection) -> Any:
        groups = v.group_by(lambda x: x % 2)
        assert broadcast.broadcast_to(groups, broadcast.working_scope(v)) is groups
        return broadcast.broadcast_to(groups, broadcast.working_scope(v)).apply_values(T.count).flatten()

    counts = p.parallelize({"a": [1, 3, 4]}).apply_values(inside).get()["a"]
    assert sorted(counts) == [(0, 1), (1, 2)]


def test_families_of_exceptions() -> None:
    families = {
        error.Error: [
            error.BigflowHDFSException,
            error.BigflowRuntimeException,
            error.BigflowPlanningException,
        ],
        error.BigflowRuntimeException: [error.InvalidDataException, error.InvalidConfException],
        error.BigflowPlanningException: [
            error.BigflowRPCException,
            error.InvalidLogicalPlanException,
            error.InvalidSeqSerdeException,
        ],
    }
    for parent, children in families.items():
        assert all(issubclass(child, parent) for child in children)
    names = ("HDFSException", "RuntimeException", "PlanningException", "RPCException")
    for name in names:
        assert getattr(error, f"Bigflow{name}") is getattr(error, f"Nestflow{name}")
    assert error.NestflowError is error.Error
    made = error.InvalidDataException("text", 3)
    assert (str(made), made.internal) == ("text", 3)
    for kind in (error.NestflowHDFSException, error.NestflowRPCException):
        assert str(pickle.loads(pickle.dumps(kind("why")))) == "why"


def test_members_of_pipelines(create: Callable[..., nf.Pipeline], engine: str) -> None:
    serde = nf.serde.of(int)
    p = create(default_serde=serde, job_name="x")
    assert p.config() == {"progress": False, **ENGINES[engine], "default_serde": serde, "job_name": "x"}
    assert p.default_objector() is serde
    numbers = p.parallelize([1, -2]).map(abs)
    assert numbers.serde() is serde
    assert p.estimate_concurrency is False
    assert repr(p) == f"{'SPARK' if 'spark' in engine else 'LOCAL'}: {p.id()}"
    with pytest.raises(error.BigflowRuntimeException):
        p.async_run()
    p._set_before_run_hook("pad", lambda: None)  # of engines that cut data up
    seen: list[str] = []
    numbers.foreach(abs)
    p._set_after_run_hook("after", lambda: seen.append("after"))
    assert len(p.plan(3).targets) == 1
    assert "map abs" in numbers.explain() and not seen
    p.run()
    assert seen == ["after"] and not p.plan().targets
    assert numbers.get() == [1, 2] and seen == ["after"]


def test_a_table_passed_on(p: nf.Pipeline) -> None:
    def largest(table: nf.PTable[Any, Any], least: int) -> nf.PTable[Any, Any]:
        return table.apply_values(lambda group: group.filter(lambda x: x >= least).max())

    table = p.parallelize([("a", 1), ("b", 5), ("a", 3)]).group_by_key()
    assert table.apply(largest, 2).get() == {"a": 3, "b": 5}


def _ten() -> int:
    return 10


def test_counters_and_lazy_variables(p: nf.Pipeline) -> None:
    ten = lazy_var.declare(_ten)
    assert isinstance(ten, lazy_var.LazyVar)

    def add(x: int) -> int:
        counter.increase("seen")
        return x + ten.get()

    counter.reset("seen")
    assert p.parallelize([1, 2]).map(add).get() == [11, 12]
    assert counter.get("seen") == 2
    p.reset_counter("seen")
    assert not counter.get("seen")


def test_files_of_pipelines(create: Callable[..., nf.Pipeline], tmp_path: Path) -> None:
    p = create()
    assert p.parallelize([tmp_path]).map(os.path.isdir).get() == [True]
    (tmp_path / "folder").mkdir()
    assert p._path_exists(str(tmp_path / "folder"))
    p._force_delete_file(str(tmp_path / "folder"))
    p._force_delete_file(str(tmp_path / "folder"))
    assert not p._path_exists(str(tmp_path / "folder"))


def test_transforms_with_their_arguments_first(p: nf.Pipeline) -> None:
    table = p.parallelize({"a": [1, 2], "b": [3]})
    assert table.apply_values(udf.map(lambda x: x + 1)).apply_values(udf.sum()).get() == {"a": 5, "b": 4}
    assert p.parallelize([3, 1]).apply(udf.take(1)).get() == [3]
    assert p.parallelize([3, 1, 2]).apply(udf.max_elements(1, key=lambda x: -x)).get() == [1]
    above = udf.filter(lambda x, least: x > least)
    assert p.parallelize([3, 1]).apply(above, p.parallelize(1), scale=0.5).get() == [3]
    with pytest.raises(AttributeError):
        udf.nothing  # noqa: B018


def test_what_is_absent() -> None:
    numbers = nf.Pipeline.create("local").parallelize([1])
    for refuse in (T.idl_to_str, T.str_to_idl):
        with pytest.raises(NotImplementedError):
            numbers.apply(refuse, log_type="log_text")
    with pytest.raises(NotImplementedError, match="group_by a time"):
        T.window_into(numbers, 5)


def test_subtract_misspelt(p: nf.Pipeline) -> None:
    left, right = p.parallelize([1, 1, 2]), p.parallelize([2])
    with pytest.warns(DeprecationWarning, match="spelt subtract"):
        assert left.substract(right).get() == [1, 1]
    with pytest.warns(DeprecationWarning):
        assert T.substract(left, right).count().get() == 2


def test_members_of_objects(p: nf.Pipeline) -> None:
    three = p.parallelize(3)
    assert three.apply(lambda o, n: o + n, 4).get() == 7
    assert "literal" in three.explain()
    assert three.node() != p.parallelize(3).node()


def test_sequence_files_in_order(p: nf.Pipeline, tmp_path: Path) -> None:
    path = str(tmp_path / "out")
    p.write(p.parallelize([3, 1, 2]), nf.output.SequenceFile(path).partition(1).sort(reverse=True))
    p.run()
    assert p.read(nf.input.SequenceFile(path)).get() == [3, 2, 1]


def test_size_of_a_source() -> None:
    assert nf.input.UserInputBase().get_size() == -1
