"""Transforms that give one value for a whole dataset, or for each group.

`accumulate` alone looks at the order of its input; the others may associate in any way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..functions import adds
from ..pcollection import PCollection
from ..plan import nodes as op
from .call import Call, need

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..pobject import PObject
    from ..ptype import PType


def accumulate(
    pvalue: PCollection | PObject, zero: Any, fn: Callable[..., Any], *side_inputs: PType, **options: Any
) -> PObject:
    """Fold the records from the left in their order: ``state = fn(state, record, *side_inputs)``.

    Args:
        pvalue: a PCollection or PObject; empty gives the zero.
        zero: the first state (copied for each group), or a callable ``zero(*side_inputs)``.
        fn: may change and return the state.
        side_inputs: as for `map`.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.accumulate(p.parallelize([1, 2]), "", lambda s, x: s + str(x)).get()
        '12'
    """
    call = Call("accumulate", options, [pvalue], side_inputs)
    start, called = call.zero(zero)
    step = call.function(fn)
    return call.object(op.Accumulate(call.input(pvalue), start, called, step, call.sides))


def aggregate(
    pvalue: PCollection | PObject,
    zero: Any,
    aggregate_fn: Callable[..., Any],
    combine_fn: Callable[..., Any],
    *side_inputs: PType,
    **options: Any,
) -> PObject:
    """Fold parts of the dataset with one function and the results with another.

    Args:
        pvalue: a PCollection or PObject; empty gives the zero.
        zero: neutral for both functions; a value (copied) or a callable ``zero(*side_inputs)``.
        aggregate_fn: ``state = aggregate_fn(state, record, *side_inputs)``.
        combine_fn: ``state = combine_fn(state, state_of_a_part, *side_inputs)``.
        side_inputs: as for `map`.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> words = p.parallelize(["a", "bcd"])
        >>> nf.transforms.aggregate(words, 0, lambda n, w: n + len(w), lambda a, b: a + b).get()
        4
    """
    call = Call("aggregate", options, [pvalue], side_inputs)
    start, called = call.zero(zero)
    step, merge = call.function(aggregate_fn), call.function(combine_fn)
    return call.object(op.Aggregate(call.input(pvalue), start, called, step, merge, call.sides))


def reduce(
    pvalue: PCollection | PObject, fn: Callable[..., Any], *side_inputs: PType, **options: Any
) -> PObject:
    """Put records together two by two, ``fn(a, b, *side_inputs)``, until one is left.

    Args:
        pvalue: a PCollection or PObject; empty gives an empty PObject.
        fn: associative and commutative.
        side_inputs: as for `map`.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.reduce(p.parallelize([1, 2, 3]), lambda a, b: a * b).get()
        6
    """
    call = Call("reduce", options, [pvalue], side_inputs)
    return call.object(op.Reduce(call.input(pvalue), call.function(fn), adds(fn), call.sides))


def combine(
    pvalue: PCollection | PObject,
    fn: Callable[[Iterable[Any]], Any],
    pre_combine: bool = True,
    **options: Any,
) -> PObject:
    """Give ``fn(records)``, called on parts of the dataset and again on the results.

    Args:
        pvalue: a PCollection or PObject; empty gives ``fn([])``.
        fn: takes an iterable, also an empty one, and its own results.
        pre_combine: False is one call on all the records.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> import math
        >>> nf.transforms.combine(p.parallelize([1, 2, 3]), math.fsum).get()
        6.0
    """
    call = Call("combine", options, [pvalue])
    input_, function = call.input(pvalue), call.function(fn)
    return call.object(op.Combine(input_, function) if pre_combine else op.Whole(input_, function))


def count(pvalue: PCollection | PObject, **options: Any) -> PObject:
    """Give the number of records; 0 for an empty dataset.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.count(p.parallelize(["a", "b"])).get()
        2
    """
    call = Call("count", options, [pvalue])
    return call.object(op.Count(call.input(pvalue)))


def sum(pvalue: PCollection | PObject, **options: Any) -> PObject:
    """Add the records up with ``+``: numbers, texts, lists; empty gives an empty PObject.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.sum(p.parallelize([1, 2.5])).get()
        3.5
    """
    call = Call("sum", options, [pvalue])
    return call.object(op.Sum(call.input(pvalue)))


def is_empty(pvalue: PCollection | PObject, **options: Any) -> PObject:
    """Give whether there is no record; True for an empty dataset.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.is_empty(p.parallelize([])).get()
        True
    """
    call = Call("is_empty", options, [pvalue])
    return call.object(op.IsEmpty(call.input(pvalue)))


def first(pvalue: PCollection | PObject, **options: Any) -> PObject:
    """Give the first record in the order of the dataset; empty gives an empty PObject.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.first(p.parallelize(["b", "a"])).get()
        'b'
    """
    call = Call("first", options, [pvalue])
    return call.object(op.First(call.input(pvalue)))


def max(pvalue: PCollection, key: Callable[[Any], Any] | None = None, **options: Any) -> PObject:
    """Give the largest record, any one of those that tie; empty gives an empty PObject.

    Args:
        pvalue: a PCollection.
        key: what to compare instead of the record.
        options: hints, without effect on the result.

    Raises:
        ValueError: not a PCollection.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.max(p.parallelize(["aa", "b"]), len).get()
        'aa'
    """
    return _extreme("max", pvalue, key, True, options)


def min(pvalue: PCollection, key: Callable[[Any], Any] | None = None, **options: Any) -> PObject:
    """Give the smallest record, any one of those that tie; empty gives an empty PObject.

    Args:
        pvalue: a PCollection.
        key: what to compare instead of the record.
        options: hints, without effect on the result.

    Raises:
        ValueError: not a PCollection.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.min(p.parallelize([3, 1, 2])).get()
        1
    """
    return _extreme("min", pvalue, key, False, options)


def _extreme(
    name: str, pvalue: PCollection, key: Callable[[Any], Any] | None, largest: bool, options: dict[str, Any]
) -> PObject:
    need(PCollection, pvalue, name)
    call = Call(name, options, [pvalue])
    return call.object(op.Extreme(call.input(pvalue), largest, call.optional(key, "key")))


def to_list_pobject(pvalue: PCollection | PObject, **options: Any) -> PObject:
    """Give all records as one list, in the order of the dataset; ``[]`` for an empty one.

    Raises:
        ValueError: a PTable, or something else that is not a PCollection or PObject.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.to_list_pobject(p.parallelize([2, 1])).get()
        [2, 1]
    """
    call = Call("to_list_pobject", options, [pvalue])
    return call.object(op.ToList(call.input(pvalue)))
