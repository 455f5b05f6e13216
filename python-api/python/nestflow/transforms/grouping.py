"""Transforms that open a level of grouping: from PCollections to a PTable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..pcollection import PCollection
from ..plan.nodes import KeyBy, Member
from ..ptable import PTable
from .call import Call, need

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan.nodes import NodeId
    from ..pobject import PObject


def group_by(
    pvalue: PCollection | PObject,
    key_extractor: Callable[[Any], Any],
    value_extractor: Callable[[Any], Any] | None = None,
    **options: Any,
) -> PTable:
    """Give a table from ``key_extractor(record)`` to the records, or values, of that key.

    Args:
        pvalue: a PCollection or PObject; empty gives a table without keys.
        key_extractor: keys that Python finds equal are one key.
        value_extractor: what to keep of a record; None keeps all of it.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> table = nf.transforms.group_by(p.parallelize([1, 2, 3]), lambda x: x % 2).get()
        >>> sorted(table.items())
        [(0, [2]), (1, [1, 3])]
    """
    call = Call("group_by", options, [pvalue])
    key = call.function(key_extractor, "key extractor")
    value = call.optional(value_extractor, "value extractor")
    pairs = call.node(KeyBy(call.input(pvalue), key, value), single=False)
    return _one(_open(call, (pairs,)))


def group_by_key(pvalue: PCollection | PObject, **options: Any) -> PTable:
    """Give a table from the first element of each pair to the second ones.

    Args:
        pvalue: records are tuples or lists of two elements, else the run fails; empty gives a table
            without keys.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.group_by_key(p.parallelize([("a", 1), ("a", 2)])).get()
        {'a': [1, 2]}
    """
    call = Call("group_by_key", options, [pvalue])
    return _one(_open(call, (call.input(pvalue),)))


def cogroup(*pcollections: PCollection, **options: Any) -> PTable:
    """Group several PCollections of pairs by one key: the table's value is a tuple of PCollections.

    Args:
        pcollections: at least one; a key of any of them is a key, with empty PCollections elsewhere.
        options: hints, without effect on the result.

    Raises:
        ValueError: no argument, or one that is not a PCollection.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> both = nf.transforms.cogroup(p.parallelize([("a", 1)]), p.parallelize([("a", 2), ("b", 3)]))
        >>> counts = both.apply_values(lambda left, right: left.count() - right.count()).get()
        >>> sorted(counts.items())
        [('a', 0), ('b', -1)]
    """
    call = Call("cogroup", options, pcollections)
    for value in pcollections:
        need(PCollection, value, "cogroup")
    return _open(call, tuple(call.input(value) for value in pcollections))


def _open(call: Call, inputs: tuple[NodeId, ...]) -> PTable:
    builder = call.pipeline._builder
    scope = builder.open_scope(call.scope, inputs, call.site)
    members = tuple(
        PCollection(call.pipeline, scope, builder.add(scope, Member(side), False, call.site))
        for side in range(len(inputs))
    )
    return PTable(call.pipeline, call.scope, scope, members)


def _one(table: PTable) -> PTable:
    value = table._values()[0]
    return PTable(table._pipeline, table._scope, table._inner, value)
