"""Transforms of PCollections of pairs ``(key, value)``, by the names that users of RDDs know.

Each is made of others: a grouping, an ordinary transform in every group, and pairs again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..functions import ship_function
from ..options import TRANSFORM_OPTIONS, warn_unknown
from . import lowered
from .aggregation import aggregate, count, reduce, to_list_pobject
from .elementwise import flat_map, map
from .grouping import group_by_key
from .tables import flatten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..pcollection import PCollection
    from ..pobject import PObject
    from ..ptable import PTable


def reduce_by_key(pvalue: PCollection, fn: Callable[[Any, Any], Any], **options: Any) -> PCollection:
    """Give ``(key, value)`` once for each key, its values put together two by two; no order.

    Args:
        pvalue: a PCollection of pairs; empty gives empty.
        fn: associative and commutative.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> sales = p.parallelize([("a", 2), ("b", 3), ("a", 5)])
        >>> sorted(nf.transforms.reduce_by_key(sales, lambda x, y: x + y).get())
        [('a', 7), ('b', 3)]
    """
    table = _grouped("reduce_by_key", pvalue, options).apply_values(reduce, fn)
    pairs: PCollection = flatten(table, serde=options.get("serde"))
    return pairs


def aggregate_by_key(
    pvalue: PCollection,
    zero: Any,
    aggregate_fn: Callable[[Any, Any], Any],
    combine_fn: Callable[[Any, Any], Any],
    **options: Any,
) -> PCollection:
    """Give ``(key, state)`` once for each key, its values folded from a zero; no order.

    Args:
        pvalue: a PCollection of pairs; empty gives empty.
        zero: neutral for both functions; a value (copied for each key) or a callable that gives one.
        aggregate_fn: ``state = aggregate_fn(state, value)``.
        combine_fn: ``state = combine_fn(state, state_of_a_part)``.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> words = p.parallelize([("a", "xy"), ("b", "z"), ("a", "w")])
        >>> lengths = nf.transforms.aggregate_by_key(
        ...     words, 0, lambda n, word: n + len(word), lambda n, m: n + m
        ... )
        >>> sorted(lengths.get())
        [('a', 3), ('b', 1)]
    """
    table = _grouped("aggregate_by_key", pvalue, options)
    folded = table.apply_values(aggregate, zero, aggregate_fn, combine_fn)
    pairs: PCollection = flatten(folded, serde=options.get("serde"))
    return pairs


def count_by_key(pvalue: PCollection, **options: Any) -> PTable:
    """Give a table from key to the number of pairs that have it; ``get()`` gives a dict.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> counts = nf.transforms.count_by_key(p.parallelize([("a", 1), ("b", 1), ("a", 2)]))
        >>> sorted(counts.get().items())
        [('a', 2), ('b', 1)]
    """
    counted = partial(count, serde=options.get("serde"))
    return _grouped("count_by_key", pvalue, options).apply_values(counted)


def collect_as_map(pvalue: PCollection, **options: Any) -> PObject:
    """Give all pairs as one dict; of several values of a key, the last one.

    Raises:
        ValueError: an operand of another type.
        InvalidDataException: at the run: a key that a dict cannot have.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.collect_as_map(p.parallelize([("a", 1), ("a", 2)])).get()
        {'a': 2}
    """
    warn_unknown(options, TRANSFORM_OPTIONS, "collect_as_map")
    return map(to_list_pobject(pvalue), lowered.last_by_key, serde=options.get("serde"))


def key_by(pvalue: PCollection, fn: Callable[[Any], Any], **options: Any) -> PCollection:
    """Give ``(fn(record), record)`` for each record.

    Raises:
        ValueError: an operand of another type, or ``fn`` is not callable.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.key_by(p.parallelize(["fig", "kiwi"]), len).get()
        [(3, 'fig'), (4, 'kiwi')]
    """
    return map(pvalue, _of_user("key_by", lowered.Keyed, fn, options), **options)


def map_values(pvalue: PCollection, fn: Callable[[Any], Any], **options: Any) -> PCollection:
    """Give ``(key, fn(value))`` for each pair.

    Raises:
        ValueError: an operand of another type, or ``fn`` is not callable.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.map_values(p.parallelize([("a", 1), ("b", 2)]), lambda x: x * 10).get()
        [('a', 10), ('b', 20)]
    """
    return map(pvalue, _of_user("map_values", lowered.ValueMapped, fn, options), **options)


def flat_map_values(pvalue: PCollection, fn: Callable[[Any], Iterable[Any]], **options: Any) -> PCollection:
    """Give ``(key, x)`` for each pair and each element x of ``fn(value)``.

    Raises:
        ValueError: an operand of another type, or ``fn`` is not callable.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.flat_map_values(p.parallelize([("a", "x y"), ("b", "")]), str.split).get()
        [('a', 'x'), ('a', 'y')]
    """
    return flat_map(pvalue, _of_user("flat_map_values", lowered.ValueExpanded, fn, options), **options)


def keys(pvalue: PCollection, **options: Any) -> PCollection:
    """Give the first element of each pair.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.keys(p.parallelize([("a", 1), ("a", 2)])).get()
        ['a', 'a']
    """
    warn_unknown(options, TRANSFORM_OPTIONS, "keys")
    return map(pvalue, lowered.first_of_pair, **options)


def values(pvalue: PCollection, **options: Any) -> PCollection:
    """Give the second element of each pair.

    Raises:
        ValueError: an operand of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.values(p.parallelize([("a", 1), ("a", 2)])).get()
        [1, 2]
    """
    warn_unknown(options, TRANSFORM_OPTIONS, "values")
    return map(pvalue, lowered.second_of_pair, **options)


def _of_user(
    name: str, kind: Callable[[Callable[..., Any]], Any], fn: Callable[..., Any], options: dict[str, Any]
) -> Any:
    """Put a user's function into one of ours, after looking at all: messages are to name the user's."""
    warn_unknown(options, TRANSFORM_OPTIONS, name)
    ship_function(fn, "function")
    return kind(fn)


def _grouped(name: str, pvalue: PCollection, options: dict[str, Any]) -> PTable:
    """Group pairs; a serde among the options is for what the transform ``name`` gives."""
    warn_unknown(options, TRANSFORM_OPTIONS, name)
    return group_by_key(pvalue, **{**options, "serde": None})
