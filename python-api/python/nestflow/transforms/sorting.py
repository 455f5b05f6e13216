"""Transforms about the order of a dataset: sorting it, and taking the first or the extreme records."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from ..pcollection import PCollection
from ..plan import nodes as op
from ..pobject import PObject
from .call import Call, need
from .lowered import Limit

if TYPE_CHECKING:
    from collections.abc import Callable

_I64 = 2**63


def sort(pvalue: PCollection | PObject, reverse: bool = False, **options: Any) -> PCollection:
    """Sort the records by themselves; equal ones keep their order. None is least.

    Args:
        pvalue: a PCollection or PObject; empty gives empty.
        reverse: its truth asks for descending order.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.sort(p.parallelize([2, 3, 1]), reverse=True).get()
        [3, 2, 1]
    """
    return _sort("sort", pvalue, None, reverse, options)


def sort_by(
    pvalue: PCollection | PObject,
    key: Callable[[Any], Any] | None,
    reverse: bool = False,
    **options: Any,
) -> PCollection:
    """Sort the records by a key; equal keys keep their order. None is least.

    Args:
        pvalue: a PCollection or PObject; empty gives empty.
        key: gives a value or a tuple of values; ``sort.ASC(v)`` and ``sort.DESC(v)`` (of
            `nestflow.transform_impls.sort`) set the direction of one part. None: the record itself.
        reverse: its truth asks for descending order.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type, or a key that is not callable.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.sort_by(p.parallelize(["bb", "a", "cc"]), len).get()
        ['a', 'bb', 'cc']
    """
    return _sort("sort_by", pvalue, key, reverse, options)


def take(pvalue: PCollection | PObject, n: int | PObject, **options: Any) -> PCollection:
    """Give the first ``n`` records in the order of the dataset.

    Args:
        pvalue: a PCollection or PObject; empty gives empty, whatever ``n`` is.
        n: a number or a PObject; 0 and less give nothing, more than there are gives all.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand or number of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.take(p.parallelize([5, 6, 7]), 2).get()
        [5, 6]
    """
    if isinstance(n, PObject):
        return _take_side("take", pvalue, pvalue, n, options)
    call = Call("take", options, [pvalue])
    return call.collection(op.Take(call.input(pvalue), _limit("take", n)))


def max_elements(
    pvalue: PCollection, n: int | PObject, key: Callable[[Any], Any] | None = None, **options: Any
) -> PCollection:
    """Give the ``n`` largest records, the largest first; copies count.

    Args:
        pvalue: a PCollection; empty gives empty.
        n: a number or a PObject; 0 and less give nothing, more than there are gives all.
        key: what to compare instead of the record; None is less than anything else.
        options: hints, without effect on the result.

    Raises:
        ValueError: not a PCollection, or a number of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.max_elements(p.parallelize([3, 9, 4, 9]), 3).get()
        [9, 9, 4]
    """
    return _top("max_elements", pvalue, n, key, True, options)


def top(
    pvalue: PCollection, n: int | PObject, key: Callable[[Any], Any] | None = None, **options: Any
) -> PCollection:
    """Do what `max_elements` does, by the name that users of RDDs know.

    Raises:
        ValueError: not a PCollection, or a number of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.top(p.parallelize([3, 9, 4]), 2).get()
        [9, 4]
    """
    return _top("top", pvalue, n, key, True, options)


def min_elements(
    pvalue: PCollection, n: int | PObject, key: Callable[[Any], Any] | None = None, **options: Any
) -> PCollection:
    """Give the ``n`` smallest records, the smallest first; copies count.

    Args:
        pvalue: a PCollection; empty gives empty.
        n: a number or a PObject; 0 and less give nothing, more than there are gives all.
        key: what to compare instead of the record; None is less than anything else.
        options: hints, without effect on the result.

    Raises:
        ValueError: not a PCollection, or a number of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.min_elements(p.parallelize(["ccc", "a", "bb"]), 2, len).get()
        ['a', 'bb']
    """
    return _top("min_elements", pvalue, n, key, False, options)


def _sort(
    name: str,
    pvalue: PCollection | PObject,
    key: Callable[[Any], Any] | None,
    reverse: object,
    options: dict[str, Any],
) -> PCollection:
    call = Call(name, options, [pvalue])
    return call.collection(op.Sort(call.input(pvalue), call.optional(key, "key"), bool(reverse)))


def _top(
    name: str,
    pvalue: PCollection,
    n: int | PObject,
    key: Callable[[Any], Any] | None,
    largest: bool,
    options: dict[str, Any],
) -> PCollection:
    need(PCollection, pvalue, name)
    if not isinstance(n, PObject):
        limit = _limit(name, n)
        call = Call(name, options, [pvalue])
        return call.collection(op.Top(call.input(pvalue), limit, largest, call.optional(key, "key")))
    call = Call(name, options, [pvalue], [n])
    ordered = call.collection(op.Sort(call.input(pvalue), call.optional(key, "key"), largest))
    return _take_side(name, pvalue, ordered, n, {})


def _take_side(
    name: str, pvalue: object, ordered: PCollection | PObject, n: PObject, options: dict[str, Any]
) -> PCollection:
    """Take as many as a PObject says: a walk that stops, with the number as a sequence."""
    call = Call(name, options, [pvalue, ordered], [n])
    limit = Limit(name)
    start, step, finish = (call.function(fn) for fn in (limit.start, limit.step, limit.finish))
    sides = (call.side(n, single=False),)
    return call.collection(op.Transform(call.input(ordered), start, step, finish, sides))


def _limit(name: str, n: Any) -> int:
    try:
        number = operator.index(n)
    except TypeError:
        raise ValueError(f"{name} needs a whole number of records or a PObject, not {n!r:.100}") from None
    return max(-_I64, min(_I64 - 1, number))
