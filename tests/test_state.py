"""What functions keep and leave beside their results: counters, hooks, lazy variables."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import cloudpickle
import pytest

import nestflow as nf
from nestflow import counter, errors, lazy_var, schema

if TYPE_CHECKING:
    from pathlib import Path

Create = Callable[..., nf.Pipeline]


@pytest.fixture(autouse=True)
def _counters() -> Iterator[None]:
    counter.reset_all()
    yield
    counter.reset_all()


def seen(x: Any) -> Any:
    """Counts itself."""
    counter.increase("seen")
    return x


def test_every_record_is_counted_once(p: nf.Pipeline) -> None:
    numbers = p.parallelize(list(range(20_000))).map(seen)
    assert numbers.filter(lambda x: x % 2).count().get() == 10_000
    assert counter.get("seen") == 20_000
    assert p.last_run["counters"] == {"seen": 20_000}


COUNTING: dict[str, tuple[Callable[[nf.PCollection], Any], int]] = {
    "flat_map": (lambda v: v.flat_map(lambda x: [seen(x)] * 3).count(), 6),
    "foreach": (lambda v: v.foreach(seen), 6),
    "group_by": (lambda v: v.group_by(seen), 6),
    "reduce": (lambda v: v.reduce(lambda a, b: seen(a) + b), 5),
    "accumulate": (lambda v: v.accumulate(0, lambda s, x: s + seen(x)), 6),
    "transform": (lambda v: v.transform(seen, lambda s, e, x: seen(s), lambda s, e: seen(s)), 8),
}


@pytest.mark.parametrize("name", COUNTING)
def test_every_kind_of_function_counts(p: nf.Pipeline, name: str) -> None:
    run, calls = COUNTING[name]
    result = run(p.parallelize([1, 2, 3, 4, 5, 6]))
    p.run() if result is None else result.get()
    assert counter.get("seen") == calls


def test_each_run_starts_with_what_was_captured(create: Create, tmp_path: Path) -> None:
    """What a function remembers is forgotten by another run or pipeline, and after a failure."""
    known: set[int] = set()
    flag = tmp_path / "tried"

    def is_new(x: int) -> bool:
        if x in known:
            return False
        known.add(x)
        return True

    def fails_once(x: int) -> int:
        if not flag.exists():
            flag.touch()
            raise OSError("the first time")
        return x

    p = create()
    kept = p.parallelize([1, 2]).filter(is_new)
    assert kept.count().get() == 2 and sorted(kept.get()) == [1, 2]
    assert sorted(p.parallelize([1, 3]).filter(is_new).get()) == [1, 3]
    assert create().parallelize([1, 2]).filter(is_new).count().get() == 2
    for _ in range(2):
        batches = p.parallelize([1, 2]).map_batches(
            lambda batch: [x for x in batch if is_new(x)], format="list"
        )
        assert sorted(batches.get()) == [1, 2]
    p.write(p.parallelize([1, 2]).filter(is_new), nf.output.TextFile(str(tmp_path / "new")))
    p.write(p.parallelize([7]).map(fails_once), nf.output.TextFile(str(tmp_path / "other")))
    with pytest.raises(OSError, match="the first time"):
        p.run()
    p.run()
    written = [line for part in (tmp_path / "new").glob("part-*") for line in part.read_text().split()]
    assert sorted(written) == ["1", "2"]
    assert not known


def test_each_run_starts_with_what_columns_captured(create: Create) -> None:
    """Functions that make columns without moving data, too; those that share an object still do."""
    seen: list[int] = []

    def number(x: Any) -> int:
        seen.append(x)
        return len(seen)

    p = create()
    records = p.parallelize([{"n": 7}])
    columns = schema.update(records, lambda c: {"a": c["n"].map(number), "b": c["n"].map(number)})
    for _ in range(2):
        # Something else each time: what is there already is not run again.
        assert columns.map(lambda x: sorted(x.items())).get() == [[("a", 1), ("b", 2), ("n", 7)]]
    others: dict[str, Callable[[nf.PObject], nf.PType]] = {
        "map_batches": lambda n: nf.transforms.map_batches(n, lambda batch: [number(x) for x in batch]),
        "combine": lambda n: n.as_pcollection().combine(lambda xs: number(xs[0])),
        "transform": lambda n: n.as_pcollection().transform(
            lambda e: None, lambda s, e, x: e.emit(number(x)), lambda s, e: None
        ),
    }
    for name, other in others.items():
        columns = schema.update(records, lambda c, other=other: {"a": other(c["n"])})
        for _ in range(2):
            assert columns.map(lambda x: x["a"]).get() == [1], name


def test_names_and_groups(p: nf.Pipeline) -> None:
    def count(x: int) -> None:
        counter.increase("plain", x)
        counter.increase(7, -x)
        counter.increase("mine|a b|c", 2)

    p.parallelize([1, 2]).foreach(count)
    p.run()
    assert (counter.get("plain"), counter._get("7"), counter.get(7)) == (3, -3, -3)
    assert (counter.get("a b|c", "mine"), counter.get("mine|a b|c"), counter.get("plain", "mine")) == (
        4,
        4,
        None,
    )
    assert counter.get_all() == {"plain": 3, "7": -3, "mine|a b|c": 4}
    assert counter._get_all(grouped=True) == {"Flume": {"plain": 3, "7": -3}, "mine": {"a b|c": 4}}
    assert counter.get_group_counter() == {"plain": 3, "7": -3}
    assert counter._get_group_counter("mine", "none") == {"mine": {"a b|c": 4}, "none": {}}
    assert counter._get_all() == {"Flume|plain": 3, "Flume|7": -3, "mine|a b|c": 4}


def test_totals_grow_until_they_are_reset(create: Create) -> None:
    for pipeline in (create(), create()):
        pipeline.parallelize([1, 2]).map(seen).get()
    assert counter.get("seen") == 4
    pipeline.reset_counter("seen")
    assert counter.get("seen") is None
    pipeline.parallelize([1]).map(seen).get()
    pipeline.reset_all_counters()
    assert counter.get_all() == {}


def test_a_run_that_fails_counts_nothing(p: nf.Pipeline) -> None:
    with pytest.raises(ZeroDivisionError):
        p.parallelize([1, 0]).map(seen).map(lambda x: 1 / x).get()
    assert counter.get("seen") is None


def test_what_is_kept_is_not_counted_again(p: nf.Pipeline) -> None:
    kept = p.parallelize([1, 2, 3]).map(seen).cache()
    assert kept.count().get() == 3
    assert kept.get() == [1, 2, 3]
    assert counter.get("seen") == 3


def test_threads_of_a_function_count(p: nf.Pipeline) -> None:
    def spread(x: int) -> int:
        threads = [threading.Thread(target=seen, args=(x,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return x

    p.parallelize([1, 2, 3]).map(spread).get()
    assert counter.get("seen") == 12


def test_counting_outside_of_functions(p: nf.Pipeline) -> None:
    with pytest.raises(errors.BigflowPlanningException, match="outside of a user function"):
        counter.increase("seen")
    with pytest.raises(ValueError, match="whole numbers"):
        p.parallelize([1]).map(lambda x: counter.increase("seen", 0.5)).get()
    with pytest.raises(errors.BigflowRuntimeException, match="user function"):
        p.parallelize([1]).map(lambda x: counter.reset_all()).get()


def test_a_pipeline_inside_a_function_counts_there(p: nf.Pipeline) -> None:
    def nested(x: int) -> int:
        inner = nf.Pipeline.create("local", host="in_process", threads=1, progress=False)
        with inner:
            return inner.parallelize([1, 2, 3]).map(seen).sum().get()

    assert p.parallelize([1, 2]).map(nested).get() == [6, 6]
    assert counter.get("seen") == 6


def appending(path: str, text: str) -> Callable[[], None]:
    """A hook that writes a line."""

    def hook() -> None:
        with open(path, "a") as file:
            file.write(f"{os.getpid()} {text}\n")

    return hook


def lines(path: Path) -> dict[str, list[str]]:
    """What hooks wrote, by process."""
    written: dict[str, list[str]] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        process, text = line.split()
        written.setdefault(process, []).append(text)
    return written


def test_init_hooks_in_the_order_of_their_names(create: Create, tmp_path: Path) -> None:
    path = tmp_path / "hooks"
    p = create()
    p.set_init_hook("1_b", appending(str(path), "b"))
    p.set_init_hook("0_a", appending(str(path), "replaced"))
    p.set_init_hook("0_a", appending(str(path), "a"))
    mine = lambda _: lines(path)[str(os.getpid())]  # noqa: E731
    assert p.parallelize([1]).map(mine).get() == [["a", "b"]]
    path.unlink()
    p.set_init_hook("2_c", appending(str(path), "c"))
    assert p.parallelize([1]).map(mine).get() == [["a", "b", "c"]]


def test_fini_hooks_end_the_processes(create: Create, tmp_path: Path) -> None:
    path = tmp_path / "hooks"
    p = create()
    p.set_fini_hook("1", appending(str(path), "last"))
    p.set_fini_hook("0", appending(str(path), "first"))
    assert p.parallelize([1]).map(lambda x: x).get() == [1]
    assert set(map(tuple, lines(path).values())) == {("first", "last")}


def test_hooks_that_raise_fail_the_run(create: Create, tmp_path: Path) -> None:
    def fail() -> None:
        raise LookupError("not here")

    p = create()
    p.set_init_hook("first", fail)
    for _ in range(2):
        with pytest.raises(LookupError, match="not here") as caught:
            p.parallelize([1]).map(lambda x: x).get()
        if hasattr(caught.value, "__notes__"):
            assert "in init hook 'first'" in caught.value.__notes__
    p = create()
    p.set_fini_hook("last", fail)
    p.write(p.parallelize([1]).map(lambda x: x), nf.output.TextFile(str(tmp_path / "out")))
    with pytest.raises(LookupError, match="not here") as caught:
        p.run()
    if hasattr(caught.value, "__notes__"):
        assert "in fini hook 'last'" in caught.value.__notes__
    assert not (tmp_path / "out").exists()
    p.set_fini_hook("last", int)
    p.run()
    assert (tmp_path / "out").exists()


def test_a_hook_sees_what_was_bound_when_it_was_set(create: Create) -> None:
    value = ["then"]

    def hook() -> None:
        os.environ["NESTFLOW_TEST_HOOK"] = value[0]

    p = create()
    p.set_init_hook("x", hook)
    value[0] = "now"
    try:
        assert p.parallelize([1]).map(lambda x: os.environ["NESTFLOW_TEST_HOOK"]).get() == ["then"]
    finally:
        os.environ.pop("NESTFLOW_TEST_HOOK", None)


def test_lazy_variables_are_made_once_in_each_process(p: nf.Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "made"

    def make() -> dict[int, str]:
        appending(str(path), "made")()
        return {x: str(x) for x in range(100)}

    names = lazy_var.declare(make)
    numbers = p.parallelize(list(range(100)))
    for _ in range(2):
        got = numbers.map(lambda x: names.get()[x]).filter(lambda x: names.get()[int(x)] == x)
        assert got.get() == [str(x) for x in range(100)]
    assert set(map(tuple, lines(path).values())) == {("made",)}


def test_lazy_variables_may_be_none_and_are_not_pickled() -> None:
    calls: list[int] = []
    nothing = lazy_var.declare(lambda: calls.append(1))
    assert (nothing.get(), nothing.get(), len(calls)) == (None, None, 1)
    assert pickle.loads(cloudpickle.dumps(nothing)) is nothing
    for wrong in (3, len, lambda x: x, lambda x, y=1: x):
        with pytest.raises(ValueError, match="function without arguments"):
            lazy_var.declare(wrong)  # type: ignore[arg-type]
    assert lazy_var.declare(lambda x=4: x).get() == 4
    assert lazy_var.declare(dict).get() == {}
