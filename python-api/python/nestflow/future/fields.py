"""Columns by a text that names what goes in and what comes out: ``"a, b => c, d"``.

Blanks do not matter; without ``=>`` what comes out has the names of what goes in.

Example:
    >>> import nestflow as nf
    >>> from nestflow.future import fields
    >>> p = nf.Pipeline.create("local")
    >>> people = p.parallelize([{"name": "ann", "age": 30}]).as_schema(["name", "age"])
    >>> people.apply(fields.select, "age => next", lambda age: age + 1).get()
    [{'next': 31}]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..options import TRANSFORM_OPTIONS, warn_unknown
from ..pcollection import PCollection
from ..ptable import PTable
from ..schema import agg as agg_columns
from ..schema import flatten as flatten_table
from ..schema import group_by as group_by_fields
from ..schema import of
from ..schema import select as select_columns
from ..schema.records import width
from ..serde import DefaultSerde, FieldsDictSerde, Serde, origin

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FieldsDictSerde",
    "agg",
    "flatten",
    "get_serde_of_field",
    "get_serde_of_fields",
    "group_by",
    "of",
    "select",
]


def select(
    pvalue: PCollection, description: str, fn: Callable[..., Any], *args: Any, **options: Any
) -> PCollection:
    """Give, for each record, what a function of some of its columns gives.

    Args:
        pvalue: a PCollection of dicts.
        description: such as ``"a, b => c"``.
        fn: ``fn(a, b, *args)`` of PObjects, giving a dataset or a constant, or a tuple of these.
        args: further arguments of the function.
        options: hints, without effect on the result.

    Raises:
        AssertionError: more than one ``=>``, or another number of results than of names.

    Example:
        >>> import nestflow as nf
        >>> rows = nf.Pipeline.create("local").parallelize([{"a": 1, "b": 2}])
        >>> select(rows, "a, b => sum", lambda a, b: a + b).get()
        [{'sum': 3}]
    """
    return select_columns(pvalue, _function(pvalue, description, fn, args), **options)


def agg(
    pvalue: PCollection, description: str, fn: Callable[..., Any], *args: Any, **options: Any
) -> PCollection:
    """Give what a function of whole columns gives.

    Args:
        pvalue: a PCollection of dicts.
        description: such as ``"a, b => c"``.
        fn: ``fn(a, b, *args)`` of PCollections, giving a dataset or a constant, or a tuple of these.
        args: further arguments of the function.
        options: hints, without effect on the result.

    Raises:
        AssertionError: more than one ``=>``, or another number of results than of names.

    Example:
        >>> import nestflow as nf
        >>> rows = nf.Pipeline.create("local").parallelize([{"a": 1}, {"a": 5}])
        >>> agg(rows, "a => most, least", lambda a: (a.max(), a.min())).get()
        [{'most': 5, 'least': 1}]
    """
    return agg_columns(pvalue, _function(pvalue, description, fn, args), **options)


def group_by(pvalue: PCollection, fields: Any, **options: Any) -> PTable:
    """Do what `nestflow.schema.group_by` does.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> rows = p.parallelize([{"a": 1, "b": 2}])
        >>> flatten(group_by(rows, "a")).get()
        [{'a': 1, 'b': 2}]
    """
    return group_by_fields(pvalue, fields, **options)


def flatten(pvalue: Any, **options: Any) -> Any:
    """Do what `nestflow.schema.flatten` does; what is no table is given back unchanged.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> flatten(p.parallelize([3])).get()
        [3]
    """
    if isinstance(pvalue, PTable):
        return flatten_table(pvalue, **options)
    warn_unknown(options, TRANSFORM_OPTIONS, "flatten")
    return pvalue


def get_serde_of_field(serde: Serde, name: str, default: Serde | None = None) -> Serde | None:
    """Give the serde of a field; the default where the serde has no such field.

    Example:
        >>> get_serde_of_field(of({"age": int}), "age")
        int_()
    """
    fields = origin(serde)
    return fields.fields.get(name, default) if isinstance(fields, FieldsDictSerde) else default


def get_serde_of_fields(serde: Serde, names: Any) -> FieldsDictSerde:
    """Give the serde of dicts with some of the fields.

    Example:
        >>> get_serde_of_fields(of({"name": str, "age": int}), ["age"])
        fields_of({'age': int_()})
    """
    return of({name: get_serde_of_field(serde, name, DefaultSerde()) for name in of(names).get_fields()})


def _function(
    pvalue: PCollection, description: str, fn: Callable[..., Any], args: tuple[Any, ...]
) -> Callable[[Any], Any]:
    if isinstance(pvalue, PCollection) and width(pvalue) is not None:
        raise ValueError(f"{description!r} names fields, and the records are tuples, which have none")
    if not isinstance(description, str):
        raise ValueError(f"columns are described by a text such as 'a, b => c', not by {description!r:.100}")
    sides = ["".join(side.split()) for side in description.split("=>")]
    if len(sides) > 2:  # no assert: it counts under python -O too
        raise AssertionError(f"there is more than one => in {description!r}")
    given, made = sides[0].split(","), sides[-1].split(",")

    def build(columns: Any) -> dict[str, Any]:
        results = fn(*(columns[name] for name in given), *args)
        results = results if isinstance(results, tuple) else (results,)
        if len(results) != len(made):
            raise AssertionError(f"{len(results)} results for {description!r}")
        return dict(zip(made, results, strict=True))

    return build
