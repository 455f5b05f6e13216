"""Functions lifted into groups: what they see, what they may give, what is refused and how."""

from __future__ import annotations

import re
import sys

import fake_native
import pytest

import nestflow as nf
from nestflow import transforms as T
from nestflow.errors import BigflowPlanningException, InvalidDataException


@pytest.fixture
def table(p):
    return p.parallelize([("a", 1), ("a", 2), ("b", 3)]).group_by_key()


@pytest.fixture
def outer(p):
    return p.parallelize([2, 3])


def line() -> int:
    return sys._getframe(1).f_lineno


@pytest.mark.parametrize(
    ("lifted", "result"),
    [
        (lambda g, o: g.filter(lambda x, s: x in s, o), {"a": [2], "b": [3]}),
        (lambda g, o: g.union(o), {"a": [1, 2, 2, 3], "b": [3, 2, 3]}),
        (lambda g, o: o.union(g), {"a": [2, 3, 1, 2], "b": [2, 3, 3]}),
        (lambda g, o: g.subtract(o), {"a": [1]}),
        (lambda g, o: o.subtract(g), {"a": [3], "b": [2]}),
        (lambda g, o: g.take(o.count() - 1), {"a": [1], "b": [3]}),
        (lambda g, o: g.max_elements(o.count() - 1), {"a": [2], "b": [3]}),
        (lambda g, o: g.sum() + o.count(), {"a": 5, "b": 5}),
        (lambda g, o: o.count() + g.sum(), {"a": 5, "b": 5}),
        (lambda g, o: o, {"a": [2, 3], "b": [2, 3]}),
        (lambda g, o: o.map(lambda x: -x), {"a": [-2, -3], "b": [-2, -3]}),
        (lambda g, o: o.count(), {"a": 2, "b": 2}),
        (
            lambda g, o: g.map(lambda x: (x, x)).join(o.map(lambda x: (x, "o"))),
            {"a": [(2, (2, "o"))], "b": [(3, (3, "o"))]},
        ),
        (
            lambda g, o: g.map(lambda x, t: t[x % 2], o.group_by(lambda x: x % 2).apply(T.to_pobject)),
            {"a": [[3], [2]], "b": [[3]]},
        ),
        (
            lambda g, o: g.union(o.group_by(lambda x: x).flatten().map(lambda kv: kv[1])),
            {"a": [1, 2, 2, 3], "b": [3, 2, 3]},
        ),
        (lambda g, o: T.cartesian(g.sum(), o.first()), {"a": [(3, 2)], "b": [(3, 2)]}),
        (lambda g, o: T.make_tuple(g.sum(), o.first()), {"a": (3, 2), "b": (3, 2)}),
    ],
)  # fmt: skip
def test_outer_data_in_groups(table, outer, lifted, result):
    assert table.apply_values(lifted, outer).get() == result
    assert table.apply_values(lambda g: lifted(g, outer)).get() == result


def test_outer_data_two_levels_up(p, outer):
    table = p.parallelize({"a": {"x": [1, 2]}, "b": {"y": [3]}})
    limit = p.parallelize(1)
    result = table.apply_values(lambda t: t.apply_values(lambda v: v.union(outer).take(limit)))
    assert result.get() == {"a": {"x": [1]}, "b": {"y": [3]}}


def test_data_of_the_group_one_level_up(p):
    table = p.parallelize({"a": {"x": [1, 2], "y": [5]}})
    shares = table.apply_values(
        lambda t: t.apply_values(lambda v, all_: v.sum() / all_, t.flatten_values().sum())
    )
    assert shares.get() == {"a": {"x": 3 / 8, "y": 5 / 8}}


def test_one_import_for_each_scope(table, outer):
    table.apply_values(lambda g: g.union(outer, outer).subtract(outer)).get()
    plan = fake_native.plans[-1]
    assert [type(n.op).__name__ for n in plan.root.children[0].nodes].count("Import") == 1


def test_the_same_function_on_the_whole_and_in_groups(p, table):
    def stats(v):
        return T.make_tuple(v.count(), v.distinct().count(), v.sum())

    assert p.parallelize([1, 1]).apply(stats).get() == (2, 1, 2)
    assert table.apply_values(stats).get() == {"a": (2, 2, 3), "b": (1, 1, 3)}


def test_emptied_groups(table):
    def of(f):
        return table.apply_values(lambda g: f(g.filter(lambda x: x > 2))).get()

    assert of(T.count) == {"a": 0, "b": 1}
    assert of(T.sum) == {"b": 3}
    assert of(lambda g: g) == {"b": [3]}
    assert of(T.is_empty) == {"a": True, "b": False}
    assert of(T.to_list_pobject) == {"a": [], "b": [3]}
    assert of(lambda g: g.aggregate(0, lambda a, b: a + b, lambda a, b: a + b)) == {"a": 0, "b": 3}
    assert of(lambda g: g.combine(sum)) == {"a": 0, "b": 3}
    assert of(lambda g: g.take(g.sum())) == {"b": [3]}


def test_keys(table):
    assert table.apply_key_values(lambda k, v: v.map(lambda x, k: (k, x), k)).get() == {
        "a": [("a", 1), ("a", 2)],
        "b": [("b", 3)],
    }
    assert table.apply_key_values(lambda k, v: k, ensure_keep_group=True).get() == {"a": "a", "b": "b"}


