"""Transforms that look at where a record stands in its dataset, and those that follow from it.

A position is a number of the engine's: it grows in the order of the dataset, the same for every
attempt at a task, with gaps between the parts that tasks work on.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..functions import function_name, ship_function
from ..options import TRANSFORM_OPTIONS, warn_unknown
from ..pcollection import PCollection, collection_at
from ..plan import nodes as op
from ..plan.builder import ROOT
from ..ptable import PTable
from ..ptype import Dataset
from ..serde import tuple_of
from . import placed
from .aggregation import max, to_list_pobject
from .call import Call
from .elementwise import flat_map, map
from .grouping import group_by_key
from .sequential import transform
from .serdes import UNSEEN, last_step
from .tables import flatten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..pobject import PObject
    from ..serde import Serde


def zip_with_index(pvalue: PCollection | PObject, **options: Any) -> PCollection:
    """Give ``(record, index)`` for each record: its place in the order of the dataset, from 0.

    A whole dataset is numbered by all tasks, after they have counted their parts.

    Args:
        pvalue: a PCollection or PObject; empty gives empty. In groups, each group counts from 0.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.zip_with_index(p.parallelize(["a", "b"])).get()
        [('a', 0), ('b', 1)]
    """
    warn_unknown(options, TRANSFORM_OPTIONS, "zip_with_index")
    if isinstance(pvalue, Dataset) and pvalue._scope != ROOT:
        made = transform(pvalue, placed.Counter(), **last_step(options))
    else:
        placed_records = numbered("zip_with_index", pvalue, options)
        last = group_by_key(map(placed_records, placed.part_and_place, **UNSEEN)).apply_values(max)
        first = map(to_list_pobject(flatten(last)), placed.offsets, **UNSEEN)
        made = map(placed_records, placed.indexed, first, **last_step(options))
    return _known(made, tuple_of(pvalue.serde(), int), options)


def sample(
    pvalue: PCollection | PObject,
    with_replacement: bool,
    fraction: float,
    seed: int | None = None,
    **options: Any,
) -> PCollection:
    """Give some of the records, chosen at random, in their order.

    Args:
        pvalue: a PCollection or PObject; empty gives empty.
        with_replacement: a record may be chosen several times.
        fraction: how many of all records to expect: from 0 to 1, without an upper limit with
            replacement.
        seed: the same seed chooses the same records of the same dataset, as long as it is cut into the
            same parts; None takes another one with every call.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type, or a fraction that cannot be.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> some = nf.transforms.sample(p.parallelize(list(range(1000))), False, 0.1, seed=7).get()
        >>> 50 < len(some) < 150
        True
    """
    most = float("inf") if with_replacement else 1
    if not isinstance(fraction, (int, float)) or not 0 <= fraction <= most or math.isinf(fraction):
        raise ValueError(f"the fraction of a sample is from 0 to {most}, not {fraction!r:.100}")
    if seed is None:
        import secrets

        seed = secrets.randbits(63)
    chosen = placed.Copies(fraction, seed) if with_replacement else placed.Chosen(fraction, seed)
    made = flat_map(numbered("sample", pvalue, options), chosen, **last_step(options))
    return _known(made, pvalue._serde, options)


def map_partitions(
    pvalue: PCollection | PObject, fn: Callable[[Iterator[Any]], Iterable[Any]], **options: Any
) -> PCollection:
    """Give each element of ``fn(records)`` for each of the parts that the dataset is cut into.

    Which parts there are is the engine's choice, one for each task that works on the dataset; none is
    empty. No order between parts. Records are made as the function asks for them, and its results are
    taken as it gives them: neither a part nor what comes of it has to fit into memory.

    Args:
        pvalue: a PCollection or PObject; empty gives empty.
        fn: takes an iterator of the records of a part, in their order.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> numbers = p.parallelize(list(range(100)))
        >>> sum(nf.transforms.map_partitions(numbers, lambda part: [sum(part)]).get())
        4950
    """
    return _of_parts("map_partitions", pvalue, fn, options)


def glom(pvalue: PCollection | PObject, **options: Any) -> PCollection:
    """Give a list of the records of each of the parts that the dataset is cut into.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> [x for part in nf.transforms.glom(p.parallelize([1, 2, 3])).get() for x in part]
        [1, 2, 3]
    """
    return _of_parts("glom", pvalue, placed.as_one, options)


def group_by_every_record(pvalue: PCollection | PObject, **options: Any) -> PTable:
    """Give a table with a group for each record, under a text that no other record has.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> alone = nf.transforms.group_by_every_record(p.parallelize([3, 3]))
        >>> alone.apply_values(nf.transforms.count).flatten_values().get()
        [1, 1]
    """
    named = numbered("group_by_every_record", pvalue, options, text=True)
    table = group_by_key(named, value_serde=options.get("serde"))
    leaf = table._values()[0]
    assert isinstance(leaf, PCollection)
    return PTable(
        table._pipeline, table._scope, table._inner, _known(leaf, pvalue._serde, options), table._key_serde
    )


def _of_parts(
    name: str,
    pvalue: PCollection | PObject,
    fn: Callable[[Iterator[Any]], Iterable[Any]],
    options: dict[str, Any],
) -> PCollection:
    from ..host.batches import Batches, Settings

    ship_function(fn, "function")
    call = Call(name, options, [pvalue])
    function = ship_function(placed.OfPart(fn))
    batches = Batches(function.pickled, None, Settings("list", placed.BATCH, placed.BATCH_BYTES, True))
    walker = call.value(batches, function_name(fn))
    return call.collection(op.Transformer(call.input(pvalue), walker, parts=True))


def _known(made: PCollection, serde: Serde | None, options: dict[str, Any]) -> PCollection:
    """Give the collection with the serde that it has by its input, unless the call was given another."""
    if options.get("serde") is not None:
        return made
    return collection_at(made._pipeline, made._scope, made._node, serde)


def numbered(
    name: str, pvalue: PCollection | PObject, options: dict[str, Any], text: bool = False
) -> PCollection:
    """Give ``(position, record)`` for each record, for the transform ``name`` and its options.

    A serde among these is for the records of the transform, not for such pairs. ``text``: positions are
    hexadecimal texts.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> numbered("sample", nf.Pipeline.create("local").parallelize(["a"]), {})
        [...]
    """
    call = Call(name, {**options, "serde": None}, [pvalue])
    return call.collection(op.Numbered(call.input(pvalue), text))
