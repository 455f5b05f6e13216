"""What runs when: pending work, kept results, failures; what the user catches."""

from __future__ import annotations

import os
import sys

import fake_native
import pytest

import nestflow as nf
from nestflow.engine.failure import rebuilt
from nestflow.engine.progress import display
from nestflow.errors import (
    BigflowPlanningException,
    BigflowRuntimeException,
    InvalidDataException,
    RemoteTraceback,
)


@pytest.fixture
def runs():
    fake_native.plans.clear()
    return fake_native.plans


def test_nothing_to_do_runs_nothing(p, runs):
    p.parallelize([1]).map(abs)
    p.run()
    assert runs == []


def test_results_are_kept(p, runs):
    numbers = p.parallelize([1, 2])
    assert numbers.get() == numbers.get() == [1, 2]
    assert len(runs) == 1
    assert numbers.map(abs).get() == [1, 2]
    assert [m.node for m in runs[1].materialized] == [numbers.node()]


def test_results_are_fresh_objects(p):
    lists = p.parallelize([[1]])
    lists.get()[0].append(2)
    assert lists.get() == [[1]]


def test_kept_results_outlive_their_source(p, tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("a\nb\n")
    lines = p.read(nf.TextFile(path))
    assert lines.cache() is lines
    p.run()
    path.unlink()
    assert lines.get() == ["a", "b"]
    assert lines.count().get() == 2
    with pytest.raises(BigflowRuntimeException, match="no such file"):
        p.read(nf.TextFile(path)).get()


def test_several_cached_are_one_run(p, runs):
    numbers = p.parallelize([1, 2])
    all_ = [numbers.count().cache(), numbers.sum().cache(), numbers.group_by(abs).cache()]
    p.run()
    assert [dataset.get() for dataset in all_] == [2, 3, {1: [1], 2: [2]}]
    assert len(runs) == 1


def test_get_runs_what_is_pending_once(p, runs, tmp_path):
    numbers = p.parallelize([1, 2])
    p.write(numbers, nf.output.TextFile(str(tmp_path / "out") + "/"))
    numbers.foreach(lambda x: None)
    marked = numbers.count().cache()
    assert numbers.sum().get() == 3
    assert (tmp_path / "out" / "part-00000").read_text() == "1\n2\n"
    assert marked.get() == 2
    p.run()
    assert [len(plan.targets) for plan in runs] == [4]


def test_a_failed_run_changes_nothing(p, tmp_path):
    source = tmp_path / "in.txt"
    lines = p.read(nf.TextFile(source))
    p.write(lines, nf.output.TextFile(str(tmp_path / "out")))
    kept = p.parallelize([1]).cache()
    for _ in range(2):
        with pytest.raises(BigflowRuntimeException):
            p.run()
    assert p._held == {} and not (tmp_path / "out").exists()
    source.write_text("x\n")
    p.run()
    assert (tmp_path / "out" / "part-00000").read_text() == "x\n"
    assert kept.get() == [1]


def test_a_failed_get_is_not_tried_again_by_others(p):
    numbers = p.parallelize([0])
    with pytest.raises(ZeroDivisionError):
        numbers.map(lambda x: 1 // x).get()
    assert numbers.count().get() == 1


def test_one_dataset_as_object_and_collection(p, runs):
    total = p.parallelize([1, 2]).sum()
    assert total.get() == 3 and total.as_pcollection().get() == [3]
    assert len(runs) == 1


def test_hooks_are_called_once(p):
    seen = []
    p._set_before_run_hook("b", lambda: seen.append("b"))
    p._set_before_run_hook("a", lambda: seen.append("a"))
    p._set_after_run_hook("c", lambda: seen.append("c"))
    p.parallelize(1).get()
    p.parallelize(2).get()
    assert seen == ["a", "b", "c"]
    with pytest.raises(BigflowPlanningException):
        p._set_after_run_hook("c", 3)


def test_a_failed_run_keeps_its_hooks(p):
    seen = []
    p._set_before_run_hook("a", lambda: seen.append("a"))
    p._set_after_run_hook("c", lambda: seen.append("c"))
    first = []
    broken = p.parallelize([1]).map(lambda x: first.append(x) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broken.get()
    assert seen == ["a"]
    p.parallelize(1).get()
    p.parallelize(2).get()
    assert seen == ["a", "a", "c"]


@pytest.mark.parametrize("used", [True, False])
def test_close(p, used):
    with p:
        if used:
            p.parallelize(1).get()
    p.close()
    with pytest.raises(BigflowRuntimeException, match="closed"):
        p.parallelize(1).get()


def test_written_tables(p, tmp_path):
    table = p.parallelize({"a": {"x": [3, 1]}, "b": {"y": [2]}})
    out = nf.output.TextFile(str(tmp_path / "t"), record_delimiter=None).sort(reverse=True)
    p.write(table, out)
    table.apply_values(lambda t: p.write(t, nf.output.TextFile(str(tmp_path / "u")).sort()) or t)
    p.write(p.parallelize(5), nf.output.TextFile(str(tmp_path / "o")))
    parts = nf.output.TextFile(str(tmp_path / "p")).partition(2, lambda x, n: x % n).sort_by(lambda x: -x)
    p.write(table, parts)
    p.run()
    assert (tmp_path / "t" / "part-00000").read_text() == "321"
    assert (tmp_path / "u" / "part-00000").read_text() == "1\n2\n3\n"
    assert (tmp_path / "o" / "part-00000").read_text() == "5\n"
    assert [(tmp_path / "p" / f"part-0000{i}").read_text() for i in (0, 1)] == ["2\n", "3\n1\n"]


def test_bytes_of_text_survive(p, tmp_path):
    (tmp_path / "in").write_bytes(b"\xff\x00a\r\nb")
    assert p.read(nf.TextFile(str(tmp_path / "in"), encoding=None)).get() == [b"\xff\x00a", b"b"]
    [first, _] = p.read(nf.TextFile(str(tmp_path / "in"))).get()
    assert first.encode("utf-8", "surrogateescape") == b"\xff\x00a"


def test_sources_of_the_users_own(p):
    class Numbers(nf.input.UserInputBase):
        def split(self):
            return ["1", "2"]

        def load(self, split):
            return [int(split)] * 2

    class Named(Numbers):
        def post_process(self, table):
            return table.apply_values(lambda v: v.sum())

    assert p.read(Numbers()).get() == [1, 1, 2, 2]
    assert p.read(nf.input.user_define_format(Named())).get() == {"1": 2, "2": 4}
    with pytest.raises(ValueError):
        p.read(Numbers)


def test_exceptions_of_users_arrive_as_their_own(p):
    class TooOld(Exception):
        def __init__(self, age, limit):
            super().__init__(age, limit)
            self.limit = limit

    def check(age):
        if age > 3:
            raise TooOld(age, 3)
        return age

    with pytest.raises(TooOld) as caught:
        p.parallelize([1, 5]).map(check).get()
    assert (caught.value.args, caught.value.limit) == ((5, 3), 3)


def test_exceptions_carry_their_place(p):
    line = sys._getframe().f_lineno + 1
    inverse = p.parallelize([4, 0]).map(lambda x: 1 / x)
    with pytest.raises(ZeroDivisionError) as caught:
        inverse.get()
    error = caught.value
    assert isinstance(error.__cause__, RemoteTraceback) and "1 / x" in str(error.__cause__)
    place = getattr(error, "__notes__", None) or str(error.__cause__).splitlines()
    assert any("map" in text and f"{os.path.basename(__file__)}:{line}" in text for text in place)
    assert "record: 0" in place
    assert error.orig_args == error.args and error.orig_message == "division by zero"


def test_exceptions_that_cannot_be_made_again():
    failure = {
        "kind": "user",
        "message": "m",
        "pickled": b"junk",
        "class": "Odd",
        "traceback": "t",
        "step": "s",
    }
    error, cause = rebuilt(failure)
    assert isinstance(error, BigflowRuntimeException)
    assert "Odd: m" in str(error) and "t" in str(cause)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("data", InvalidDataException),
        ("plan", BigflowPlanningException),
        ("io", BigflowRuntimeException),
        ("memory", BigflowRuntimeException),
        ("died", BigflowRuntimeException),
        ("internal", BigflowRuntimeException),
        ("interrupted", KeyboardInterrupt),
    ],
)
def test_kinds_of_failures(p, monkeypatch, kind, expected):
    module = sys.modules["nestflow._native"]

    def run(session, plan, progress):
        raise module.RunError({"kind": kind, "message": "why"})

    monkeypatch.setattr(module, "run", run)
    with pytest.raises(expected, match="why"):
        p.parallelize(1).get()


def test_progress():
    seen = []
    nf.Pipeline.create("local", progress=seen.append).parallelize(1).get()
    assert [(told["stage"], told["stages"]) for told in seen] == [(1, 1)]
    with display(None) as quiet:
        assert quiet is None


def test_progress_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("nestflow.engine.progress._PATIENCE", 0)
    with display(True) as show:
        show({"stage": 1, "stages": 2, "name": "map", "tasks_done": 1, "tasks": 4, "rows": 12345})
    shown = capsys.readouterr().err
    assert "stage 1/2 · map · 1/4 tasks · 12,345 rows" in shown and shown.endswith("\r")


def test_explain(p, runs):
    numbers = p.parallelize([1])
    assert fake_native.targets_in(numbers.explain()) == 1
    numbers.foreach(abs)
    numbers.count().cache()
    assert fake_native.targets_in(p.explain("stages")) == 2
    assert runs == []


def test_the_compiled_module_may_be_missing(p, monkeypatch):
    monkeypatch.setitem(sys.modules, "nestflow._native", None)
    monkeypatch.delattr(nf, "_native")
    lines = p.read(nf.TextFile("in"))
    with pytest.raises(BigflowRuntimeException, match="_native"):
        lines.get()
