"""Plan-time functions applied to every record of a collection, as if each were a group of its own.

The function builds operators over the record. Where they look at nothing but the record and outer data,
they become one function of a record (`row_program`), and no data are moved; otherwise the records
really are groups.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from ..functions import ship_function
from ..plan import nodes as op
from ..plan.builder import functions_of, operands
from ..plan.callsite import call_site
from ..pobject import PObject
from ..ptable import PTable
from ..ptype import Dataset, PType
from ..transforms.call import Call, check_visible
from ..transforms.positions import group_by_every_record
from ..transforms.serdes import UNSEEN
from ..transforms.sets import cartesian
from ..transforms.tables import flatten_values
from .row_program import OUTER, RECORD, Instruction, Part, RowProgram, knows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..pcollection import PCollection
    from ..plan.builder import PlanBuilder
    from ..plan.nodes import FunctionId, NodeId


def per_record(
    name: str,
    pvalue: PCollection,
    build: Callable[[PObject], tuple[Sequence[Dataset], Callable[[tuple[Any, ...]], Any]]],
) -> PCollection:
    """Give, for each record, ``make(combination)`` of all combinations of what is built.

    Args:
        name: the transform, for messages.
        pvalue: the records.
        build: gets the record as a PObject; gives datasets of its scope or of those around, and ``make``,
            from a tuple of their values to a record of the result.
    """
    table = group_by_every_record(pvalue)
    pipeline, inner = table._pipeline, table._inner
    builder = pipeline._builder
    site = call_site(name)
    record = PObject(pipeline, inner, builder.add(inner, op.Member(0), True, site), pvalue._serde)
    with pipeline._within(inner):
        results, make = build(record)
        for result in results:
            check_visible(pipeline, result, site)
        nodes = [builder.import_into(inner, result._node, site) for result in results]
        compiler = _Compiler(builder, record._node, name)
        if not compiler.compile(nodes):
            here = [result._moved(inner, node) for result, node in zip(results, nodes, strict=True)]
            combined = cartesian(*here).map(make, **UNSEEN)
            groups = PTable(pipeline, table._scope, inner, combined)
    if compiler.failed:
        made: PCollection = flatten_values(groups)
        return made
    call = Call(name, {}, [pvalue])
    shipped = ship_function(compiler.finished(nodes, make), name)
    if compiler.stateful:
        shipped = op.StatefulFunction(shipped.name, shipped.pickled)
    function = builder.function(shipped)
    outer = (builder.import_into(call.scope, node, call.site) for node in compiler.outer)
    sides = tuple(op.SideInput(node, False) for node in outer)
    return call.collection(op.FlatMap(call.input(pvalue), function, sides))


def datasets_of(values: Any) -> list[Dataset]:
    """Give the datasets among the values.

    Raises:
        ValueError: a PTable.

    Example:
        >>> datasets_of([1, "a"])
        []
    """
    for value in values:
        if isinstance(value, PType) and not isinstance(value, Dataset):
            raise ValueError("a column cannot be a PTable: use flatten() or to_pobject() first")
    return [value for value in values if isinstance(value, Dataset)]


class _Compiler:
    """Makes instructions of the operators that some nodes need."""

    def __init__(self, builder: PlanBuilder, record: NodeId, name: str) -> None:
        self.builder = builder
        self.name = name
        self.outer: list[NodeId] = []
        self.failed = False
        self._instructions = [Instruction(RECORD)]
        self._known = {record: 0}
        self._parts: dict[FunctionId, Part] = {}
        self.stateful = False

    def compile(self, nodes: Sequence[NodeId]) -> bool:
        """Whether all of it can be done record by record."""
        for node in nodes:
            self._place(node)
        return not self.failed

    def finished(self, nodes: Sequence[NodeId], make: Callable[[tuple[Any, ...]], Any]) -> RowProgram:
        """Give the program."""
        return RowProgram(self.name, self._instructions, [self._known[node] for node in nodes], make)

    def _place(self, node: NodeId) -> int:
        if node in self._known or self.failed:
            return self._known.get(node, 0)
        o = self.builder.op(node)
        if isinstance(o, op.Import):
            made = Instruction(OUTER, number=len(self.outer))
            self.outer.append(o.node)
        elif knows(type(o).__name__) and not self._needs_the_engine(o):
            made = self._instruction(o)
        else:
            self.failed = True
            return 0
        self._instructions.append(made)
        self._known[node] = len(self._instructions) - 1
        return self._known[node]

    def _instruction(self, o: op.Op) -> Instruction:
        sides = getattr(o, "sides", ())
        reads = list(operands(o))[: -len(sides) or None]
        number = next((getattr(o, name) for name in ("limit", "callable", "kind") if hasattr(o, name)), 0)
        flag = next((getattr(o, name) for name in ("reverse", "largest") if hasattr(o, name)), False)
        return Instruction(
            type(o).__name__,
            tuple(self._part(function) for function in functions_of(o)),
            tuple(self._place(node) for node in reads),
            tuple((self._place(side.node), side.single) for side in sides),
            int(number),
            flag,
        )

    def _part(self, number: FunctionId) -> Part:
        if number not in self._parts:
            function = self.builder.function_at(number)
            self.stateful |= isinstance(function, op.StatefulFunction)
            self._parts[number] = Part(function.pickled)
        return self._parts[number]

    def _needs_the_engine(self, o: op.Op) -> bool:
        """Whether a function is to run in some processes only, or to get so many bytes at a time."""
        from ..host.batches import Batches

        if not isinstance(o, op.Transformer) or not o.parts:
            return False
        shipped = self.builder.function_at(o.transformer)
        walker = pickle.loads(shipped.pickled)
        # What is in it, no program of ours loads.
        stateful = isinstance(shipped, op.StatefulFunction)
        batches = isinstance(walker, Batches) and (walker.settings.limited or stateful)
        return o.instances is not None or batches
