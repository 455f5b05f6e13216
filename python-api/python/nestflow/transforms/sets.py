"""Datasets put together or compared as multisets; equality is that of grouping keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..plan import nodes as op
from ..plan.nodes import CompareKind
from ..pobject import PObject
from .call import Call
from .lowered import one_tuple, product

if TYPE_CHECKING:
    from ..pcollection import PCollection
    from ..ptype import Dataset


def distinct(pvalue: PCollection | PObject, **options: Any) -> PCollection:
    """Give one of each record that occurs; no order. Empty gives empty.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> sorted(nf.transforms.distinct(p.parallelize([2, 1, 2])).get())
        [1, 2]
    """
    call = Call("distinct", options, [pvalue])
    return call.collection(op.Distinct(call.input(pvalue)))


def union(*pvalues: PCollection | PObject, **options: Any) -> PCollection:
    """Give all records of all arguments, those of the first argument first.

    Args:
        pvalues: at least one PCollection or PObject; empty ones add nothing.
        options: hints, without effect on the result.

    Raises:
        ValueError: no argument, or one of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.union(p.parallelize([1, 2]), p.parallelize([2]), p.parallelize(3)).get()
        [1, 2, 2, 3]
    """
    call = Call("union", options, pvalues)
    return call.collection(op.Union(tuple(call.input(value) for value in pvalues)))


def cartesian(*pvalues: Any, **options: Any) -> Any:
    """Give a tuple for each combination of records, the first side outermost.

    Args:
        pvalues: at least one PCollection or PObject; if any is empty, the result is. A lone one
            gives tuples of one: a PObject stays a PObject.
        options: hints, without effect on the result.

    Raises:
        ValueError: no argument, or one of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.cartesian(p.parallelize([1, 2]), p.parallelize(["a", "b"])).get()
        [(1, 'a'), (1, 'b'), (2, 'a'), (2, 'b')]
    """
    call = Call("cartesian", options, pvalues)
    if len(pvalues) == 1:
        mapped = op.Map(call.input(pvalues[0]), call.function(one_tuple))
        return call.object(mapped) if isinstance(pvalues[0], PObject) else call.collection(mapped)
    return call.collection(_product(call, pvalues))


def make_tuple(*pobjects: PObject, **options: Any) -> PObject:
    """Give a tuple of the values; if any PObject is empty, the result is.

    Args:
        pobjects: at least one PObject.
        options: hints, without effect on the result.

    Raises:
        AssertionError: an argument of another type.
        ValueError: no argument.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.make_tuple(p.parallelize(1), p.parallelize("a")).get()
        (1, 'a')
    """
    for value in pobjects:
        if not isinstance(value, PObject):
            raise AssertionError(f"make_tuple works on PObjects, not on {value!r:.100}")
    call = Call("make_tuple", options, pobjects)
    return call.object(_product(call, pobjects))


def subtract(left: PCollection, right: PCollection, **options: Any) -> PCollection:
    """Give every copy of each element of the first that does not occur in the second; no order.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.subtract(p.parallelize([1, 1, 2]), p.parallelize([2, 3])).get()
        [1, 1]
    """
    return _compare("subtract", left, right, CompareKind.SUBTRACT, options)


def substract(left: PCollection, right: PCollection, **options: Any) -> PCollection:
    """Warn, and do what `subtract` does: an older spelling of it.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import warnings
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> with warnings.catch_warnings(record=True):
        ...     nf.transforms.substract(p.parallelize([1, 2]), p.parallelize([2])).get()
        [1]
    """
    import warnings

    warnings.warn("substract is spelt subtract", DeprecationWarning, stacklevel=2)
    return _compare("substract", left, right, CompareKind.SUBTRACT, options)


def intersection(
    left: PCollection, right: PCollection, output_duplicated: bool = False, **options: Any
) -> PCollection:
    """Give each common element once; no order.

    Args:
        left: a PCollection.
        right: a PCollection; if one is empty, so is the result.
        output_duplicated: give each common element as often as it occurs in both.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> a, b = p.parallelize([1, 1, 2]), p.parallelize([1, 1, 1])
        >>> nf.transforms.intersection(a, b).get(), nf.transforms.intersection(a, b, True).get()
        ([1], [1, 1])
    """
    kind = CompareKind.INTERSECTION_ALL if output_duplicated else CompareKind.INTERSECTION
    return _compare("intersection", left, right, kind, options)


def diff(left: PCollection, right: PCollection, **options: Any) -> PCollection:
    """Give ``(element, (count in first, count in second))`` where the counts differ; no order.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.diff(p.parallelize([1, 1, 2]), p.parallelize([1, 2])).get()
        [(1, (2, 1))]
    """
    return _compare("diff", left, right, CompareKind.DIFF, options)


def _product(call: Call, values: tuple[Dataset, ...]) -> op.FlatMap:
    sides = tuple(call.side(value, single=False) for value in values[1:])
    return op.FlatMap(call.input(values[0]), call.function(product), sides)


def _compare(
    name: str, left: PCollection, right: PCollection, kind: CompareKind, options: dict[str, Any]
) -> PCollection:
    call = Call(name, options, [left, right])
    return call.collection(op.Compare(call.input(left), call.input(right), kind))
