"""One call of a transform on its way into the plan: what all families need, and nothing else.

Checks arguments, finds the scope where the operator lives (the innermost one of its operands),
brings outer operands into it, and makes handles for what comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from ..errors import NestflowPlanningException
from ..functions import ship_function, ship_value
from ..options import TRANSFORM_OPTIONS, warn_unknown
from ..pcollection import PCollection, collection_at
from ..plan.callsite import call_site
from ..plan.nodes import Flatten, Function, FunctionId, Map, NodeId, SideInput, ToList
from ..pobject import PObject
from ..ptable import PTable
from ..ptype import Dataset, PType
from .serdes import DEFAULTED, given_serde, keeps_to, result_serde

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, TypeVar

    from ..pipeline import Pipeline
    from ..plan.nodes import CallSite, Op
    from ..serde import Serde

    D = TypeVar("D", bound=Dataset)


class Call:
    """A call of the transform ``name``: its place in the plan and its call site."""

    def __init__(
        self,
        name: str,
        options: dict[str, Any],
        inputs: Sequence[object],
        side_inputs: Sequence[object] = (),
    ) -> None:
        """Check the operands and find the scope.

        Args:
            name: the transform as the user wrote it.
            options: what the user gave as keyword options.
            inputs: at least one; each has to be a PCollection or a PObject.
            side_inputs: each has to be a PCollection, a PObject or a PTable.

        Raises:
            ValueError: an operand of another type or of another pipeline.
            NestflowPlanningException: an operand that cannot be seen from here.
        """
        self.name = name
        self.site = call_site(name)
        warn_unknown(options, TRANSFORM_OPTIONS, name)
        self.serde = given_serde(options)
        operands = [_dataset(operand, self.site) for operand in inputs]
        self._operands = operands
        sides = [_side(operand, name) for operand in side_inputs]
        if not operands:
            raise ValueError(f"{name} needs at least one PCollection or PObject")
        self.pipeline: Pipeline = operands[0]._pipeline
        for operand in (*operands, *sides):
            check_visible(self.pipeline, operand, self.site)
        scopes = (operand._scope for operand in (*operands, *sides))
        self.scope = max(scopes, key=self.pipeline._builder.depth)
        self.sides = tuple(self._side_input(side) for side in sides)

    def input(self, dataset: Dataset) -> NodeId:
        """Give the node that stands for the dataset in the scope of this call."""
        return self.pipeline._builder.import_into(self.scope, dataset._node, self.site)

    def side(self, dataset: Dataset, single: bool) -> SideInput:
        """Give a side input that a composite adds; not ``single``: as a sequence, even of a PObject."""
        return SideInput(self.input(dataset), single)

    def function(self, function: Callable[..., Any], role: str = "function") -> FunctionId:
        """Ship a function."""
        return self.pipeline._builder.function(ship_function(function, role))

    def optional(self, function: Callable[..., Any] | None, role: str) -> FunctionId | None:
        """Ship a function that may be left out."""
        return None if function is None else self.function(function, role)

    def zero(self, zero: object) -> tuple[FunctionId, bool]:
        """Ship the start of a fold: a value, or a callable that gives it."""
        if callable(zero):
            return self.function(zero, "zero"), True
        return self.pipeline._builder.function(ship_value(zero, "zero")), False

    def value(self, value: object, role: str, of: Function | None = None) -> FunctionId:
        """Ship a constant; ``of``: a function in it, which may hold state."""
        shipped = ship_value(value, role)
        kind = Function if of is None else type(of)
        return self.pipeline._builder.function(kind(shipped.name, shipped.pickled))

    def node(self, op: Op, single: bool) -> NodeId:
        """Add an operator to the plan."""
        return self.pipeline._builder.add(self.scope, op, single, self.site)

    def collection(self, op: Op) -> PCollection:
        """Add an operator that gives a PCollection."""
        return collection_at(self.pipeline, self.scope, *self._stored(op, single=False))

    def object(self, op: Op) -> PObject:
        """Add an operator that gives a PObject."""
        return PObject(self.pipeline, self.scope, *self._stored(op, single=True))

    def _stored(self, op: Op, single: bool) -> tuple[NodeId, Serde | None]:
        """Add an operator and what an explicit serde asks of its records; give the serde too."""
        node = self.node(op, single)
        if self.serde is not None:
            return self.through(node, keeps_to(self.serde), single), self.serde
        serde = result_serde(self.name, self._operands)
        if serde is None and self.name in DEFAULTED:
            return self.through(node, keeps_to(self.pipeline.default_objector()), single), None
        return node, serde

    def through(self, node: NodeId, function: Callable[[Any], Any] | None, single: bool = False) -> NodeId:
        """Add a function that all records go through, if there is one."""
        return node if function is None else self.node(Map(node, self.function(function)), single)

    def _side_input(self, side: PType) -> SideInput:
        if isinstance(side, PTable):
            if side._scope != self.scope:
                raise outer_table(side, self.site)
            side = table_as_object(side, self.site)
        assert isinstance(side, Dataset)
        return SideInput(self.input(side), isinstance(side, PObject))


def kept_to(made: D, options: dict[str, Any], site: CallSite) -> D:
    """Give a dataset whose records keep to the serde among the options, if there is one."""
    serde = given_serde(options)
    if serde is None:
        return made
    node, through = made._node, keeps_to(serde)
    if through is not None:
        builder = made._pipeline._builder
        step = Map(node, builder.function(ship_function(through)))
        node = builder.add(made._scope, step, isinstance(made, PObject), site)
    if isinstance(made, PObject):
        return type(made)(made._pipeline, made._scope, node, serde)
    return collection_at(made._pipeline, made._scope, node, serde)  # type: ignore[return-value]


def check_visible(pipeline: Pipeline, operand: PType, site: CallSite) -> None:
    """Refuse a dataset of groups that are not around the call.

    Raises:
        ValueError: a dataset of another pipeline.
        NestflowPlanningException: a dataset of groups that the call is outside of.
    """
    if operand._pipeline is not pipeline:
        raise ValueError(f"{site.transform}: a {type(operand).__name__} of another pipeline")
    active = pipeline._scope
    builder = pipeline._builder
    if builder.encloses(operand._scope, active):
        _check_entered(pipeline, operand, site)
        return
    text = (
        f"the {type(operand).__name__} made by {operand._made_at()} lives inside the groups of "
        f"{builder.opener_site(operand._scope)}; "
    )
    if builder.encloses(active, operand._scope):
        text += f"{site} is outside of them. Bring it out with flatten(), flatten_values() or extract_keys()"
    else:
        text += (
            f"{site} is inside the groups of {builder.opener_site(active)}, which belong to a table that was "
            "made outside of them and cannot see their data. Make that table from data of the group"
        )
    raise NestflowPlanningException(text)


def _check_entered(pipeline: Pipeline, operand: PType, site: CallSite) -> None:
    """Refuse data of the group around, where a lifted function of its groups is inside of itself.

    The same grouping is used once more in there, and to the plan, a dataset of its groups is one
    thing: the group around and the group inside would silently be the same.
    """
    builder = pipeline._builder
    for scope, first in pipeline._entered.items():
        if first and builder.encloses(scope, operand._scope):
            for leaf in leaves(operand):
                # The groups of a table are what is seen of it, whatever they hold: outer data, perhaps.
                is_value = isinstance(operand, PTable)
                node, home = (leaf._node, leaf._scope) if is_value else builder.origin(leaf._node)
                if node < first and builder.encloses(scope, home):
                    raise NestflowPlanningException(
                        f"the {type(operand).__name__} made by {operand._made_at()} is data of the group "
                        f"around; {site} is inside a function of the same groups, those of "
                        f"{builder.opener_site(scope)}, used once more. These cannot see that data: group "
                        "anew what is to be compared with each group"
                    )


def leaves(pvalue: PType) -> Iterator[Dataset]:
    """Give the datasets that hold the data: of a table those of its values, at any depth."""
    if isinstance(pvalue, PTable):
        for part in pvalue._values():
            yield from leaves(part)
    elif isinstance(pvalue, Dataset):
        yield pvalue


def outer_table(table: PTable, site: CallSite) -> NestflowPlanningException:
    """Give the error for a table that is used inside groups that it lives outside of."""
    return NestflowPlanningException(
        f"{site}: the PTable made by {table._made_at()} lives outside of the groups where it is used. Pass "
        "to_pobject(table) (a dict) or flatten(table) (pairs) instead, or join with flatten(table)"
    )


def table_as_object(table: PTable, site: CallSite) -> PObject:
    """Add the operators that make a dict of a table: flatten, collect, build."""
    from functools import partial

    from ..keys import dict_of_pairs

    builder = table._pipeline._builder
    leaf = table._leaf(site.transform)
    levels = builder.depth(leaf._scope) - builder.depth(table._scope)
    build = partial(dict_of_pairs, levels=levels, many=isinstance(leaf, PCollection))
    flat = builder.add(table._scope, Flatten(leaf._node, levels), False, site)
    rows = builder.add(table._scope, ToList(flat), True, site)
    function = builder.function(ship_function(build))
    return PObject(table._pipeline, table._scope, builder.add(table._scope, Map(rows, function), True, site))


def need(kind: type[PType], given: object, name: str) -> None:
    """Refuse an operand that is not of the one type that the transform works on.

    Raises:
        ValueError: another type.
    """
    if not isinstance(given, kind):
        raise ValueError(f"{name} works on a {kind.__name__}, not on {_described(given)}")


def _dataset(operand: object, site: CallSite) -> Dataset:
    if isinstance(operand, Dataset):
        return operand
    if isinstance(operand, PTable):
        _refuse_table(operand, site)
    raise ValueError(f"{site.transform} works on a PCollection or PObject, not on {_described(operand)}")


def _refuse_table(table: PTable, site: CallSite) -> NoReturn:
    if table._scope != table._pipeline._scope:
        raise outer_table(table, site)
    raise ValueError(
        f"{site.transform} works on a PCollection or PObject, not on a PTable; use "
        f"apply_values(transforms.{site.transform}, …) for each group, or flatten() before it"
    )


def _side(operand: object, name: str) -> PType:
    if isinstance(operand, (Dataset, PTable)):
        return operand
    raise ValueError(
        f"a side input of {name} has to be a PCollection, a PObject or a PTable, not {_described(operand)}; "
        "a constant can be captured by the function"
    )


def _described(value: object) -> str:
    return f"a {type(value).__name__}" if isinstance(value, PType) else f"{value!r:.100}"
