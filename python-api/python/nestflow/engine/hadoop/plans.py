"""What a plan has to do with far files, and the same plan over copies of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...functions import ship_function
from ...plan.builder import operands
from ...plan.nodes import Files, FileSource, Group, Keys, Map, Node, Write
from .paths import far_path, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...plan.nodes import LogicalPlan, Scope, Target
    from .paths import FarPath


def far_sources(plan: LogicalPlan) -> list[FarPath]:
    """Give the far paths that a run is going to read, each once."""
    needed = _needed(plan)
    paths = [
        far_path(path)
        for node in plan.root.nodes
        if isinstance(node.op, Files) and node.id in needed
        for path in node.op.source.paths
    ]
    return list(dict.fromkeys(path for path in paths if path is not None))


def far_sinks(plan: LogicalPlan) -> list[tuple[Write, FarPath]]:
    """Give what a run is going to write to far places."""
    writes = [target for target in plan.targets if isinstance(target, Write)]
    found = [(write, far_path(write.sink.path)) for write in writes]
    return [(write, path) for write, path in found if path is not None]


def over_copies(plan: LogicalPlan, sources: str, targets: str) -> LogicalPlan:
    """Give the plan that reads from one tree of copies, and writes to another."""
    functions = list(plan.functions)
    nodes: list[Node] = []
    for node in plan.root.nodes:
        source = _source_in(sources, node)
        if source is None:
            nodes.append(node)
        elif not source.named:
            nodes.append(replace(node, op=Files(source)))
        else:
            # The id before that of a source with names is nobody's (`FileInput._records`).
            nodes.append(replace(node, id=node.id - 1, op=Files(source)))
            nodes.append(replace(node, op=Map(node.id - 1, len(functions))))
            functions.append(ship_function(_Addresses(sources)))
    return replace(
        plan,
        functions=tuple(functions),
        root=replace(plan.root, nodes=tuple(nodes)),
        targets=tuple(_target_in(targets, target) for target in plan.targets),
    )


class _Addresses:
    """From pairs with the path of a copy to pairs with its address."""

    def __init__(self, tree: str) -> None:
        self.tree = tree

    def __call__(self, pair: tuple[str, object]) -> tuple[str, object]:
        return shown(pair[0], self.tree), pair[1]


def _source_in(tree: str, node: Node) -> FileSource | None:
    """The source of a node over copies; None: nothing of it is far."""
    if not isinstance(node.op, Files):
        return None
    paths = [(path, far_path(path)) for path in node.op.source.paths]
    if all(far is None for _, far in paths):
        return None
    near = (path if far is None else far.pattern_inside(tree) for path, far in paths)
    return replace(node.op.source, paths=tuple(near))


def _target_in(tree: str, target: Target) -> Target:
    far = far_path(target.sink.path) if isinstance(target, Write) else None
    if far is None or not isinstance(target, Write):
        return target
    return replace(target, sink=replace(target.sink, path=far.inside(tree)))


def _needed(plan: LogicalPlan) -> set[int]:
    """The nodes that a run computes: what is kept already needs nothing."""
    nodes: dict[int, tuple[Node, int]] = {}
    openers: dict[int, int] = {}
    for scope in _scopes(plan.root):
        for node in scope.nodes:
            nodes[node.id] = (node, scope.id)
            if isinstance(node.op, Group):
                openers[node.op.scope] = node.id
    held = {kept.node for kept in plan.materialized}
    needed: set[int] = set()
    waiting = [target.node for target in plan.targets]
    while waiting:
        id = waiting.pop()
        if id in needed or id in held:
            continue
        needed.add(id)
        node, scope_id = nodes[id]
        waiting.extend(operands(node.op))
        inside = node.op.scope if isinstance(node.op, Keys) else scope_id
        if inside in openers:
            waiting.append(openers[inside])
    return needed


def _scopes(scope: Scope) -> Iterator[Scope]:
    yield scope
    for child in scope.children:
        yield from _scopes(child)
