"""A logical plan and the groups of its scopes.

A path is the identities of the keys from the root down to a scope: it names one group.
"""

from __future__ import annotations

import itertools
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from nestflow.plan import nodes as op

from .identity import identity, least
from .rows import MISSING, Row, Rows, merged

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[Any, ...]


class Fails(Exception):
    """The run has to fail; the arguments say why."""


class Group:
    """One group: the rows of each input of the grouping, with their keys."""

    def __init__(self, sides: int) -> None:
        self.members: list[list[Row]] = [[] for _ in range(sides)]

    def keys(self) -> tuple[Any, ...]:
        """The shown keys of what is made of the whole group."""
        return merged(itertools.chain(*self.members))


class Groups:
    """The scopes of a plan, and which groups they have."""

    def __init__(self, plan: op.LogicalPlan) -> None:
        self.plan = plan
        self.nodes: dict[int, op.Node] = {}
        self.scope_of: dict[int, int] = {}
        self._parents: dict[int, int] = {}
        self._openers: dict[int, op.Group] = {}
        self._enter(plan.root, -1)
        self._known_groups: dict[tuple[int, Path], dict[Any, Group]] = {}

    def _enter(self, scope: op.Scope, parent: int) -> None:
        self._parents[scope.id] = parent
        for node in scope.nodes:
            self.nodes[node.id] = node
            self.scope_of[node.id] = scope.id
            if isinstance(node.op, op.Group):
                self._openers[node.op.scope] = node.op
        for child in scope.children:
            self._enter(child, scope.id)

    @abstractmethod
    def rows(self, node: int, path: Path) -> Rows:
        """The rows of a node in one group."""

    def depth(self, node: int) -> int:
        """How many groupings are around a node."""
        return len(self._chain(self.scope_of[node]))

    def source(self, scope: int, side: int) -> int:
        """The node that is an input of the grouping which opens the scope."""
        return self._openers[scope].inputs[side]

    def group(self, scope: int, path: Path) -> Group:
        """The group at a path."""
        return self.groups(scope, path[:-1])[path[-1]]

    def groups(self, scope: int, path: Path) -> dict[Any, Group]:
        """The groups that a scope has in one group of the scope around it: by keys of all inputs."""
        known = self._known_groups.get((scope, path))
        if known is not None:
            return known
        inputs = self._openers[scope].inputs
        groups: dict[Any, Group] = {}
        for side, node in enumerate(inputs):
            for row in self.rows(node, path):
                key, value = pair(row.value)
                group = groups.setdefault(identity(key), Group(len(inputs)))
                group.members[side].append(Row((*row.keys, key), value))
        self._known_groups[scope, path] = groups
        return groups

    def paths(self, scope: int, within: Path) -> Iterator[Path]:
        """The paths of all groups of a scope inside a group of a scope around it."""
        chain = self._chain(scope)
        if len(chain) == len(within):
            yield within
            return
        for key in self.groups(chain[len(within)], within):
            yield from self.paths(scope, (*within, key))

    def whole_keys(self, scope: int, path: Path) -> tuple[Any, ...]:
        """The shown keys of what is made of the whole group at a path."""
        if not path:
            return ()
        keys = self.group(scope, path).keys()
        outer = (*self.whole_keys(self._parents[scope], path[:-1]), MISSING)
        return tuple(o if k is MISSING else k for k, o in zip(keys, outer, strict=True))

    def shown(self, row: Row, scope: int, path: Path) -> tuple[Any, ...]:
        """The row's own keys; those of the whole group where the row came from outside of it."""
        if not any(key is MISSING for key in row.keys):
            return row.keys
        whole = self.whole_keys(scope, path)
        return tuple(w if k is MISSING else k for k, w in zip(row.keys, whole, strict=True))

    def table(self, node: int, many: bool) -> dict[Any, Any]:
        """The (nested) dict of a table whose leaf is the node; groups without a record are left out."""
        scope = self.scope_of[node]
        top: dict[Any, Any] = {}
        for path in self.paths(scope, ()):
            rows = self.rows(node, path)
            for row in rows:
                level = top
                for one, key in zip(path, self.shown(row, scope, path), strict=True):
                    keys, level = level.setdefault(one, ([], {}))
                    keys.append(key)
                level["leaf"] = rows.values() if many else row.value
        return _shown_dict(top, len(self._chain(scope)))

    def _chain(self, scope: int) -> list[int]:
        """The scopes from below the root down to this one."""
        chain: list[int] = []
        while self._parents[scope] >= 0:
            chain.insert(0, scope)
            scope = self._parents[scope]
        return chain


def pair(value: Any) -> tuple[Any, Any]:
    """Key and value of a record that has to be a pair."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise Fails(f"not a pair: {value!r}")
    return value[0], value[1]


def _shown_dict(entries: dict[Any, Any], levels: int) -> dict[Any, Any]:
    return {
        least(keys): _shown_dict(inner, levels - 1) if levels > 1 else inner["leaf"]
        for keys, inner in entries.values()
    }
