"""Transforms that look at one record at a time. All of them keep the order of their input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..pcollection import PCollection, SchemaPCollection
from ..plan.nodes import Filter, FlatMap, Foreach, Map
from ..pobject import PObject
from ..ptable import PTable
from .call import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..ptype import PType

D = TypeVar("D", PCollection, PObject)


def map(pvalue: D, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> D:
    """Give ``fn(record, *side_inputs)`` for each record.

    Args:
        pvalue: a PCollection gives a PCollection, a PObject a PObject; empty gives empty. A
            SchemaPCollection gives one whose fields nobody knows, until `as_schema` says them.
        fn: any result is a record, None too.
        side_inputs: arrive as a value (PObject), a sequence (PCollection) or a dict (PTable).
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.map(p.parallelize([1, 2]), lambda x, by: x * by, p.parallelize(10)).get()
        [10, 20]
    """
    call = Call("map", options, [pvalue], side_inputs)
    op = Map(call.input(pvalue), call.function(fn), call.sides)
    if isinstance(pvalue, PObject):
        return call.object(op)
    made = call.collection(op)
    return SchemaPCollection._with_any_fields(made) if isinstance(pvalue, SchemaPCollection) else made


def flat_map(
    pvalue: PCollection | PObject, fn: Callable[..., Any], *side_inputs: PType, **options: Any
) -> PCollection:
    """Give each element of ``fn(record, *side_inputs)``, an iterable, for each record.

    Args:
        pvalue: a PCollection or PObject; empty gives empty.
        fn: a result that is not iterable is the user's ``TypeError`` at the run.
        side_inputs: as for `map`.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.flat_map(p.parallelize(["a b", "c"]), str.split).get()
        ['a', 'b', 'c']
    """
    call = Call("flat_map", options, [pvalue], side_inputs)
    return call.collection(FlatMap(call.input(pvalue), call.function(fn), call.sides))


def filter(
    pvalue: PCollection | PObject, fn: Callable[..., Any], *side_inputs: PType, **options: Any
) -> PCollection:
    """Give the records for which ``fn(record, *side_inputs)`` is true.

    Args:
        pvalue: a PCollection or PObject; empty gives empty.
        fn: the truth of its result counts.
        side_inputs: as for `map`.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.filter(p.parallelize([3, 4, 5]), lambda x: x % 2).get()
        [3, 5]
    """
    call = Call("filter", options, [pvalue], side_inputs)
    return call.collection(Filter(call.input(pvalue), call.function(fn), call.sides))


def foreach(
    pvalue: PCollection | PObject | PTable, fn: Callable[..., Any], *side_inputs: PType, **options: Any
) -> None:
    """Call ``fn(record, *side_inputs)`` for its effect, once, at the next run.

    Args:
        pvalue: a PCollection or PObject; of a PTable, each record of each group. Empty: nothing.
        fn: its result is dropped.
        side_inputs: as for `map`.
        options: hints, without effect.

    Raises:
        ValueError: an operand of another type.
        NestflowPlanningException: the values of the table are a tuple.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local", host="in_process")
        >>> nf.transforms.foreach(p.parallelize([1, 2]), lambda x: None)
        >>> p.run()
    """
    if isinstance(pvalue, PTable):
        pvalue._leaf("foreach")
        pvalue.apply_values(_visit, fn, *side_inputs, **options)
        return
    call = Call("foreach", options, [pvalue], side_inputs)
    node = call.node(Foreach(call.input(pvalue), call.function(fn), call.sides), single=False)
    call.pipeline._add_effect(node)


def _visit(value: Any, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> Any:
    foreach(value, fn, *side_inputs, **options)
    return value
