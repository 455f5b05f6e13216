"""Defects of Bigflow that are mended here: a test for each, on every engine, named after it."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest

import nestflow as nf
from nestflow import schema, serde
from nestflow import transforms as T

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS: dict[str, Any] = {
    "serde": serde.any(),
    "scale": 0.5,
    "output_size": 10,
    "memory_limit": 1,
    "cpu_limit": 1,
    "transformer_serde": serde.any(),
}


def test_options_crash_first_max_min_sum_extract_keys_flatten_values(p: nf.Pipeline) -> None:
    numbers, table = p.parallelize([3, 1, 2]), p.parallelize({"a": [1], "b": [1]})
    assert T.first(numbers, **OPTIONS).get() == 3
    assert T.max(numbers, **OPTIONS).get() == 3
    assert T.min(numbers, **OPTIONS).get() == 1
    assert T.sum(numbers, **OPTIONS).get() == 6
    assert sorted(T.extract_keys(table, **OPTIONS).get()) == ["a", "b"]
    assert T.flatten_values(table, **OPTIONS).get() == [1, 1]


def test_take_and_max_elements_fail_with_output_size(p: nf.Pipeline) -> None:
    numbers = p.parallelize([3, 1, 2])
    assert numbers.take(2, **OPTIONS).get() == [3, 1]
    assert numbers.max_elements(2, **OPTIONS).get() == [3, 2]


def test_cartesian_and_joins_conflict_with_a_serde(p: nf.Pipeline) -> None:
    pairs = p.parallelize([("a", 1)])
    assert pairs.cartesian(pairs, **OPTIONS).get() == [(("a", 1), ("a", 1))]
    assert pairs.join(pairs, **OPTIONS).get() == [("a", (1, 1))]


def test_max_as_a_method_drops_options(p: nf.Pipeline) -> None:
    records = p.parallelize(["3", "1"])
    with pytest.raises(nf.errors.InvalidDataException, match="does not fit the value '3'"):
        records.max(serde=int).get()
    assert records.max(key=lambda x: -int(x), **OPTIONS).get() == "1"


def test_sort_of_texts_descending_has_prefixes_first(p: nf.Pipeline) -> None:
    words = p.parallelize(["a", "aa", "", "ab", "b"])
    assert words.sort(reverse=True).get() == ["b", "ab", "aa", "a", ""]
    assert words.sort_by(lambda w: (w, 1), reverse=True).get() == ["b", "ab", "aa", "a", ""]


def test_parallelize_of_an_empty_dict_is_an_index_error(p: nf.Pipeline) -> None:
    table = p.parallelize({})
    assert table.get() == {}
    assert table.apply_values(T.count).flatten().get() == []


def test_max_elements_of_a_wrong_n_is_an_unbound_local_error(p: nf.Pipeline) -> None:
    for wrong in ("2", None, 1.5, [1]):
        for call in (T.max_elements, T.min_elements, T.take):
            with pytest.raises(ValueError, match="whole number"):
                call(p.parallelize([1]), wrong)


def test_full_join_with_merge_loses_the_keys_of_the_right_side(p: nf.Pipeline) -> None:
    left = p.parallelize([{"k": 1, "a": 1}]).as_schema(["k", "a"])
    right = p.parallelize([{"k": 2, "b": 2}]).as_schema(["k", "b"])
    merged = schema.full_join(left, right, fields="k", merge=True)
    assert sorted(merged.get(), key=str) == [{"k": 1, "a": 1, "b": None}, {"k": 2, "a": None, "b": 2}]


def test_cogroup_loses_the_keys_of_a_side_that_is_not_used(p: nf.Pipeline) -> None:
    left, right = p.parallelize([("a", 1)]), p.parallelize([("b", 2), ("a", 3)])
    assert left.cogroup(right).apply_values(lambda a, b: a.count()).get() == {"a": 1, "b": 0}
    assert sorted(left.cogroup(right).apply_values(lambda a, b: a).extract_keys().get()) == ["a", "b"]


def test_emptied_groups_vanish_where_partial_steps_come_first(p: nf.Pipeline) -> None:
    """The case whose test is disabled in the original: counts of zero of a cogroup."""
    left = p.parallelize([(9, 1), (8, 1), (4, 1), (4, 2), (7, -1), (17, -1)])
    kept = left.cogroup(left).apply_values(lambda a, b: a.filter(lambda x: x > 0).count())
    assert kept.get() == {9: 1, 8: 1, 4: 2, 7: 0, 17: 0}
    sums = p.parallelize({0: [1, -1], 1: [5]}).apply_values(lambda v: v.filter(lambda x: x > 1).count())
    assert sums.get() == {0: 0, 1: 1}


def test_a_captured_outer_dataset_takes_the_grouping_away(p: nf.Pipeline) -> None:
    table, outer = p.parallelize({"a": [1, 2], "b": [3]}), p.parallelize([2, 3])
    assert table.apply_values(lambda v: v.intersection(outer)).get() == {"a": [2], "b": [3]}
    assert table.apply_values(lambda v: outer.count()).get() == {"a": 2, "b": 2}
    with pytest.raises(nf.errors.NestflowPlanningException, match="to_pobject"):
        table.apply_values(lambda v: v.map(lambda x, t: x, table))


def test_flatten_and_get_of_a_table_of_tuples_fail_obscurely(p: nf.Pipeline) -> None:
    pair = p.parallelize([("a", 1)])
    for table in (pair.cogroup(pair), p.parallelize({"a": [1]}).apply_values(lambda v: (v, v.count()))):
        for call in (table.flatten, table.get, table.cache, table.node, table.flatten_values):
            with pytest.raises(nf.error.BigflowPlanningException, match="are a tuple"):
                call()


class Copies(nf.base.Transformer):
    """Gives each record twice."""

    def process(self, record: Any) -> list[Any]:
        return [record, record]


def test_transform_takes_an_instance_but_not_the_class(p: nf.Pipeline) -> None:
    for walker in (Copies, Copies()):
        assert p.parallelize([1, 2]).transform(walker).get() == [1, 1, 2, 2]


def test_advance_logger_loses_the_result() -> None:
    from nestflow.util.decorators import advance_logger

    assert advance_logger("debug")(len)([1, 2]) == 2


def test_importing_future_fields_changes_operators() -> None:
    """Its two methods of collections are there without it."""
    code = (
        "import nestflow as nf; before = {k: dict(vars(k)) for k in (nf.PCollection, nf.PObject)}\n"
        "import nestflow.future.fields, nestflow.test.magic, nestflow.schema\n"
        "assert all(dict(vars(k)) == v for k, v in before.items())\n"
        "assert 'select' in before[nf.PCollection] and 'agg' in before[nf.PCollection]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def _words(_: Any) -> str:
    from nestflow.resources import resource

    with open(resource("some/words.txt")) as file:
        return file.read()


def test_add_file_drops_from_bytes(create: Any) -> None:
    p = create()
    p.add_file(b"words", "some/words.txt", from_bytes=True)
    assert p.parallelize([1]).map(_words).get() == ["words"]


def test_get_commiter_is_never_called(p: nf.Pipeline, tmp_path: Path) -> None:
    class Target(nf.output.UserOutputBase):
        committed = 0

        def sink(self, record: Any) -> None:
            (tmp_path / str(record)).touch()

        def get_commiter(self) -> Any:
            def commit() -> None:
                Target.committed += 1

            return commit

    p.write(p.parallelize([1, 2]), Target())
    p.run()
    p.run()
    assert sorted(os.listdir(tmp_path)) == ["1", "2"]
    assert Target.committed == 1


def test_nothing_warns_of_legacy_options(p: nf.Pipeline) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p.parallelize([1]).map(abs, size=1, debug_name="x", **OPTIONS)
