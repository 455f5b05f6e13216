"""A slow, obvious engine: every dataset is a dict from group to list. For tests of the Python side."""

from __future__ import annotations

import copy
import functools
import pickle
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import cloudpickle

from nestflow import keys
from nestflow.keys import rank
from nestflow.plan import nodes as op
from nestflow.plan.nodes import CompareKind, JoinKind, LogicalPlan, Node, Scope


class RunError(Exception):
    pass


def identity(key: Any) -> Any:
    """What is equal for equal keys; dicts are keys too."""
    if isinstance(key, dict):
        return "dict", frozenset((keys.identity(name), identity(value)) for name, value in key.items())
    return keys.identity(key)


class Evaluation:
    """One run: `groups[scope]` maps a path of identities to the keys shown, `done[node]` to records."""

    def __init__(self, plan: LogicalPlan, held: dict[int, Any]) -> None:
        self.plan = plan
        self.held = {m.node: held[m.cache] for m in plan.materialized}
        self.loaded: dict[int, Any] = {}
        self.scope_of: dict[int, int] = {}
        self.depth: dict[int, int] = {}
        self.nodes: dict[int, Node] = {}
        self.openers: dict[int, Node] = {}
        self.index(plan.root, 0)
        self.groups: dict[int, dict[tuple, tuple]] = {0: {(): ()}}
        self.members: dict[tuple[int, int], dict[tuple, list]] = {}
        self.done: dict[int, dict[tuple, list]] = {}

    def index(self, scope: Scope, depth: int) -> None:
        self.depth[scope.id] = depth
        for node in scope.nodes:
            self.scope_of[node.id] = scope.id
            self.nodes[node.id] = node
            assert all(o < node.id for o in _refs(node.op))
            if isinstance(node.op, op.Group):
                self.openers[node.op.scope] = node
        for child in scope.children:
            self.index(child, depth + 1)

    def data(self, node: int) -> dict[tuple, list]:
        if node not in self.done:
            if node in self.held:
                self.done[node] = self.held[node]
            else:
                self.done[node] = self.compute(self.nodes[node])
        return self.done[node]

    def scope_groups(self, scope: int) -> dict[tuple, tuple]:
        if scope not in self.groups:
            self.open(self.openers[scope])
        return self.groups[scope]

    def open(self, node: Node) -> None:
        outer = self.scope_groups(self.scope_of[node.id])
        groups: dict[tuple, tuple] = {}
        for side, input_ in enumerate(node.op.inputs):
            member: dict[tuple, list] = {}
            for path, shown in outer.items():
                for record in self.data(input_).get(path, []):
                    key, value = record
                    inner = (*path, identity(key))
                    known = groups.setdefault(inner, (*shown, key))
                    if rank(key) < rank(known[-1]):
                        groups[inner] = (*shown, key)
                    member.setdefault(inner, []).append(value)
            self.members[node.op.scope, side] = member
        self.groups[node.op.scope] = groups

    def function(self, index: int) -> Any:
        if index not in self.loaded:
            self.loaded[index] = pickle.loads(self.plan.functions[index].pickled)
        return self.loaded[index]

    def fresh(self, index: int) -> Any:
        return pickle.loads(self.plan.functions[index].pickled)

    def call(self, node: Node, fn: Any, *args: Any, record: Any = None) -> Any:
        try:
            return fn(*args)
        except RunError:
            raise
        except BaseException as error:
            site = self.plan.sites[node.site]
            raise RunError(
                {
                    "kind": "user",
                    "message": str(error),
                    "pickled": cloudpickle.dumps(error),
                    "class": type(error).__name__,
                    "traceback": traceback.format_exc(),
                    "step": f"{site} in {site.function}",
                    "record": repr(record),
                }
            ) from None

    def sides(self, node: Node, path: tuple) -> list:
        values = []
        for side in getattr(node.op, "sides", ()):
            assert self.scope_of[side.node] == self.scope_of[node.id]
            records = self.data(side.node).get(path, [])
            if side.single and not records:
                raise RunError({"kind": "data", "message": "a side input has no value"})
            values.append(records[0] if side.single else records)
        return values

    def compute(self, node: Node) -> dict[tuple, list]:
        o, scope = node.op, self.scope_of[node.id]
        match o:
            case op.Literal():
                return {(): [r for block in o.blocks for r in pickle.loads(block)]}
            case op.Files():
                return {(): _lines(o.source)}
            case op.Group():
                return {}
            case op.Member():
                self.scope_groups(scope)
                return self.members[scope, o.side]
            case op.Key():
                return {path: [shown[-1]] for path, shown in self.scope_groups(scope).items()}
            case op.Import():
                outer, depth = self.data(o.node), self.depth[self.scope_of[o.node]]
                return {path: outer.get(path[:depth], []) for path in self.scope_groups(scope)}
            case op.Keys():
                out: dict[tuple, list] = {}
                for path, shown in self.scope_groups(o.scope).items():
                    out.setdefault(path[:-1], []).append(shown[-1])
                return out
            case op.Flatten() | op.Values():
                inner = self.scope_of[o.node]
                out = {}
                for path, shown in self.scope_groups(inner).items():
                    for value in self.data(o.node).get(path, []):
                        if isinstance(o, op.Flatten):
                            for key in reversed(shown[len(shown) - o.levels :]):
                                value = (key, value)
                        out.setdefault(path[: len(path) - o.levels], []).append(value)
                return out
        return {path: self.local(node, path) for path in self.scope_groups(scope)}

    def local(self, node: Node, path: tuple) -> list:
        """What an operator gives in one group."""
        o = node.op

        def rows(n: int) -> list:
            assert self.scope_of[n] == self.scope_of[node.id], node
            return self.data(n).get(path, [])

        def run(index: int, *args: Any) -> Any:
            return self.call(node, self.function(index), *args, record=args[0] if args else None)

        match o:
            case op.Map():
                return [run(o.function, x, *self.sides(node, path)) for x in rows(o.input)]
            case op.FlatMap():
                return [
                    y
                    for x in rows(o.input)
                    for y in self.call(
                        node, lambda x: list(self.function(o.function)(x, *self.sides(node, path))), x
                    )
                ]
            case op.Filter():
                return [x for x in rows(o.input) if run(o.function, x, *self.sides(node, path))]
            case op.Foreach():
                for x in rows(o.input):
                    run(o.function, x, *self.sides(node, path))
                return []
            case op.KeyBy():
                return [(run(o.key, x), x if o.value is None else run(o.value, x)) for x in rows(o.input)]
            case op.Count():
                return [len(rows(o.input))]
            case op.IsEmpty():
                return [not rows(o.input)]
            case op.Sum():
                values = rows(o.input)
                return [self.call(node, functools.reduce, lambda a, b: a + b, values)] if values else []
            case op.Reduce():
                state = rows(o.input)[:1]
                for x in rows(o.input)[1:]:
                    state = [run(o.function, state[0], x, *self.sides(node, path))]
                return state
            case op.Aggregate() | op.Accumulate():
                sides = self.sides(node, path) if o.callable or rows(o.input) else []
                state = run(o.zero, *sides) if o.callable else self.fresh(o.zero)
                for x in rows(o.input):
                    state = run(o.step, state, x, *sides)
                if isinstance(o, op.Aggregate):
                    zero = run(o.zero, *sides) if o.callable else self.fresh(o.zero)
                    state = run(o.merge, zero, state, *sides)
                return [state]
            case op.Combine() | op.Whole():
                return [run(o.function, list(rows(o.input)))]
            case op.ToList():
                return [list(rows(o.input))]
            case op.Extreme():
                return self.ordered(node, rows(o.input), o.key, o.largest)[:1]
            case op.Top():
                return self.ordered(node, rows(o.input), o.key, o.largest)[: max(o.limit, 0)]
            case op.First():
                return rows(o.input)[:1]
            case op.Take():
                return rows(o.input)[: max(o.limit, 0)]
            case op.Distinct():
                return list({identity(x): x for x in rows(o.input)}.values())
            case op.Sort():
                return self.ordered(node, rows(o.input), o.key, o.reverse)
            case op.Transform():
                return self.walk(node, rows(o.input), path)
            case op.Transformer():
                walker, sides = self.fresh(o.transformer), self.sides(node, path)
                out = list(self.call(node, walker.begin_process, *sides))
                for x in rows(o.input):
                    out += self.call(node, walker.process, x, *sides)
                return [*out, *self.call(node, walker.end_process, *sides)]
            case op.Union():
                return [x for n in o.inputs for x in rows(n)]
            case op.Join():
                return _join([rows(n) for n in o.inputs], o.kind)
            case op.Numbered():
                return [(f"{n:x}" if o.text else n, x) for n, x in enumerate(rows(o.input))]
            case op.Compare():
                return _compare(rows(o.left), rows(o.right), o.kind)
        raise AssertionError(o)

    def ordered(self, node: Node, records: list, key: int | None, reverse: bool) -> list:
        keyed = [(x if key is None else self.call(node, self.function(key), x), x) for x in records]
        order = functools.cmp_to_key(lambda a, b: _compare_keys(a, b, reverse))
        return [x for _, x in self.call(node, lambda: sorted(keyed, key=lambda pair: order(pair[0])))]

    def walk(self, node: Node, records: list, path: tuple) -> list:
        class Emitter:
            def __init__(self) -> None:
                self.out: list = []
                self.stopped = False

            def emit(self, x: Any) -> None:
                self.out.append(copy.deepcopy(x))

            def done(self) -> None:
                self.stopped = True

        o, emitter, sides = node.op, Emitter(), self.sides(node, path)
        status = self.call(node, self.function(o.init), emitter, *sides)
        for x in records:
            if emitter.stopped:
                break
            status = self.call(node, self.function(o.step), status, emitter, x, *sides)
        self.call(node, self.function(o.done), status, emitter, *sides)
        return emitter.out

    def rows(self, node: int) -> list[tuple]:
        groups = self.scope_groups(self.scope_of[node])
        return [(*groups[path], v) for path in groups for v in self.data(node).get(path, [])]

    def write(self, target: op.Write) -> None:
        sink, values = target.sink, [row[-1] for row in self.rows(target.node)]
        out = Path(sink.path)
        if out.exists() and not sink.overwrite:
            raise RunError({"kind": "io", "message": f"{out} exists"})
        parts = sink.parts or 1
        split = self.function(sink.partition) if sink.partition is not None else lambda record: 0
        out.mkdir(parents=True, exist_ok=True)
        for part in range(parts):
            mine = [v for v in values if split(v) == part]
            if sink.sort is not None:
                mine = self.ordered(self.nodes[target.node], mine, sink.sort.key, sink.sort.reverse)
            (out / f"part-{part:05}").write_bytes(
                b"".join(str(v).encode() + sink.form.delimiter for v in mine)
            )


