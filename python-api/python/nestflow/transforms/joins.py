"""Joins of PCollections of pairs ``(key, value)``: records ``(key, (v1, …, vn))``, in no order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..options import concurrency
from ..pcollection import PCollection
from ..plan import nodes as op
from ..plan.nodes import JoinKind
from ..serde import DefaultSerde, tuple_of
from .call import Call, need
from .grouping import paired

if TYPE_CHECKING:
    from collections.abc import Sequence


def join(*pcollections: PCollection, **options: Any) -> PCollection:
    """Give each combination of values of a key that occurs on all sides.

    Args:
        pcollections: at least two PCollections of pairs; an empty one gives an empty result.
        options: ``concurrency``: into how many parts Spark deals the keys; other hints are without effect.

    Raises:
        ValueError: fewer than two, or something else than PCollections, or an impossible concurrency.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> ages, towns = p.parallelize([("ann", 30), ("bob", 5)]), p.parallelize([("ann", "Omsk")])
        >>> nf.transforms.join(ages, towns).get()
        [('ann', (30, 'Omsk'))]
    """
    return _join("join", pcollections, JoinKind.INNER, options)


def left_join(*pcollections: PCollection, **options: Any) -> PCollection:
    """Give every row of the first side; a side without the key adds one None.

    Args:
        pcollections: at least two PCollections of pairs.
        options: ``concurrency``: into how many parts Spark deals the keys; other hints are without effect.

    Raises:
        ValueError: fewer than two, or something else than PCollections, or an impossible concurrency.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.left_join(p.parallelize([("a", 1)]), p.parallelize([("b", 2)])).get()
        [('a', (1, None))]
    """
    return _join("left_join", pcollections, JoinKind.LEFT, options)


def right_join(*pcollections: PCollection, **options: Any) -> PCollection:
    """Give every row of the last side; a side without the key adds one None.

    Args:
        pcollections: at least two PCollections of pairs.
        options: ``concurrency``: into how many parts Spark deals the keys; other hints are without effect.

    Raises:
        ValueError: fewer than two, or something else than PCollections, or an impossible concurrency.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.right_join(p.parallelize([("a", 1)]), p.parallelize([("b", 2)])).get()
        [('b', (None, 2))]
    """
    return _join("right_join", pcollections, JoinKind.RIGHT, options)


def full_join(*pcollections: PCollection, **options: Any) -> PCollection:
    """Give every row of every side, joined pairwise from the left; missing values are None.

    Args:
        pcollections: at least two PCollections of pairs.
        options: ``concurrency``: into how many parts Spark deals the keys; other hints are without effect.

    Raises:
        ValueError: fewer than two, or something else than PCollections, or an impossible concurrency.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> rows = nf.transforms.full_join(p.parallelize([("a", 1)]), p.parallelize([("b", 2)]))
        >>> sorted(rows.get())
        [('a', (1, None)), ('b', (None, 2))]
    """
    return _join("full_join", pcollections, JoinKind.FULL, options)


def _join(
    name: str, pcollections: Sequence[PCollection], kind: JoinKind, options: dict[str, Any]
) -> PCollection:
    if len(pcollections) < 2:
        raise ValueError(f"{name} needs at least two PCollections")
    call = Call(name, options, pcollections)
    for value in pcollections:
        need(PCollection, value, name)
    nodes, key_serde, serdes = paired(call, pcollections, options)
    joined = call.collection(op.Join(nodes, kind, concurrency(options)))
    if call.serde is None:
        joined._serde = tuple_of(key_serde, tuple_of(*(serde or DefaultSerde() for serde in serdes)))
    return joined
