"""Transforms that open a level of grouping: from PCollections to a PTable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..options import concurrency
from ..pcollection import PCollection, collection_at
from ..plan.nodes import KeyBy, Member
from ..ptable import PTable
from ..serde import extract_elem
from .call import Call, need
from .lowered import whole_record
from .serdes import KeyThrough, PairThrough, given_serde, keeps_to

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..plan.nodes import NodeId
    from ..pobject import PObject
    from ..serde import Serde


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
        options: ``concurrency``: into how many parts Spark deals the groups; other hints are without effect.

    Raises:
        ValueError: an operand of another type, or an impossible concurrency.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> table = nf.transforms.group_by(p.parallelize([1, 2, 3]), lambda x: x % 2).get()
        >>> sorted(table.items())
        [(0, [2]), (1, [1, 3])]
    """
    call = Call("group_by", options, [pvalue])
    default = call.pipeline.default_objector()
    key_serde, kept = given_serde(options, "key_serde"), given_serde(options, "value_serde")
    key = call.function(_through(key_extractor, key_serde or default), "key extractor")
    if value_extractor is None and kept is not None and keeps_to(kept) is not None:
        value_extractor = whole_record
    if value_extractor is not None:
        value_extractor = _through(value_extractor, kept or default)
    elif kept is None:
        kept = pvalue._serde
    value = call.optional(value_extractor, "value extractor")
    pairs = call.node(KeyBy(call.input(pvalue), key, value), single=False)
    return _one(_open(call, (pairs,), key_serde, [kept], options))


def _through(extractor: Callable[[Any], Any], serde: Serde) -> Callable[[Any], Any]:
    through = keeps_to(serde)
    return KeyThrough(extractor, through) if through is not None and callable(extractor) else extractor


def group_by_key(pvalue: PCollection | PObject, **options: Any) -> PTable:
    """Give a table from the first element of each pair to the second ones.

    Args:
        pvalue: records are tuples or lists of two elements, else the run fails; empty gives a table
            without keys.
        options: ``concurrency``: into how many parts Spark deals the groups; other hints are without effect.

    Raises:
        ValueError: an operand of another type, or an impossible concurrency.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.group_by_key(p.parallelize([("a", 1), ("a", 2)])).get()
        {'a': [1, 2]}
    """
    call = Call("group_by_key", options, [pvalue])
    return _one(_pairs(call, [pvalue], options))


def cogroup(*pcollections: PCollection, **options: Any) -> PTable:
    """Group several PCollections of pairs by one key: the table's value is a tuple of PCollections.

    Args:
        pcollections: at least one; a key of any of them is a key, with empty PCollections elsewhere.
        options: ``concurrency``: into how many parts Spark deals the groups; other hints are without effect.

    Raises:
        ValueError: no argument, one that is not a PCollection, or an impossible concurrency.

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
    return _pairs(call, pcollections, options)


def _pairs(call: Call, sides: Sequence[PCollection | PObject], options: dict[str, Any]) -> PTable:
    """Group pairs by their keys."""
    nodes, key_serde, serdes = paired(call, sides, options)
    return _open(call, nodes, key_serde, serdes, options)


def paired(
    call: Call, sides: Sequence[PCollection | PObject], options: dict[str, Any]
) -> tuple[tuple[NodeId, ...], Serde, list[Serde | None]]:
    """Give the nodes of pairs, after what explicit serdes ask of them, and the serdes of both parts."""
    default = call.pipeline.default_objector()
    key_serde = given_serde(options, "key_serde")
    wanted = options.get("value_serdes") or [options.get("value_serde")] * len(sides)
    if options.get("value_serdes") and len(wanted) != len(sides):
        raise ValueError(f"{call.name}: {len(wanted)} value_serdes for {len(sides)} datasets")
    values = [given_serde({"value_serdes": serde}, "value_serdes") for serde in wanted]
    nodes = []
    for side, value in zip(sides, values, strict=True):
        through = [None if serde is None else keeps_to(serde) for serde in (key_serde, value)]
        pairs = None if through == [None, None] else PairThrough(*through)
        nodes.append(call.through(call.input(side), pairs))
    known = [extract_elem(side.serde(), 1, default) for side in sides]
    if key_serde is None:
        key_serde = extract_elem(sides[0].serde(), 0, default)
    kept: list[Serde | None] = [old if new is None else new for old, new in zip(known, values, strict=True)]
    return tuple(nodes), key_serde, kept


def _open(
    call: Call,
    inputs: tuple[NodeId, ...],
    key_serde: Serde | None,
    serdes: Sequence[Serde | None],
    options: dict[str, Any],
) -> PTable:
    builder = call.pipeline._builder
    scope = builder.open_scope(call.scope, inputs, call.site, concurrency(options))
    members = tuple(
        collection_at(call.pipeline, scope, builder.add(scope, Member(side), False, call.site), serde)
        for side, serde in enumerate(serdes)
    )
    return PTable(call.pipeline, call.scope, scope, members, key_serde)


def _one(table: PTable) -> PTable:
    value = table._values()[0]
    return PTable(table._pipeline, table._scope, table._inner, value, table._key_serde)
