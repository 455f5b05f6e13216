"""One method per operator of the logical plan: what it gives in one group, as literally as can be."""

from __future__ import annotations

import copy
import functools
import itertools
import operator
import pickle
from collections import Counter
from typing import TYPE_CHECKING, Any

from nestflow.plan import nodes as op

from .files import contents
from .groups import Fails, Groups, Path, pair
from .identity import identity, least
from .literals import records_of
from .ordering import sorted_by, tied
from .rows import MISSING, Row, Rows, View, merged

if TYPE_CHECKING:
    from collections.abc import Callable


class Operators(Groups):
    """Evaluates the nodes of one plan, each once per group."""

    def __init__(self, plan: op.LogicalPlan, undefined: set[str]) -> None:
        super().__init__(plan)
        self.undefined = undefined
        self._known: dict[tuple[int, Path], Rows] = {}
        self._functions: dict[int, Any] = {}

    def rows(self, node: int, path: Path) -> Rows:
        """The rows of a node in one group."""
        known = self._known.get((node, path))
        if known is None:
            o = self.nodes[node].op
            known = self._known[node, path] = getattr(self, f"on_{type(o).__name__.lower()}")(o, path, node)
        return known

    def on_the_way(self) -> None:
        """Evaluate what a run does though no group takes it: outer data, where they live, and effects."""
        for node in self.nodes.values():
            done = node.op.node if isinstance(node.op, op.Import) else node.id
            if isinstance(node.op, (op.Import, op.Foreach)):
                for path in self.paths(self.scope_of[done], ()):
                    self.rows(done, path)

    def function(self, index: int) -> Any:
        """A user function, or a constant, of the plan."""
        if index not in self._functions:
            self._functions[index] = pickle.loads(self.plan.functions[index].pickled)
        return self._functions[index]

    def _whole(self, value: Any, path: Path, node: int) -> Rows:
        """The one row of an operator that answers for empty groups too."""
        return Rows([Row(self.whole_keys(self.scope_of[node], path), value)], True)

    def _some(self, rows: Rows, value: Any) -> Rows:
        """The one row of an operator that answers only where there are records."""
        return Rows([Row(merged(rows), value)], True)

    def _sides(self, sides: tuple[op.SideInput, ...], path: Path, row: Row | None = None) -> list[Any]:
        """The side inputs as a function gets them; a key PObject gives the row's own key."""
        values: list[Any] = []
        for side in sides:
            rows = self.rows(side.node, path)
            level = self._level_of_key(side.node)
            if not side.single:
                values.append(View(rows.values()))
            elif not len(rows):
                raise Fails("a side input has no value")
            elif level is not None and row is not None and row.keys[level] is not MISSING:
                values.append(row.keys[level])
            else:
                values.append(rows.rows[0].value)
        return copy.deepcopy(values)

    def _level_of_key(self, node: int) -> int | None:
        """The level whose key the node is, if it is one."""
        while isinstance(self.nodes[node].op, op.Import):
            node = self.nodes[node].op.node
        return self.depth(node) - 1 if isinstance(self.nodes[node].op, op.Key) else None

    def _looks_at_order(self, rows: Rows, name: str) -> None:
        if not rows.ordered and len({identity(row.value) for row in rows}) > 1:
            self.undefined.add(name)

    def on_files(self, o: op.Files, path: Path, node: int) -> Rows:
        return Rows((Row((), record) for record in contents(o.source)), True)

    def on_literal(self, o: op.Literal, path: Path, node: int) -> Rows:
        return Rows((Row((), record) for record in records_of(o.blocks)), True)

    def on_map(self, o: op.Map, path: Path, node: int) -> Rows:
        rows, f = self.rows(o.input, path), self.function(o.function)
        return Rows((Row(r.keys, f(_own(r), *self._sides(o.sides, path, r))) for r in rows), rows.ordered)

    def on_flatmap(self, o: op.FlatMap, path: Path, node: int) -> Rows:
        rows, f = self.rows(o.input, path), self.function(o.function)
        out = [
            Row(r.keys, copy.deepcopy(x)) for r in rows for x in f(_own(r), *self._sides(o.sides, path, r))
        ]
        sides = all(side.single or self.rows(side.node, path).ordered for side in o.sides)
        return Rows(out, rows.ordered and sides)

    def on_filter(self, o: op.Filter, path: Path, node: int) -> Rows:
        rows, f = self.rows(o.input, path), self.function(o.function)
        return Rows((r for r in rows if f(_own(r), *self._sides(o.sides, path, r))), rows.ordered)

    def on_foreach(self, o: op.Foreach, path: Path, node: int) -> Rows:
        for row in self.rows(o.input, path):
            self._sides(o.sides, path, row)  # the function itself is left alone: it has effects
        return Rows((), True)

    def on_keyby(self, o: op.KeyBy, path: Path, node: int) -> Rows:
        rows, key = self.rows(o.input, path), self.function(o.key)
        value = (lambda x: x) if o.value is None else self.function(o.value)
        return Rows((Row(r.keys, (key(_own(r)), value(_own(r)))) for r in rows), rows.ordered)

    def on_numbered(self, o: op.Numbered, path: Path, node: int) -> Rows:
        rows = self.rows(o.input, path)
        if not rows.ordered:
            self.undefined.add("numbered")
        name = "{:x}".format if o.text else int
        return Rows((Row(r.keys, (name(number), r.value)) for number, r in enumerate(rows)), rows.ordered)

    def on_member(self, o: op.Member, path: Path, node: int) -> Rows:
        scope = self.scope_of[node]
        source = self.rows(self.source(scope, o.side), path[:-1])
        return Rows(self.group(scope, path).members[o.side], source.ordered)

    def on_key(self, o: op.Key, path: Path, node: int) -> Rows:
        keys = self.whole_keys(self.scope_of[node], path)
        return Rows([Row(keys, keys[-1])], True)

    def on_import(self, o: op.Import, path: Path, node: int) -> Rows:
        outer = self.depth(o.node)
        rows = self.rows(o.node, path[:outer])
        inner = (MISSING,) * (len(path) - outer)
        return Rows((Row((*row.keys, *inner), row.value) for row in rows), rows.ordered)

    def on_flatten(self, o: op.Flatten, path: Path, node: int) -> Rows:
        rows, ordered = self._of_inner_groups(o.node, path)
        depth = len(path)
        return Rows((Row(row.keys[:depth], _nested(row.keys[depth:], row.value)) for row in rows), ordered)

    def on_values(self, o: op.Values, path: Path, node: int) -> Rows:
        rows, ordered = self._of_inner_groups(o.node, path)
        return Rows((Row(row.keys[: len(path)], row.value) for row in rows), ordered)

    def _of_inner_groups(self, node: int, path: Path) -> tuple[list[Row], bool]:
        """All rows of a node of inner groups, and whether one group in order holds them all."""
        scope = self.scope_of[node]
        out: list[Row] = []
        orders: list[bool] = []
        for inner in self.paths(scope, path):
            rows = self.rows(node, inner)
            out += [Row(self.shown(row, scope, inner), row.value) for row in rows]
            orders += [rows.ordered] if len(rows) else []
        return out, orders in ([], [True])

    def on_keys(self, o: op.Keys, path: Path, node: int) -> Rows:
        keys = [self.whole_keys(o.scope, (*path, key)) for key in self.groups(o.scope, path)]
        return Rows((Row(of_group[:-1], of_group[-1]) for of_group in keys), False)

    def on_count(self, o: op.Count, path: Path, node: int) -> Rows:
        return self._whole(len(self.rows(o.input, path)), path, node)

    def on_isempty(self, o: op.IsEmpty, path: Path, node: int) -> Rows:
        return self._whole(not len(self.rows(o.input, path)), path, node)

    def on_sum(self, o: op.Sum, path: Path, node: int) -> Rows:
        return self._fold(o.input, operator.add, path)

    def on_reduce(self, o: op.Reduce, path: Path, node: int) -> Rows:
        f = self.function(o.function)
        return self._fold(o.input, lambda a, b: f(a, b, *self._sides(o.sides, path)), path)

    def _fold(self, input_: int, f: Callable[[Any, Any], Any], path: Path) -> Rows:
        rows = self.rows(input_, path)
        if not len(rows):
            return rows
        return self._some(rows, functools.reduce(f, copy.deepcopy([row.value for row in rows])))

    def on_aggregate(self, o: op.Aggregate, path: Path, node: int) -> Rows:
        step, merge = self.function(o.step), self.function(o.merge)
        part = self._zero(o, path)
        for row in self.rows(o.input, path):
            part = step(part, _own(row), *self._sides(o.sides, path))
        if not len(self.rows(o.input, path)):
            return self._whole(part, path, node)
        return self._whole(merge(self._zero(o, path), part, *self._sides(o.sides, path)), path, node)

    def _zero(self, o: op.Aggregate | op.Accumulate, path: Path) -> Any:
        zero = self.function(o.zero)
        return zero(*self._sides(o.sides, path)) if o.callable else copy.deepcopy(zero)

    def on_combine(self, o: op.Combine, path: Path, node: int) -> Rows:
        values = copy.deepcopy(list(self.rows(o.input, path).values()))
        return self._whole(self.function(o.function)(values), path, node)

    def on_whole(self, o: op.Whole, path: Path, node: int) -> Rows:
        return self.on_combine(op.Combine(o.input, o.function), path, node)

    def on_tolist(self, o: op.ToList, path: Path, node: int) -> Rows:
        return self._whole(self.rows(o.input, path).values(), path, node)

    def on_extreme(self, o: op.Extreme, path: Path, node: int) -> Rows:
        rows = self.rows(o.input, path)
        if not len(rows):
            return rows
        key = (lambda x: x) if o.key is None else self.function(o.key)
        choose = max if o.largest else min
        best = choose((row.value for row in rows), key=key)
        if len({identity(row.value) for row in rows if key(row.value) == key(best)}) > 1:
            self.undefined.add("max")
        return self._some(rows, best)

    def on_top(self, o: op.Top, path: Path, node: int) -> Rows:
        rows = self.rows(o.input, path)
        key = self._order_key(o.key)
        all_ = sorted_by(rows.rows, key, o.largest)
        taken = all_[: max(o.limit, 0)]
        if taken and any(
            tied(key(row), key(taken[-1])) and row.value != taken[-1].value for row in all_[len(taken) :]
        ):
            self.undefined.add("max_elements")
        return Rows(taken, self._no_ties(taken, key))

    def _order_key(self, function: int | None) -> Callable[[Row], Any]:
        f = (lambda x: x) if function is None else self.function(function)
        return lambda row: f(row.value)

    def _no_ties(self, ordered: list[Row], key: Callable[[Row], Any]) -> bool:
        """Whether neighbours with equal keys are equal records, so that their order cannot be told."""
        return all(
            identity(a.value) == identity(b.value) or not tied(key(a), key(b))
            for a, b in itertools.pairwise(ordered)
        )

    def on_first(self, o: op.First, path: Path, node: int) -> Rows:
        rows = self.rows(o.input, path)
        self._looks_at_order(rows, "first")
        return Rows(rows.rows[:1], True)

    def on_take(self, o: op.Take, path: Path, node: int) -> Rows:
        rows = self.rows(o.input, path)
        if 0 < o.limit < len(rows):
            self._looks_at_order(rows, "take")
        return Rows(rows.rows[: max(o.limit, 0)], rows.ordered)

    def on_distinct(self, o: op.Distinct, path: Path, node: int) -> Rows:
        equal: dict[Any, list[Row]] = {}
        for row in self.rows(o.input, path):
            equal.setdefault(identity(row.value), []).append(row)
        return Rows((Row(merged(rows), least(r.value for r in rows)) for rows in equal.values()), False)

    def on_sort(self, o: op.Sort, path: Path, node: int) -> Rows:
        rows, key = self.rows(o.input, path), self._order_key(o.key)
        ordered = sorted_by(rows.rows, key, o.reverse)
        return Rows(ordered, rows.ordered or self._no_ties(ordered, key))

    def on_accumulate(self, o: op.Accumulate, path: Path, node: int) -> Rows:
        rows, step = self.rows(o.input, path), self.function(o.step)
        self._looks_at_order(rows, "accumulate")
        state = self._zero(o, path)
        for row in rows:
            state = step(state, _own(row), *self._sides(o.sides, path))
        return self._whole(state, path, node)

    def on_transform(self, o: op.Transform, path: Path, node: int) -> Rows:
        rows = self.rows(o.input, path)
        self._looks_at_order(rows, "transform")
        init, step, done = (self.function(f) for f in (o.init, o.step, o.done))
        emitter = _Emitter()
        status = init(emitter, *self._sides(o.sides, path))
        for row in rows:
            if emitter.finished:
                break
            status = step(status, emitter, _own(row), *self._sides(o.sides, path))
        done(status, emitter, *self._sides(o.sides, path))
        return self._emitted(emitter.emitted, path, node)

    def _emitted(self, values: list[Any], path: Path, node: int) -> Rows:
        keys = self.whole_keys(self.scope_of[node], path)
        return Rows((Row(keys, value) for value in values), True)

    def on_transformer(self, o: op.Transformer, path: Path, node: int) -> Rows:
        rows = self.rows(o.input, path)
        self._looks_at_order(rows, "transform")
        walker = copy.deepcopy(self.function(o.transformer))
        out = [copy.deepcopy(x) for x in walker.begin_process(*self._sides(o.sides, path))]
        for row in rows:
            out += map(copy.deepcopy, walker.process(_own(row), *self._sides(o.sides, path)))
        out += walker.end_process(*self._sides(o.sides, path))
        return self._emitted(out, path, node)

    def on_union(self, o: op.Union, path: Path, node: int) -> Rows:
        parts = [self.rows(input_, path) for input_ in o.inputs]
        return Rows(itertools.chain(*parts), all(part.ordered for part in parts))

    def on_join(self, o: op.Join, path: Path, node: int) -> Rows:
        sides: list[dict[Any, list[Row]]] = []
        for input_ in o.inputs:
            by_key: dict[Any, list[Row]] = {}
            for row in self.rows(input_, path):
                by_key.setdefault(identity(pair(row.value)[0]), []).append(row)
            sides.append(by_key)
        out = []
        for key in dict.fromkeys(itertools.chain(*sides)):
            there = [key in side for side in sides]
            kept = {
                op.JoinKind.INNER: all(there),
                op.JoinKind.LEFT: there[0],
                op.JoinKind.RIGHT: there[-1],
                op.JoinKind.FULL: True,
            }[o.kind]
            if kept:
                out += [
                    _joined(rows) for rows in itertools.product(*(side.get(key, [None]) for side in sides))
                ]
        return Rows(out, False)

    def on_compare(self, o: op.Compare, path: Path, node: int) -> Rows:
        left, right = self.rows(o.left, path), self.rows(o.right, path)
        count_left = Counter(identity(row.value) for row in left)
        count_right = Counter(identity(row.value) for row in right)
        if o.kind is op.CompareKind.SUBTRACT:
            return Rows((row for row in left if not count_right[identity(row.value)]), False)
        out = []
        for one in count_left | count_right:
            a, b = count_left[one], count_right[one]
            rows = [row for row in (*left, *right) if identity(row.value) == one]
            value = least(row.value for row in rows)
            if o.kind is op.CompareKind.DIFF:
                out += [Row(merged(rows), (value, (a, b)))] if a != b else []
            else:
                copies = min(a, b) if o.kind is op.CompareKind.INTERSECTION_ALL else min(a, b, 1)
                out += [Row(merged(rows), value)] * copies
        return Rows(out, False)


class _Emitter:
    def __init__(self) -> None:
        self.emitted: list[Any] = []
        self.finished = False

    def emit(self, value: Any) -> None:
        self.emitted.append(copy.deepcopy(value))

    def done(self) -> None:
        self.finished = True


def _own(row: Row) -> Any:
    return copy.deepcopy(row.value)


def _nested(keys: tuple[Any, ...], value: Any) -> Any:
    for key in reversed(keys):
        value = (key, value)
    return value


def _joined(rows: tuple[Row | None, ...]) -> Row:
    present = [row for row in rows if row is not None]
    key = least(row.value[0] for row in present)
    return Row(merged(present), (key, tuple(None if row is None else row.value[1] for row in rows)))