def _refs(o: Any) -> list[int]:
    from nestflow.plan.builder import operands

    return list(operands(o))


def _lines(source: op.FileSource) -> list:
    lines: list = []
    for path in source.paths:
        if not Path(path).exists():
            raise RunError({"kind": "io", "message": f"no such file: {path}"})
        for line in Path(path).read_bytes().split(b"\n"):
            line = line.removesuffix(b"\r")
            lines.append(line if source.form.encoding is None else line.decode("utf-8", "surrogateescape"))
        if not lines[-1]:
            lines.pop()
    return lines


def _compare_keys(a: Any, b: Any, reverse: bool) -> int:
    if getattr(a, "__nestflow_order__", False):
        return _compare_keys(a.key, b.key, a.reverse)
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        for x, y in zip(a, b):
            if result := _compare_keys(x, y, reverse):
                return result
        a, b = len(a), len(b)
    if a is None or b is None:
        a, b = a is not None, b is not None
    result = -1 if a < b else 1 if b < a else 0
    return -result if reverse else result


def _join(inputs: list[list], kind: JoinKind) -> list:
    rows = [(k, (v,)) for k, v in inputs[0]]
    for place, side in enumerate(inputs[1:], 1):
        matched: set[int] = set()
        out = []
        for k, vs in rows:
            hits = [i for i, (j, _) in enumerate(side) if identity(j) == identity(k)]
            matched.update(hits)
            out += [(k, (*vs, side[i][1])) for i in hits]
            if not hits and kind in (JoinKind.LEFT, JoinKind.FULL):
                out.append((k, (*vs, None)))
        if kind in (JoinKind.FULL, JoinKind.RIGHT):
            out += [(j, (*(None,) * place, v)) for i, (j, v) in enumerate(side) if i not in matched]
        rows = out
    return rows


def _compare(left: list, right: list, kind: CompareKind) -> list:
    a, b = Counter(map(identity, left)), Counter(map(identity, right))
    shown = {identity(x): x for x in (*right, *left)}
    match kind:
        case CompareKind.SUBTRACT:
            return [x for x in left if identity(x) not in b]
        case CompareKind.INTERSECTION:
            return [shown[k] for k in a if k in b]
        case CompareKind.INTERSECTION_ALL:
            return [shown[k] for k in (a & b).elements()]
        case CompareKind.DIFF:
            return [(shown[k], (a[k], b[k])) for k in shown if a[k] != b[k]]
