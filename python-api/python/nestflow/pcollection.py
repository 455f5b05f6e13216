"""`PCollection`: a distributed list. Its methods are the transforms of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nestflow

from .rdd import RddMethods
from .serde import FieldsDictSerde, TupleSerde, origin, tuple_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import NoReturn

    from .pipeline import Pipeline
    from .pobject import PObject
    from .ptable import PTable
    from .ptype import PType
    from .serde import Serde


class PCollection(RddMethods):
    """A dataset of any number of records, in the order of its source where it still has one.

    Example:
        >>> import nestflow as nf
        >>> numbers = nf.Pipeline.create("local").parallelize([1, 2, 3])
        >>> numbers
        [...]
        >>> numbers.map(lambda x: x * x).sum().get()
        14
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Show the shape of the data, never the data."""
        return "[...]"

    def get(self) -> list[Any]:
        """Run what is pending and give the records; ``[]`` if there are none.

        Raises:
            InvalidDataException: the collection lives inside `apply_values`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([3]).get()
            [3]
        """
        data: list[Any] = self._pipeline.get(self)
        return data

    def accumulate(self, zero: Any, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PObject:
        """Fold the records in order; see `transforms.accumulate`."""
        return nestflow.transforms.accumulate(self, zero, fn, *side_inputs, **options)

    def agg(self, description: str, fn: Callable[..., Any], *args: Any) -> PCollection:
        """Compute columns of whole columns; see `nestflow.future.fields.agg`."""
        from .future import fields

        return fields.agg(self, description, fn, *args)

    def select(self, description: str, fn: Callable[..., Any], *args: Any) -> PCollection:
        """Compute columns of every record; see `nestflow.future.fields.select`."""
        from .future import fields

        return fields.select(self, description, fn, *args)

    def aggregate(
        self,
        zero: Any,
        aggregate_fn: Callable[..., Any],
        combine_fn: Callable[..., Any],
        *side_inputs: PType,
        **options: Any,
    ) -> PObject:
        """Fold parts and then their results; see `transforms.aggregate`."""
        return nestflow.transforms.aggregate(self, zero, aggregate_fn, combine_fn, *side_inputs, **options)

    def as_pobject(self) -> PObject:
        """Give the first record as a PObject; see `transforms.first`."""
        return self.first()

    def as_schema(self, fields: Sequence[Any] | Mapping[str, Any]) -> PCollection:
        """Say what the records are: tuples of types, or dicts of named fields. The data do not change.

        Raises:
            ValueError: no fields, or something else than names, types or a dict from name to type.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([{"a": 1}]).as_schema(["a"]).get()
            [{'a': 1}]
            >>> str(p.parallelize([{"a": 1}]).as_schema({"a": int}))
            'SchemaPCollection(a)'
        """
        return collection_at(self._pipeline, self._scope, self._node, schema_of(fields))

    def cartesian(self, *pvalues: PCollection | PObject, **options: Any) -> PCollection:
        """Give a tuple for each combination of records; see `transforms.cartesian`."""
        product: PCollection = nestflow.transforms.cartesian(self, *pvalues, **options)
        return product

    def cogroup(self, other: PCollection, *others: PCollection, **options: Any) -> PTable:
        """Group several collections of pairs by one key; see `transforms.cogroup`."""
        return nestflow.transforms.cogroup(self, other, *others, **options)

    def combine(
        self, fn: Callable[[Iterable[Any]], Any], pre_combine: bool = True, **options: Any
    ) -> PObject:
        """Give ``fn(records)``, of parts and again of the results; see `transforms.combine`."""
        return nestflow.transforms.combine(self, fn, pre_combine, **options)

    def count(self, **options: Any) -> PObject:
        """Give the number of records; see `transforms.count`."""
        return nestflow.transforms.count(self, **options)

    def diff(self, other: PCollection, **options: Any) -> PCollection:
        """Give the elements whose counts differ; see `transforms.diff`."""
        return nestflow.transforms.diff(self, other, **options)

    def distinct(self, **options: Any) -> PCollection:
        """Give one of each record; see `transforms.distinct`."""
        return nestflow.transforms.distinct(self, **options)

    def filter(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PCollection:
        """Keep the records for which the function is true; see `transforms.filter`."""
        return nestflow.transforms.filter(self, fn, *side_inputs, **options)

    def first(self, **options: Any) -> PObject:
        """Give the first record; see `transforms.first`."""
        return nestflow.transforms.first(self, **options)

    def flat_map(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PCollection:
        """Give each element of the function's results; see `transforms.flat_map`."""
        return nestflow.transforms.flat_map(self, fn, *side_inputs, **options)

    def foreach(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> None:
        """Call the function for its effect at the next run; see `transforms.foreach`."""
        nestflow.transforms.foreach(self, fn, *side_inputs, **options)

    def full_join(self, other: PCollection, *others: PCollection, **options: Any) -> PCollection:
        """Join and keep every row of every side; see `transforms.full_join`."""
        return nestflow.transforms.full_join(self, other, *others, **options)

    def group_by(
        self,
        key_extractor: Callable[[Any], Any],
        value_extractor: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> PTable:
        """Give a table from key to records; see `transforms.group_by`."""
        return nestflow.transforms.group_by(self, key_extractor, value_extractor, **options)

    def group_by_key(self, **options: Any) -> PTable:
        """Give a table from first to second elements of pairs; see `transforms.group_by_key`."""
        return nestflow.transforms.group_by_key(self, **options)

    def intersection(
        self, other: PCollection, output_duplicated: bool = False, **options: Any
    ) -> PCollection:
        """Give the common elements; see `transforms.intersection`."""
        return nestflow.transforms.intersection(self, other, output_duplicated, **options)

    def is_empty(self, **options: Any) -> PObject:
        """Give whether there is no record; see `transforms.is_empty`."""
        return nestflow.transforms.is_empty(self, **options)

    def join(self, other: PCollection, *others: PCollection, **options: Any) -> PCollection:
        """Join by the keys of all sides; see `transforms.join`."""
        return nestflow.transforms.join(self, other, *others, **options)

    def left_join(self, other: PCollection, *others: PCollection, **options: Any) -> PCollection:
        """Join and keep every row of this side; see `transforms.left_join`."""
        return nestflow.transforms.left_join(self, other, *others, **options)

    def map(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PCollection:
        """Give the function's result for each record; see `transforms.map`."""
        return nestflow.transforms.map(self, fn, *side_inputs, **options)

    def map_batches(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PCollection:
        """Give the records of the function's result for batches of records; see `transforms.map_batches`."""
        return nestflow.transforms.map_batches(self, fn, *side_inputs, **options)

    def max(self, key: Callable[[Any], Any] | None = None, **options: Any) -> PObject:
        """Give the largest record; see `transforms.max`."""
        return nestflow.transforms.max(self, key, **options)

    def max_elements(
        self, n: int | PObject, key: Callable[[Any], Any] | None = None, **options: Any
    ) -> PCollection:
        """Give the largest records, descending; see `transforms.max_elements`."""
        return nestflow.transforms.max_elements(self, n, key, **options)

    def min(self, key: Callable[[Any], Any] | None = None, **options: Any) -> PObject:
        """Give the smallest record; see `transforms.min`."""
        return nestflow.transforms.min(self, key, **options)

    def min_elements(
        self, n: int | PObject, key: Callable[[Any], Any] | None = None, **options: Any
    ) -> PCollection:
        """Give the smallest records, ascending; see `transforms.min_elements`."""
        return nestflow.transforms.min_elements(self, n, key, **options)

    def reduce(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PObject:
        """Put records together two by two; see `transforms.reduce`."""
        return nestflow.transforms.reduce(self, fn, *side_inputs, **options)

    def right_join(self, other: PCollection, *others: PCollection, **options: Any) -> PCollection:
        """Join and keep every row of the last side; see `transforms.right_join`."""
        return nestflow.transforms.right_join(self, other, *others, **options)

    def sort(self, reverse: bool = False, **options: Any) -> PCollection:
        """Sort the records; see `transforms.sort`."""
        return nestflow.transforms.sort(self, reverse, **options)

    def sort_by(self, key: Callable[[Any], Any] | None, reverse: bool = False, **options: Any) -> PCollection:
        """Sort the records by a key; see `transforms.sort_by`."""
        return nestflow.transforms.sort_by(self, key, reverse, **options)

    def subtract(self, other: PCollection, **options: Any) -> PCollection:
        """Drop what occurs in the other collection; see `transforms.subtract`."""
        return nestflow.transforms.subtract(self, other, **options)

    def substract(self, other: PCollection, **options: Any) -> PCollection:
        """Warn, and do what `subtract` does."""
        return nestflow.transforms.substract(self, other, **options)

    def sum(self, **options: Any) -> PObject:
        """Add the records up; see `transforms.sum`."""
        return nestflow.transforms.sum(self, **options)

    def take(self, n: int | PObject, **options: Any) -> PCollection:
        """Give the first records; see `transforms.take`."""
        return nestflow.transforms.take(self, n, **options)

    def transform(self, *args: Any, **options: Any) -> PCollection:
        """Walk through the records with a status; see `transforms.transform`."""
        return nestflow.transforms.transform(self, *args, **options)

    def union(
        self, other: PCollection | PObject, *others: PCollection | PObject, **options: Any
    ) -> PCollection:
        """Give the records of all; see `transforms.union`."""
        return nestflow.transforms.union(self, other, *others, **options)

    def window_into(self, window: object, **options: Any) -> NoReturn:
        """Refuse; see `transforms.window_into`."""
        nestflow.transforms.window_into(self, window, **options)


class SchemaPCollection(PCollection):
    """A collection of records with named fields, or of tuples, as `nestflow.schema` works on them.

    Raises:
        ValueError: not a PCollection, or one whose records are neither.

    Example:
        >>> import nestflow as nf
        >>> people = nf.Pipeline.create("local").parallelize([{"name": "ann"}]).as_schema(["name"])
        >>> print(people)
        SchemaPCollection(name)
    """

    __slots__ = ()

    def __init__(self, pvalue: PCollection) -> None:
        """See the collection as one with a schema."""
        if not isinstance(pvalue, PCollection):
            raise ValueError(f"a SchemaPCollection is made of a PCollection, not of {pvalue!r:.100}")
        if not isinstance(origin(pvalue.serde()), (FieldsDictSerde, TupleSerde)):
            raise ValueError(
                f"the records of this PCollection have the serde {pvalue.serde()}, which has no fields; "
                "use as_schema"
            )
        super().__init__(pvalue._pipeline, pvalue._scope, pvalue._node, pvalue._serde)

    def __str__(self) -> str:
        """Show the fields."""
        serde = origin(self.serde())
        assert isinstance(serde, (FieldsDictSerde, TupleSerde))
        return f"SchemaPCollection({','.join(map(str, serde.get_fields()))})"


def schema_of(fields: object) -> Serde:
    """Give the serde that `PCollection.as_schema` stands for.

    Raises:
        ValueError: no fields, or something else than names, types or a dict from name to type.

    Example:
        >>> schema_of((int, str))
        tuple_of(int_(), str_())
    """
    if isinstance(fields, dict) and fields:
        return FieldsDictSerde(fields)
    if isinstance(fields, (list, tuple)) and fields:
        if all(isinstance(name, str) for name in fields):
            return FieldsDictSerde(list(fields))
        if not any(isinstance(name, str) for name in fields):
            try:
                return tuple_of(*fields)
            except AssertionError as error:
                raise ValueError(f"as_schema: {error}") from None
    raise ValueError(f"as_schema needs names, types, or a dict from name to type, not {fields!r:.100}")


def collection_at(pipeline: Pipeline, scope: int, node: int, serde: Serde | None = None) -> PCollection:
    """Give the collection of a node: one with a schema where its records have named fields."""
    plain = PCollection(pipeline, scope, node, serde)
    return SchemaPCollection(plain) if isinstance(serde, FieldsDictSerde) else plain
