"""Random programs: a list of steps over one dataset, nested as deep as tables are.

A program is data, so that hypothesis can shrink it and show it. Every step works on whatever is
there (records may be anything by then) and is left out where it does not fit the kind of dataset.
Record functions look at records only through `weight` and `text`, which give the same for equal
values, so that it does not matter which of the equal values of a key is shown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

import nestflow as nf
from nestflow import schema
from nestflow import transforms as T
from nestflow.transform_impls.sort import ASC, DESC

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 60
"""More records than this are cut by the steps that multiply them."""


@dataclass(frozen=True)
class Step:
    """One step: its name, a small number for it to use, and the steps inside groups."""

    name: str
    n: int
    inner: tuple[Step, ...] = ()

    def __repr__(self) -> str:
        return f"{self.name}({self.n}{''.join(f', {step!r}' for step in self.inner)})"


def weight(x: Any) -> int:
    """A small number of any value, the same for equal ones."""
    if isinstance(x, (bool, int, float)):
        return int(abs(x)) % 1000 if math.isfinite(x) else 3
    if isinstance(x, (str, bytes)):
        return len(x)
    if isinstance(x, (tuple, list)):
        return (len(x) + sum(map(weight, x))) % 1000
    if isinstance(x, dict):
        return len(x)
    return 0


def text(x: Any) -> str:
    """A text of any value, different for different ones."""
    if isinstance(x, (bool, int, float)):
        return str(int(x)) if math.isfinite(x) and x == int(x) else str(float(x))
    if isinstance(x, (tuple, list)):
        return f"{type(x).__name__}({','.join(map(text, x))})"
    if isinstance(x, dict):
        return f"dict({','.join(sorted(f'{text(key)}:{text(value)}' for key, value in x.items()))})"
    return repr(x)


def settled(x: Any) -> Any:
    """The same for any order inside a dict and its lists."""
    if isinstance(x, dict):
        return tuple(sorted((text(key), settled(value)) for key, value in x.items()))
    return tuple(sorted(map(text, x))) if isinstance(x, list) else (text(x),)


def in_order(v: nf.PCollection) -> nf.PCollection:
    """Sorted, so that equal records alone are neighbours that tie."""
    return v.sort_by(text)


def few(v: nf.PCollection, n: int = 3) -> nf.PCollection:
    """A few of the records, the same ones whatever order there is."""
    return in_order(v).take(n)


def pairs(v: nf.PCollection, n: int) -> nf.PCollection:
    """Pairs with few keys."""
    return few(v, MOST).map(lambda x: (weight(x) % (n + 1), x))


class Running:
    """A walk with a status, for `transform`."""

    def start(self, emitter: Any) -> int:
        """Nothing is seen."""
        return 0

    def step(self, status: int, emitter: Any, x: Any) -> int:
        """Emit every other record with its number."""
        if status % 2:
            emitter.emit((status, x))
        return status + 1

    def end(self, status: int, emitter: Any) -> None:
        """Emit how many there were."""
        emitter.emit(("seen", status))


class Every(nf.Transformer):
    """A walk as an object."""

    def begin_process(self) -> list[Any]:
        """Forget what was before."""
        self.seen = 0
        return []

    def process(self, record: Any) -> list[Any]:
        """Each record as often as records were seen, modulo three."""
        self.seen += 1
        return [record] * (self.seen % 3)

    def end_process(self) -> list[Any]:
        """How many there were."""
        return [self.seen]


Outer = list[nf.PCollection]

ON_COLLECTIONS: dict[str, Callable[[nf.PCollection, int, Outer], Any]] = {
    "pair": lambda v, n, o: v.map(lambda x: (weight(x) % (n + 1), x)),
    "weight": lambda v, n, o: v.map(weight),
    "wrap": lambda v, n, o: v.map(lambda x: (x, None)),
    "filter": lambda v, n, o: v.filter(lambda x: weight(x) % (n + 1)),
    "flat_map": lambda v, n, o: few(v, MOST).flat_map(lambda x: [x] * (weight(x) % (n + 1))),
    "distinct": lambda v, n, o: v.distinct(),
    "sort": lambda v, n, o: in_order(v),
    "sort_down": lambda v, n, o: v.sort_by(text, reverse=True),
    "sort_by_weight": lambda v, n, o: in_order(v).sort_by(lambda x: -weight(x) if n % 2 else weight(x)),
    "take": lambda v, n, o: v.take(n),
    "first": lambda v, n, o: v.first(),
    "take_some": lambda v, n, o: few(v, n),
    "take_counted": lambda v, n, o: in_order(v).take(v.count() - n),
    "count": lambda v, n, o: v.count(),
    "sum": lambda v, n, o: v.map(weight).sum(),
    "max": lambda v, n, o: v.max(text),
    "min": lambda v, n, o: v.min(text),
    "max_elements": lambda v, n, o: v.max_elements(n, text),
    "min_elements": lambda v, n, o: v.min_elements(n, text),
    "is_empty": lambda v, n, o: v.is_empty(),
    "to_list": lambda v, n, o: T.to_list_pobject(few(v, MOST)).map(tuple),
    "reduce": lambda v, n, o: v.map(weight).reduce(lambda a, b: (a + b) % 1009),
    "aggregate": lambda v, n, o: v.aggregate(0, lambda s, x: s + weight(x), lambda a, b: a + b),
    "combine": lambda v, n, o: v.map(weight).combine(sum),
    "combine_once": lambda v, n, o: v.combine(
        lambda xs: tuple(sorted(text(x)[-20:] for x in xs)), pre_combine=False
    ),
    "accumulate": lambda v, n, o: in_order(v).accumulate("", lambda s, x: f"{s},{text(x)}"[-40:]),
    "transform": lambda v, n, o: _walked(in_order(v)),
    "transformer": lambda v, n, o: in_order(v).transform(Every()),
    "union": lambda v, n, o: few(v, MOST).union(o[n % len(o)]),
    "union_after": lambda v, n, o: o[n % len(o)].union(few(v, MOST)),
    "twice": lambda v, n, o: few(v, MOST).union(few(v, MOST)),
    "count_beside": lambda v, n, o: v.union(v.count()),
    "cartesian": lambda v, n, o: few(v).cartesian(few(o[n % len(o)])),
    "subtract": lambda v, n, o: v.subtract(o[n % len(o)]),
    "subtract_from": lambda v, n, o: o[n % len(o)].subtract(v),
    "intersection": lambda v, n, o: v.intersection(o[n % len(o)], n % 2 == 0),
    "diff": lambda v, n, o: v.diff(o[n % len(o)]),
    "join": lambda v, n, o: pairs(few(v), n).join(pairs(few(o[n % len(o)]), n)),
    "left_join": lambda v, n, o: pairs(few(v), n).left_join(pairs(few(o[n % len(o)]), n)),
    "right_join": lambda v, n, o: pairs(few(v), n).right_join(pairs(few(o[n % len(o)]), n)),
    "full_join": lambda v, n, o: pairs(few(v), n).full_join(
        pairs(few(o[n % len(o)]), n), pairs(few(v, 2), 2)
    ),
    "side_count": lambda v, n, o: v.map(lambda x, c: (x, c), v.count()),
    "side_first": lambda v, n, o: v.map(lambda x, c: (c, x), few(v.filter(lambda x: weight(x) % 2)).first()),
    "side_all": lambda v, n, o: v.filter(lambda x, s: sum(map(weight, s)) % (n + 1), o[n % len(o)]),
    "side_table": lambda v, n, o: v.map(lambda x, d: len(d), pairs(v, n).group_by_key()),
    "group": lambda v, n, o: v.group_by(lambda x: weight(x) % (n + 1)),
    "group_by_self": lambda v, n, o: v.group_by(lambda x: x, weight),
    "group_by_key": lambda v, n, o: pairs(v, n).group_by_key(),
    "cogroup": lambda v, n, o: pairs(v, n).cogroup(pairs(o[n % len(o)], n)).apply_values(_put_together),
    "reduce_by_key": lambda v, n, o: (
        pairs(v, n).map_values(weight).reduce_by_key(lambda a, b: (a + b) % 1009)
    ),
    "indexed": lambda v, n, o: in_order(v).zip_with_index(),
    "every": lambda v, n, o: (
        T.group_by_every_record(in_order(v)).apply_values(lambda g: g.union(g.count())).flatten_values()
    ),
    "parts": lambda v, n, o: in_order(v).map(weight).map_partitions(lambda part: [sum(part)]).sum(),
    "replace": lambda v, n, o: o[n % len(o)],
    "pipe": lambda v, n, o: T.pipe(few(v, MOST).map(text), "cat"),
    "columns": lambda v, n, o: _columns(v, n),
    "sample": lambda v, n, o: in_order(v).sample(False, float(n % 2)),
    "foreach": lambda v, n, o: _seen(v),
    "plain_max": lambda v, n, o: v.map(weight).max(),
    "plain_min": lambda v, n, o: v.map(text).min(),
    "sort_by_two": lambda v, n, o: v.sort_by(
        lambda x: (DESC(weight(x)), ASC(text(x))) if n % 2 else (weight(x), DESC(text(x))), reverse=n > 2
    ),
}

ON_OBJECTS: dict[str, Callable[[nf.PObject, int, Outer], Any]] = {
    "weight": lambda v, n, o: v.map(weight) * n,
    "wrap": lambda v, n, o: v.map(lambda x: (x, None)),
    "filter": lambda v, n, o: T.filter(v, lambda x: weight(x) % (n + 1)),
    "count": lambda v, n, o: v.map(weight) - o[n % len(o)].count(),
    "union": lambda v, n, o: v.union(o[n % len(o)]),
    "take": lambda v, n, o: in_order(o[n % len(o)]).take(v.map(weight) % 5),
    "pair": lambda v, n, o: T.make_tuple(v, o[n % len(o)].count()),
    "flat_map": lambda v, n, o: v.flat_map(lambda x: range(weight(x) % (n + 2))),
    "cartesian": lambda v, n, o: v.cartesian(few(o[n % len(o)])),
    "sort": lambda v, n, o: v.as_pcollection(),
}

ON_TABLES: dict[str, Callable[[nf.PTable, int, Outer], Any]] = {
    "count": lambda t, n, o: t.extract_keys(),
    "union": lambda t, n, o: t.flatten_values(),
    "pair": lambda t, n, o: t.flatten(),
    "to_list": lambda t, n, o: T.to_pobject(t).map(settled),
}


def _rows(v: nf.PCollection) -> nf.PCollection:
    """Records with names."""
    return v.map(lambda x: {"x": x, "w": weight(x)}).as_schema(["x", "w"])


def _columns(v: nf.PCollection, n: int) -> nf.PCollection:
    """Columns of each record, of all records, and of those that agree in one."""
    if n % 3 == 0:
        by_record = schema.select(_rows(v), lambda c: {"n": c["w"] + n, "x": c["x"]})
        return by_record.map(lambda row: (row["n"], row["x"]))
    if n % 3 == 1:
        whole = schema.agg(_rows(v), lambda c: {"s": c["w"].sum(), "n": c["x"].distinct().count()})
        return whole.map(lambda row: (row["s"], row["n"]))
    table = schema.group_by(_rows(v), "w").apply_values(schema.agg, lambda c: {"n": c["x"].count()})
    return schema.flatten(table).map(lambda row: (row["w"], row["n"]))


def _seen(v: nf.PCollection) -> nf.PCollection:
    """The same, looked at by a function for its effect."""
    v.foreach(weight)
    return v


def _walked(v: nf.PCollection) -> nf.PCollection:
    walk = Running()
    return v.transform(walk.start, walk.step, walk.end)


def _put_together(a: nf.PCollection, b: nf.PCollection) -> nf.PCollection:
    return a.count().union(b.map(weight).sum())


def run(steps: tuple[Step, ...], value: Any, outer: Outer) -> Any:
    """Apply the steps to a dataset; ``outer`` are the collections that can be seen from here."""
    for step in steps:
        if isinstance(value, nf.PTable):
            value = _on_table(step, value, outer)
        else:
            known = ON_COLLECTIONS if isinstance(value, nf.PCollection) else ON_OBJECTS
            fn: Any = known.get(step.name)
            value = value if fn is None else fn(value, step.n, outer)
    return value


def _on_table(step: Step, table: nf.PTable, outer: Outer) -> Any:
    if step.name == "inside":
        return table.apply_values(_inside, step, outer)
    if step.name == "inside_with_key":
        return table.apply_key_values(_inside_with_key, step, outer)
    fn = ON_TABLES.get(step.name)
    return table if fn is None else fn(table, step.n, outer)


def _inside(value: Any, step: Step, outer: Outer) -> Any:
    # The groups of a table of outer data do not see what is in the groups around.
    around, encloses = value._pipeline._scope, value._pipeline._builder.encloses
    seen = [one for one in outer if encloses(one._scope, around)]
    seen += [value] if isinstance(value, nf.PCollection) else []
    return applied(step.inner, value, seen)


def applied(steps: tuple[Step, ...], value: Any, outer: Outer) -> Any:
    """Apply the steps as a function that can be given to `apply_values`."""
    result = run(steps, value, outer)
    if isinstance(result, nf.PTable) and result._scope != result._pipeline._scope:
        return result.flatten()  # a table of outer data cannot be a result, but its pairs can
    return result


def _inside_with_key(key: nf.PObject, value: Any, step: Step, outer: Outer) -> Any:
    if isinstance(value, nf.PCollection):
        value = value.map(lambda x, k: (weight(k), x), key).union(key.map(weight))
    return _inside(value, step, outer)


def _steps(
    inner: st.SearchStrategy[tuple[Step, ...]] | None, least: int = 1
) -> st.SearchStrategy[tuple[Step, ...]]:
    number = st.integers(0, 4)
    one = st.builds(Step, st.sampled_from([*ON_COLLECTIONS, *ON_OBJECTS, *ON_TABLES]), number).map(
        lambda step: (step,)
    )
    blocks = one
    if inner is not None:
        group = st.builds(Step, st.sampled_from(["group", "group_by_key", "group_by_self"]), number)
        within = st.builds(Step, st.sampled_from(["inside", "inside", "inside_with_key"]), number, inner)
        nested = st.lists(within, min_size=1, max_size=2)
        blocks = st.one_of(one, one, st.builds(lambda first, rest: (first, *rest), group, nested))
    return st.lists(blocks, min_size=least, max_size=4).map(lambda found: sum(found, ()))


programs = _steps(_steps(_steps(_steps(None))), least=0)
"""Programs of depth 0 to 3."""

plain = st.one_of(
    st.integers(-3, 9),
    st.sampled_from(["", "a", "b", "ab", "é", "日本語", "\U0001f600", "a\0b", "\ud800"]),
    st.none(),
    st.tuples(st.integers(0, 2), st.sampled_from(["x", "y", None])),
)
"""Records of which equal ones are the same."""

mixed = st.one_of(
    st.sampled_from([True, 1, 1.0, 2, 2.0, 0, 0.0, -0.0, False, float("nan"), 0.5, 1e300, 10**20, 1e20]),
    st.sampled_from(["", "1", "a", b"a", None, (1, "a"), (True, "a"), (1.0, "a"), (float("nan"),)]),
)
"""Records of which some are equal and not the same."""
