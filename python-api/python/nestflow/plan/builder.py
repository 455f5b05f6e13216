"""The plan under construction: every node that the handles of one pipeline have made so far.

Grows only, from any thread. Handles hold a node id and a scope id; all questions about scopes are
answered here. A run gets the part that its targets need (`plan`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, fields, replace
from threading import RLock
from typing import TYPE_CHECKING
from uuid import uuid4

from ..host.functions import of_run
from .nodes import (
    CallSite,
    Function,
    Group,
    Import,
    Keys,
    Literal,
    LogicalPlan,
    Node,
    Op,
    Scope,
    StatefulFunction,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .nodes import Materialized, Target

ROOT = 0
"""The scope that is the whole pipeline."""


@dataclass(frozen=True)
class _Level:
    """What is known of a scope: the scope around it and the `Group` node that opened it."""

    parent: int
    opener: int
    depth: int


class PlanBuilder:
    """Hands out node and scope ids, in dependency order, and remembers what they stand for."""

    def __init__(self) -> None:
        """Start with an empty root scope."""
        self._lock = RLock()
        self._functions: dict[Function, int] = {}
        self._sites: dict[CallSite, int] = {}
        self._site_list: list[CallSite] = []
        self._nodes: list[Node] = []
        self._scope_of: list[int] = []
        self._levels: list[_Level] = [_Level(parent=-1, opener=-1, depth=0)]
        self._imports: dict[tuple[int, int], int] = {}

    def function(self, function: Function) -> int:
        """Give the id of a function; equal functions share one."""
        with self._lock:
            return self._functions.setdefault(function, len(self._functions))

    def site(self, site: CallSite) -> int:
        """Give the id of a call site."""
        with self._lock:
            known = self._sites.setdefault(site, len(self._site_list))
            if known == len(self._site_list):
                self._site_list.append(site)
            return known

    def add(self, scope: int, op: Op, single: bool, site: CallSite) -> int:
        """Add a node to a scope and give its id."""
        with self._lock:
            node = Node(len(self._nodes), op, single, self.site(site))
            self._nodes.append(node)
            self._scope_of.append(scope)
            return node.id

    def open_scope(
        self, parent: int, inputs: tuple[int, ...], site: CallSite, concurrency: int | None = None
    ) -> int:
        """Add a `Group` node to ``parent`` and give the scope that it opens."""
        with self._lock:
            scope = len(self._levels)
            opener = self.add(parent, Group(inputs, scope, concurrency), False, site)
            self._levels.append(_Level(parent, opener, self._levels[parent].depth + 1))
            return scope

    def import_into(self, scope: int, node: int, site: CallSite) -> int:
        """Give the node that stands in ``scope`` for a node of ``scope`` or of one around it."""
        with self._lock:
            if self._scope_of[node] == scope:
                return node
            known = self._imports.get((scope, node))
            if known is None:
                known = self.add(scope, Import(node), self._nodes[node].single, site)
                self._imports[scope, node] = known
            return known

    def size(self) -> int:
        """How many nodes there are; the next one has this id."""
        return len(self._nodes)

    def origin(self, node: int) -> tuple[int, int]:
        """The node that was imported, through all scopes, or the node itself; and its scope."""
        while isinstance(op := self._nodes[node].op, Import):
            node = op.node
        return node, self._scope_of[node]

    def op(self, node: int) -> Op:
        """What a node does."""
        return self._nodes[node].op

    def function_at(self, index: int) -> Function:
        """The function of an id."""
        with self._lock:
            return next(itertools.islice(self._functions, index, None))

    def depth(self, scope: int) -> int:
        """How many groupings are around the scope; 0 for the root."""
        return self._levels[scope].depth

    def encloses(self, outer: int, inner: int) -> bool:
        """Whether ``outer`` is ``inner`` or a scope around it."""
        while self._levels[inner].depth > self._levels[outer].depth:
            inner = self._levels[inner].parent
        return inner == outer

    def site_at(self, index: int) -> CallSite:
        """The user's line of an id."""
        return self._site_list[index]

    def site_of(self, node: int) -> CallSite:
        """The user's line that made a node."""
        return self._site_list[self._nodes[node].site]

    def opener_site(self, scope: int) -> CallSite:
        """The user's line that opened a scope, which is not the root."""
        return self.site_of(self._levels[scope].opener)

    def plan(self, targets: Iterable[Target], materialized: Iterable[Materialized]) -> LogicalPlan:
        """Give the part of the plan that the targets need, and the engine does not hold.

        Functions keep their index; those that this part does not call are there without bytes.
        """
        with self._lock:
            return self._plan(tuple(targets), tuple(materialized))

    def _plan(self, targets: tuple[Target, ...], materialized: tuple[Materialized, ...]) -> LogicalPlan:
        # What is held in groups is read by the keys of its grouping, which is made again.
        held = {m.node for m in materialized if self._scope_of[m.node] == ROOT}
        needed = self._reachable((target.node for target in targets), held)
        members: list[list[Node]] = [[] for _ in self._levels]
        called: set[int] = set()
        for node in self._nodes:
            if node.id in needed:
                if node.id in held:
                    # How it was made is of no use any more; literal data can be as large as memory.
                    node = replace(node, op=Literal(()))
                members[self._scope_of[node.id]].append(node)
                called.update(functions_of(node.op))
        for target in targets:
            called.update(functions_of(getattr(target, "sink", None)))
        run = uuid4().bytes
        return LogicalPlan(
            functions=tuple(
                _in_run(f, run) if i in called else Function(f.name, b"") for f, i in self._functions.items()
            ),
            sites=tuple(self._site_list),
            root=self._tree(members, needed),
            targets=targets,
            materialized=tuple(m for m in materialized if m.node in needed),
        )

    def _reachable(self, start: Iterable[int], held: set[int]) -> set[int]:
        needed: set[int] = set()
        waiting = list(start)
        while waiting:
            node = waiting.pop()
            if node in needed:
                continue
            needed.add(node)
            if node in held:
                continue
            op = self._nodes[node].op
            waiting.extend(operands(op))
            scope = op.scope if isinstance(op, Keys) else self._scope_of[node]
            if scope != ROOT:
                waiting.append(self._levels[scope].opener)
        return needed

    def _tree(self, members: list[list[Node]], needed: set[int]) -> Scope:
        # A scope's parent has a smaller id, so going backwards finds every child made already.
        children: list[list[Scope]] = [[] for _ in self._levels]
        for scope in range(len(self._levels) - 1, ROOT, -1):
            level = self._levels[scope]
            if level.opener in needed:
                made = Scope(scope, tuple(members[scope]), tuple(reversed(children[scope])))
                children[level.parent].append(made)
        return Scope(ROOT, tuple(members[ROOT]), tuple(reversed(children[ROOT])))


def operands(op: Op) -> Iterator[int]:
    """Give the nodes that an operator refers to.

    Example:
        >>> from nestflow.plan.nodes import Map, SideInput
        >>> list(operands(Map(3, 0, (SideInput(1, True),))))
        [3, 1]
    """
    for name in ("input", "node", "left", "right"):
        if hasattr(op, name):
            yield getattr(op, name)
    yield from getattr(op, "inputs", ())
    for side in getattr(op, "sides", ()):
        yield side.node


def _in_run(function: Function, run: bytes) -> Function:
    if isinstance(function, StatefulFunction):
        return Function(function.name, of_run(function.pickled, run))
    return function


def functions_of(holder: object) -> Iterator[int]:
    """Give the functions that an operator or a sink refers to, in the order of its fields.

    Example:
        >>> from nestflow.plan.nodes import Map, Sort
        >>> list(functions_of(Map(3, 7))), list(functions_of(Sort(3, None, False)))
        ([7], [])
    """
    if holder is None:
        return
    for field in fields(holder):  # type: ignore[arg-type]
        value = getattr(holder, field.name)
        if value is None:
            continue
        if field.name in ("sort", "form"):
            yield from functions_of(value)
        elif "FunctionId" in str(field.type):
            yield value