def test_results_that_are_tuples(p, table):
    several = table.apply_values(lambda g: (g.count(), g, g.group_by(lambda x: x % 2)))
    assert repr(several) == "{k0: (o, [...], {k1: [...]})}"
    for use in (
        lambda t: t.get(),
        lambda t: t.flatten(),
        lambda t: t.node(),
        lambda t: t.cache(),
        T.to_pobject,
        lambda t: t.serde(),
        lambda t: t.extract_values(),
        lambda t: T.foreach(t, print),
        lambda t: T.pipe(t, "cat"),
        lambda t: p.write(t, nf.output.TextFile("o")),
        lambda t: p.get(t),
    ):
        with pytest.raises(BigflowPlanningException, match="tuple"):
            use(several)
    with pytest.raises(BigflowPlanningException, match="tuple"):
        p.parallelize([1]).map(lambda x, t: x, several)
    assert several.apply_values(lambda n, g, t: t.extract_keys().count() + n).get() == {"a": 4, "b": 2}
    assert fake_native.targets_in(several.explain()) == 3


def test_tables_inside_out(p):
    table = p.parallelize([(1, "x", 5), (1, "y", 6), (2, "x", 7)]).group_by(lambda r: r[0])
    nested = table.apply_values(lambda g: g.group_by(lambda r: r[1], lambda r: r[2]))
    assert nested.get() == {1: {"x": [5], "y": [6]}, 2: {"x": [7]}}
    assert sorted(nested.flatten().get()) == [(1, ("x", 5)), (1, ("y", 6)), (2, ("x", 7))]
    assert sorted(nested.flatten_values().get()) == [5, 6, 7] == sorted(nested.extract_values().get())
    assert sorted(nested.extract_keys().get()) == [1, 2]
    assert T.to_pobject(nested).get() == nested.get()
    assert nested.apply_values(lambda t: t.flatten()).get() == {1: [("x", 5), ("y", 6)], 2: [("x", 7)]}
    assert nested.apply_values(T.to_pobject).get() == nested.get()


def test_inner_data_outside_are_refused_with_both_lines(p, table, outer):
    leaked = []
    opened = table._made_at().line
    made = line() + 1
    table.apply_values(lambda g: leaked.append(g.map(abs)) or g)
    used = line() + 2
    with pytest.raises(BigflowPlanningException) as error:
        outer.union(leaked[0])
    lines = [int(n) for n in re.findall(r"test_scopes.py:(\d+)", str(error.value))]
    assert lines == [made, opened, used]
    assert "flatten()" in str(error.value)
    for use in (
        lambda x: x.count(),
        lambda x: p.write(x, nf.output.TextFile("o")),
        lambda x: outer.map(len, x),
    ):
        with pytest.raises(BigflowPlanningException):
            use(leaked[0])
    with pytest.raises(BigflowPlanningException):
        table.apply_values(lambda g, x: g, leaked[0])


def test_a_table_of_outer_data_cannot_see_the_group(table, outer):
    with pytest.raises(BigflowPlanningException, match="cannot see"):
        table.apply_values(lambda g: outer.group_by(abs).apply_values(lambda h: h.union(g)).flatten())
    with pytest.raises(BigflowPlanningException, match="cannot see"):
        table.apply_values(
            lambda g: outer.group_by(abs).apply_values(lambda h, n: h.take(n), g.count()).flatten()
        )


def test_outer_tables_are_refused(p, table):
    other = p.parallelize({"a": [1]})
    for lifted in (
        lambda g: other,
        lambda g: (g, other),
        lambda g: g.map(lambda x, t: x, other),
        lambda g: g.union(other),
        lambda g: p.parallelize({"b": [1]}),
    ):
        with pytest.raises(BigflowPlanningException, match="to_pobject"):
            table.apply_values(lifted)
    with pytest.raises(BigflowPlanningException, match="to_pobject"):
        table.apply_values(lambda g, t: g, other)
    assert table.apply_values(lambda g: g.map(lambda x, t: t["a"], T.to_pobject(other))).get()["b"] == [[1]]


def test_tables_as_side_inputs(p, table):
    assert p.parallelize(["a"]).map(lambda k, t: t[k], table).get() == [[1, 2]]
    nested = p.parallelize({"a": {"x": [1]}})
    lifted = nested.apply_values(lambda t: t.extract_keys().map(lambda k, t: t[k], t))
    assert lifted.get() == {"a": [[1]]}


def test_data_inside_groups_cannot_be_got(table):
    for get in (lambda g: g.get(), lambda g: g.count().get(), lambda g: g.group_by(abs).get()):
        with pytest.raises(InvalidDataException, match="inside the groups"):
            table.apply_values(lambda g, get=get: get(g) and g)


def test_constants_pass_unchanged(table):
    def limited(g, n, *, reverse):
        assert n == 1 and reverse is True
        return g.sort(reverse).take(n)

    assert table.apply_values(limited, 1, reverse=True).get() == {"a": [2], "b": [3]}


def test_an_error_in_a_lifted_function_leaves_the_pipeline_usable(p, table, outer):
    with pytest.raises(ZeroDivisionError):
        table.apply_values(lambda g: 1 / 0)
    assert outer.count().get() == 2


def test_foreach_in_groups(p, table, tmp_path):
    out = tmp_path / "seen"

    def note(x, n):
        with open(out, "a") as file:
            file.write(f"{x}/{n} ")

    table.apply_values(lambda g: g.foreach(note, g.count()) or g)
    T.foreach(table, note, p.parallelize(0))
    p.run()
    p.run()
    assert out.read_text() == "1/2 2/2 3/1 1/0 2/0 3/0 "
