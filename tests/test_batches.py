"""Functions that see many records at a time: `map_batches`."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import on_spark
import pytest

import nestflow as nf
from nestflow import transforms as T

if TYPE_CHECKING:
    from pathlib import Path

Create = Callable[..., nf.Pipeline]


def doubled(batch: list[int]) -> list[int]:
    """Doubles each number."""
    return [2 * x for x in batch]


def test_order_and_sizes(p: nf.Pipeline) -> None:
    numbers = p.parallelize(list(range(5000)))
    assert numbers.map_batches(doubled).get() == [2 * x for x in range(5000)]
    sizes = numbers.map_batches(lambda batch: [len(batch)], batch_size=300).get()
    assert sum(sizes) == 5000
    assert max(sizes) == 300
    assert numbers.filter(lambda x: x < 0).map_batches(lambda batch: 1 / 0).get() == []


def test_batches_of_any_length(p: nf.Pipeline) -> None:
    def some(batch: list[int]) -> Iterator[list[int]]:
        yield []
        for x in batch:
            if x % 2:
                yield [x] * x

    assert p.parallelize([1, 2, 3]).map_batches(some).get() == [1, 3, 3, 3]
    assert p.parallelize([1, 2]).map_batches(lambda batch: []).get() == []


GROUPS = {"a": list(range(10)), "b": [7], "c": list(range(5))}


def test_batches_never_cross_groups(p: nf.Pipeline) -> None:
    table = p.parallelize(GROUPS)
    sizes = table.apply_values(T.map_batches, lambda batch: [len(batch)], batch_size=4).get()
    assert sizes == {"a": [4, 4, 2], "b": [1], "c": [4, 1]}
    sums = table.apply_values(lambda group: group.map_batches(lambda batch: [sum(batch)]).sum())
    assert sums.get() == {"a": 45, "b": 7, "c": 10}


def test_groups_that_get_no_records_stay(p: nf.Pipeline) -> None:
    def kept(group: nf.PCollection) -> nf.PObject:
        return group.filter(lambda x: x > 6).map_batches(doubled).count()

    assert p.parallelize(GROUPS).apply_values(kept).get() == {"a": 3, "b": 1, "c": 0}


def test_deeper_groups(p: nf.Pipeline) -> None:
    pairs = [(x % 3, (x % 2, x)) for x in range(60)]
    table = p.parallelize(pairs).group_by_key().apply_values(lambda group: group.group_by_key())
    counted = table.apply_values(lambda inner: inner.apply_values(T.map_batches, lambda batch: [len(batch)]))
    assert counted.get() == {k: {j: [10] for j in range(2)} for k in range(3)}


def test_side_inputs_and_setup(p: nf.Pipeline, tmp_path: Path) -> None:
    path = str(tmp_path / "made")

    def model() -> dict[str, int]:
        with open(path, "a") as file:
            file.write(f"{os.getpid()}\n")
        return {"factor": 10}

    def apply(batch: list[int], made: dict[str, int], offset: int) -> list[int]:
        return [made["factor"] * x + offset for x in batch]

    numbers, offset = p.parallelize(list(range(3000))), p.parallelize(5)
    for _ in range(2):
        got = numbers.map_batches(apply, offset, setup=model, batch_size=100).get()
        assert got == [10 * x + 5 for x in range(3000)]
    with open(path) as file:
        processes = file.read().split()
    assert len(processes) == len(set(processes))


def test_instances_are_shared_by_all_tasks(create: Create, tmp_path: Path) -> None:
    path = str(tmp_path / "made")

    def model() -> int:
        with open(path, "a") as file:
            file.write(f"{os.getpid()}\n")
        return os.getpid()

    def where(batch: list[int], made: int) -> list[int]:
        time.sleep(0.002)
        assert made == os.getpid()
        return [made] * len(batch)

    p = create()
    numbers = p.parallelize(list(range(4000)))
    executors = 2 if str(on_spark.MASTER).startswith("local-cluster") else 1
    for _ in range(2):
        got = numbers.map_batches(where, setup=model, instances=1, batch_size=50).get()
        assert len(got) == 4000
        with open(path) as file:
            assert {str(process) for process in got} == set(file.read().split())
        assert len(set(got)) <= executors


def test_setup_runs_on_a_thread_of_its_own(p: nf.Pipeline) -> None:
    def model() -> tuple[str, bool]:
        thread = threading.current_thread()
        return thread.name, thread.daemon

    def apply(batch: list[int], made: tuple[str, bool]) -> list[tuple[str, bool, str]]:
        return [(*made, threading.current_thread().name)]

    [(name, daemon, other)] = p.parallelize([1]).map_batches(apply, setup=model).get()
    assert (name, daemon) == ("nestflow-setup", True)
    assert other != name


def test_setup_that_raises(p: nf.Pipeline) -> None:
    def model() -> None:
        raise LookupError("no weights")

    for _ in range(2):
        with pytest.raises(LookupError, match="no weights"):
            p.parallelize([1]).map_batches(lambda batch, made: batch, setup=model).get()


def running(batches: Iterator[list[int]]) -> Iterator[list[int]]:
    """Gives the sums so far, and at the end a mark."""
    total = 0
    for batch in batches:
        total += sum(batch)
        yield [total]
        yield []
    yield [-1]


def test_iterators_of_batches(p: nf.Pipeline) -> None:
    table = p.parallelize({"a": [1, 2, 3, 4, 5], "b": [10]})
    got = table.apply_values(T.map_batches, running, iterator=True, batch_size=2).get()
    assert got == {"a": [3, 10, 15, -1], "b": [10, -1]}
    whole = p.parallelize(list(range(4000))).map_batches(running, iterator=True).get()
    assert whole.count(-1) >= 1


def test_iterators_that_stop_early_or_fail(p: nf.Pipeline) -> None:
    def first(batches: Iterator[list[int]]) -> Iterator[list[int]]:
        yield next(batches)

    def fail(batches: Iterator[list[int]]) -> Iterator[list[int]]:
        for batch in batches:
            yield [1 // x for x in batch]

    table = p.parallelize({"a": [1, 2, 3], "b": [10]})
    got = table.apply_values(T.map_batches, first, iterator=True, batch_size=1).get()
    assert got == {"a": [1], "b": [10]}
    with pytest.raises(ZeroDivisionError) as caught:
        p.parallelize([1, 0]).map_batches(fail, iterator=True).get()
    assert "1 // x" in str(caught.value.__cause__)


def test_errors_show_the_batch(p: nf.Pipeline) -> None:
    with pytest.raises(TypeError) as caught:
        p.parallelize([1, "x"]).map_batches(sum).get()
    if hasattr(caught.value, "__notes__"):
        assert "record: [1, 'x']" in caught.value.__notes__
        assert "map_batches(sum) at" in caught.value.__notes__[0]
    with pytest.raises(TypeError, match="has to return a list"):
        p.parallelize([1]).map_batches(lambda batch: 1).get()


def test_wrong_arguments(p: nf.Pipeline) -> None:
    numbers = p.parallelize([1])
    for wrong in (
        {"format": "xml"},
        {"batch_size": 0},
        {"batch_size": "x"},
        {"batch_size": (1, 2, 3)},
        {"instances": 0},
    ):
        with pytest.raises(ValueError, match=r"map_batches|batch_size"):
            numbers.map_batches(doubled, **wrong)
    with pytest.raises(ValueError, match="callable"):
        numbers.map_batches(None)  # type: ignore[arg-type]


def test_batches_are_bounded_by_bytes(p: nf.Pipeline) -> None:
    images = p.parallelize([bytes([x]) * (1 << 20) for x in range(24)])
    sizes = images.map_batches(lambda batch: [sum(map(len, batch))], batch_size=(100, "4MB")).get()
    assert sum(sizes) == 24 << 20
    assert max(sizes) <= 5 << 20


def numbers_of(batch: Any) -> Any:
    """The same batch, and that it is not a list."""
    assert not isinstance(batch, list)
    return batch


RECORDS: dict[str, list[Any]] = {
    "ints": [1, 2, -(2**40)],
    "floats": [0.5, float("inf"), -0.0],
    "texts": ["a", "", "é"],
    "dicts": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
    "bools": [True, False],
}


@pytest.mark.parametrize("library", ["numpy", "pyarrow", "pandas"])
def test_formats_give_back_what_they_got(p: nf.Pipeline, library: str) -> None:
    pytest.importorskip(library)
    form = library.removeprefix("py")
    for records in RECORDS.values():
        got = p.parallelize(records).map_batches(numbers_of, format=form).get()
        assert got == records
        assert list(map(type, got)) == list(map(type, records))


def test_numpy_batches(p: nf.Pipeline) -> None:
    numpy = pytest.importorskip("numpy")
    assert p.parallelize([1, 2, 3]).map_batches(lambda a: a * 2 + 0.5, format="numpy").get() == [
        2.5,
        4.5,
        6.5,
    ]
    pairs = p.parallelize([(1, "a"), (2, "b")])
    assert pairs.map_batches(lambda ab: (ab[1], ab[0] * 3), format="numpy").get() == [("a", 3), ("b", 6)]
    vectors = p.parallelize([numpy.arange(4, dtype="float32") + x for x in range(3)])
    norms = vectors.map_batches(lambda m: (m * m).sum(axis=1), format="numpy").get()
    assert norms == [14.0, 30.0, 54.0]
    rows = vectors.map_batches(lambda m: m + 1, format="numpy").get()
    assert [row.dtype.name for row in rows] == ["float32"] * 3
    ragged = p.parallelize([[1], [2, 3]]).map_batches(lambda a: a, format="numpy").get()
    assert ragged == [[1], [2, 3]]
    times = p.parallelize([0, 1]).map_batches(lambda a: a.astype("datetime64[ns]"), format="numpy").get()
    assert times == [numpy.datetime64(0, "ns"), numpy.datetime64(1, "ns")]


def test_arrow_and_pandas_batches(p: nf.Pipeline) -> None:
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    people = p.parallelize([{"n": "x", "age": 3}, {"n": "y", "age": 5}])
    assert people.map_batches(lambda b: b.column("age"), format="arrow").get() == [3, 5]
    older = people.map_batches(lambda b: b.assign(age=b.age + 1), format="pandas").get()
    assert older == [{"n": "x", "age": 4}, {"n": "y", "age": 6}]
    stamps = [pandas.Timestamp(123456789), pandas.NaT]
    got = p.parallelize(stamps).map_batches(lambda s: s, format="pandas").get()
    assert got[0] == stamps[0]
    assert got[0].nanosecond == 789
    assert got[1] is pandas.NaT


def test_a_library_that_is_missing() -> None:
    def without(batch: Any) -> Any:
        return batch

    def setup() -> None:
        import sys

        sys.modules["pyarrow"] = None  # type: ignore[assignment]

    # A process of its own, so that nobody else misses it.
    lonely = nf.Pipeline.create("local", host="workers", threads=1, progress=False)
    with lonely:
        lonely.set_init_hook("without", setup)
        with pytest.raises(ModuleNotFoundError, match="needs pyarrow"):
            lonely.parallelize([1]).map_batches(without, format="arrow").get()


LOSSY = [
    [1, "a"],
    ["a\0", "b"],
    [b"a\0", b"b"],
    [2**53 + 1, 0.5],
    [2**63, -1],
    [True, 2],
    [1, None],
    [(1,), (2, 3)],
    [[1], [2, 3]],
]


@pytest.mark.parametrize("records", LOSSY, ids=repr)
@pytest.mark.parametrize("form", ["numpy", "pandas"])
def test_what_a_column_cannot_hold_stays_an_object(form: str, records: list[Any]) -> None:
    pytest.importorskip(form)
    p = nf.Pipeline.create("local", host="in_process", progress=False)
    got = p.parallelize(records).map_batches(lambda batch: batch, format=form).get()
    assert got == records
    assert list(map(type, got)) == list(map(type, records))


UTC = dt.timezone.utc
KEPT_BY_ARROW: list[list[Any]] = [
    [1, None],
    ["a\0", "b"],
    [0.5, 2**53],
    [{"a": {"b": [1, None]}}, {"a": None}],
    [dt.datetime(2020, 1, 1, tzinfo=UTC), dt.datetime(2020, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))],
    [decimal.Decimal("1.10"), None, decimal.Decimal("1.1")],
    [[1], [2, 3]],
    [math.nan, 1],
]
REFUSED_BY_ARROW: list[list[Any]] = [
    [1, "a"],
    ["a", b"a"],
    [1.5, True],
    [True, 2],
    [2**53 + 1, 0.5],
    [2**63, -1],
    [2**64],
    [dt.date(2020, 1, 1), dt.datetime(2020, 1, 1, 5)],
    [{"a": {"b": 1}}, {"a": {"c": 2}}],
    [{1, 2}],
    [[1], ["a"]],
    ["\udc80"],
    [1j],
]


@pytest.mark.parametrize("records", KEPT_BY_ARROW, ids=repr)
def test_what_arrow_holds_comes_back_equal(records: list[Any]) -> None:
    pytest.importorskip("pyarrow")
    p = nf.Pipeline.create("local", host="in_process", progress=False)
    got = p.parallelize(records).map_batches(lambda batch: batch, format="arrow").get()
    assert got == records or [repr(value) for value in got] == [repr(float(value)) for value in records]


@pytest.mark.parametrize("records", REFUSED_BY_ARROW, ids=ascii)
def test_what_arrow_would_change_is_refused(records: list[Any]) -> None:
    pytest.importorskip("pyarrow")
    p = nf.Pipeline.create("local", host="in_process", progress=False)
    with pytest.raises(ValueError, match=r"cannot make a column of the .*format='list' takes any"):
        p.parallelize(records).map_batches(lambda batch: batch, format="arrow").get()


def test_tuples_and_arrays_are_lists_in_arrow() -> None:
    pytest.importorskip("pyarrow")
    numpy = pytest.importorskip("numpy")
    p = nf.Pipeline.create("local", host="in_process", progress=False)
    records = [(1, 2), (3,)]
    assert p.parallelize(records).map_batches(lambda b: b, format="arrow").get() == [[1, 2], [3]]
    vectors = [numpy.arange(3, dtype="float32"), numpy.ones(2, "float32")]
    assert p.parallelize(vectors).map_batches(lambda b: b, format="arrow").get() == [[0, 1, 2], [1, 1]]


@pytest.mark.parametrize("form", ["numpy", "pandas", "pyarrow"])
def test_records_with_other_fields_are_refused(form: str) -> None:
    pytest.importorskip(form)
    name = "arrow" if form == "pyarrow" else form
    p = nf.Pipeline.create("local", host="in_process", progress=False)
    for records in ([{"a": 1}, {"a": 2, "b": 3}], [{"a": 1}, 2], [{}]):
        with pytest.raises(ValueError, match="needs the same fields in all records"):
            p.parallelize(records).map_batches(lambda batch: batch, format=name).get()
