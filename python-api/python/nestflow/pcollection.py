"""`PCollection`: a distributed list. Its methods are the transforms of the same names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nestflow

from .combining import CombiningMethods
from .serde import FieldsDictSerde, TupleSerde, origin, tuple_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import NoReturn

    from .pipeline import Pipeline
    from .ptable import PTable
    from .ptype import PType
    from .serde import Serde


class PCollection(CombiningMethods):
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

    def agg(self, description: str, fn: Callable[..., Any], *args: Any, **options: Any) -> PCollection:
        """Compute columns of whole columns; see `nestflow.future.fields.agg`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([{"a": 1}, {"a": 2}]).agg("a => total", lambda a: a.sum()).get()
            [{'total': 3}]
        """
        from .future import fields

        return fields.agg(self, description, fn, *args, **options)

    def select(self, description: str, fn: Callable[..., Any], *args: Any, **options: Any) -> PCollection:
        """Compute columns of every record; see `nestflow.future.fields.select`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([{"a": 1}]).select("a => b", lambda a: a + 1).get()
            [{'b': 2}]
        """
        from .future import fields

        return fields.select(self, description, fn, *args, **options)

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

    def distinct(self, **options: Any) -> PCollection:
        """Give one of each record; see `transforms.distinct`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 1]).distinct().get()
            [1]
        """
        return nestflow.transforms.distinct(self, **options)

    def filter(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PCollection:
        """Keep the records for which the function is true; see `transforms.filter`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 2]).filter(lambda x: x > 1).get()
            [2]
        """
        return nestflow.transforms.filter(self, fn, *side_inputs, **options)

    def flat_map(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PCollection:
        """Give each element of the function's results; see `transforms.flat_map`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize(["a b"]).flat_map(str.split).get()
            ['a', 'b']
        """
        return nestflow.transforms.flat_map(self, fn, *side_inputs, **options)

    def foreach(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> None:
        """Call the function for its effect at the next run; see `transforms.foreach`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([1]).foreach(lambda x: None)
            >>> p.run()
        """
        nestflow.transforms.foreach(self, fn, *side_inputs, **options)

    def group_by(
        self,
        key_extractor: Callable[[Any], Any],
        value_extractor: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> PTable:
        """Give a table from key to records; see `transforms.group_by`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize(["a", "bb"]).group_by(len).get()
            {1: ['a'], 2: ['bb']}
        """
        return nestflow.transforms.group_by(self, key_extractor, value_extractor, **options)

    def group_by_key(self, **options: Any) -> PTable:
        """Give a table from first to second elements of pairs; see `transforms.group_by_key`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([("k", 1), ("k", 2)]).group_by_key().get()
            {'k': [1, 2]}
        """
        return nestflow.transforms.group_by_key(self, **options)

    def map(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PCollection:
        """Give the function's result for each record; see `transforms.map`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 2]).map(lambda x: -x).get()
            [-1, -2]
        """
        return nestflow.transforms.map(self, fn, *side_inputs, **options)

    def map_batches(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PCollection:
        """Give the records of the function's result for batches of records; see `transforms.map_batches`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([1, 2, 3]).map_batches(lambda batch: [sum(batch)]).get()
            [6]
        """
        return nestflow.transforms.map_batches(self, fn, *side_inputs, **options)

    def sort(self, reverse: bool = False, **options: Any) -> PCollection:
        """Sort the records; see `transforms.sort`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([2, 1]).sort().get()
            [1, 2]
        """
        return nestflow.transforms.sort(self, reverse, **options)

    def sort_by(self, key: Callable[[Any], Any] | None, reverse: bool = False, **options: Any) -> PCollection:
        """Sort the records by a key; see `transforms.sort_by`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize(["bb", "a"]).sort_by(len).get()
            ['a', 'bb']
        """
        return nestflow.transforms.sort_by(self, key, reverse, **options)

    def transform(self, *args: Any, **options: Any) -> PCollection:
        """Walk through the records with a status; see `transforms.transform`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> def step(total, emitter, x):
            ...     emitter.emit(total + x)
            ...     return total + x
            >>> p.parallelize([1, 2]).transform(lambda emitter: 0, step, lambda total, emitter: None).get()
            [1, 3]
        """
        return nestflow.transforms.transform(self, *args, **options)

    def to_spark(self, schema: Any = None) -> Any:
        """Run what is pending and give a DataFrame or an RDD of pyspark; see `Pipeline.to_spark`.

        Example:
            >>> people.to_spark("name string, age int").show()  # doctest: +SKIP
        """
        return self._pipeline.to_spark(self, schema)

    def window_into(self, window: object, **options: Any) -> NoReturn:
        """Refuse; see `transforms.window_into`.

        Example:
            >>> import nestflow as nf
            >>> try:
            ...     nf.Pipeline.create("local").parallelize([1]).window_into(None)
            ... except NotImplementedError:
            ...     print("not yet")
            not yet
        """
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

    @classmethod
    def _with_any_fields(cls, pvalue: PCollection) -> SchemaPCollection:
        """See a collection as one with a schema, whatever its records are."""
        made = cls.__new__(cls)
        PCollection.__init__(made, pvalue._pipeline, pvalue._scope, pvalue._node, pvalue._serde)
        return made

    def __str__(self) -> str:
        """Show the fields, or `?` where nobody knows them."""
        serde = origin(self.serde())
        if not isinstance(serde, (FieldsDictSerde, TupleSerde)):
            return "SchemaPCollection(?)"
        return f"SchemaPCollection({','.join(map(str, serde.get_fields()))})"


def schema_of(fields: object) -> Serde:
    """Give the serde that `PCollection.as_schema` stands for.

    Raises:
        ValueError: no fields, or something else than names, types or a dict from name to type.

    Example:
        >>> schema_of((int, str))
        tuple_of(int_(), str_())
    """
    try:
        if isinstance(fields, dict) and fields:
            return FieldsDictSerde(fields)
        if isinstance(fields, (list, tuple)) and fields:
            if all(isinstance(name, str) for name in fields):
                return FieldsDictSerde(list(fields))
            if not any(isinstance(name, str) for name in fields):
                return tuple_of(*fields)
    except AssertionError as error:
        raise ValueError(f"as_schema: {error}") from None
    raise ValueError(f"as_schema needs names, types, or a dict from name to type, not {fields!r:.100}")


def collection_at(pipeline: Pipeline, scope: int, node: int, serde: Serde | None = None) -> PCollection:
    """Give the collection of a node: one with a schema where its records have named fields."""
    plain = PCollection(pipeline, scope, node, serde)
    return SchemaPCollection(plain) if isinstance(serde, FieldsDictSerde) else plain
