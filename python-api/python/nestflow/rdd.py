"""The methods of a `PCollection` that users of RDDs know: each is the transform of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import nestflow

from .ptype import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .pcollection import PCollection
    from .pobject import PObject
    from .ptable import PTable


class RddMethods(Dataset):
    """Base of `PCollection` with these methods."""

    __slots__ = ()

    @property
    def _this(self) -> PCollection:
        return cast("PCollection", self)

    def aggregate_by_key(
        self,
        zero: Any,
        aggregate_fn: Callable[[Any, Any], Any],
        combine_fn: Callable[[Any, Any], Any],
        **options: Any,
    ) -> PCollection:
        """Fold the values of each key; see `transforms.aggregate_by_key`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([("k", 1), ("k", 2)]).aggregate_by_key(0, max, max).get()
            [('k', 2)]
        """
        return nestflow.transforms.aggregate_by_key(self._this, zero, aggregate_fn, combine_fn, **options)

    def collect_as_map(self, **options: Any) -> PObject:
        """Give pairs as one dict; see `transforms.collect_as_map`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([("k", 1)]).collect_as_map().get()
            {'k': 1}
        """
        return nestflow.transforms.collect_as_map(self._this, **options)

    def count_by_key(self, **options: Any) -> PTable:
        """Count the pairs of each key; see `transforms.count_by_key`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([("k", 1), ("k", 2)]).count_by_key().get()
            {'k': 2}
        """
        return nestflow.transforms.count_by_key(self._this, **options)

    def flat_map_values(self, fn: Callable[[Any], Iterable[Any]], **options: Any) -> PCollection:
        """Give a pair for each element of the function's results; see `transforms.flat_map_values`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([("k", "ab")]).flat_map_values(list).get()
            [('k', 'a'), ('k', 'b')]
        """
        return nestflow.transforms.flat_map_values(self._this, fn, **options)

    def glom(self, **options: Any) -> PCollection:
        """Give the parts of the dataset as lists; see `transforms.glom`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 2]).glom().get()
            [[1, 2]]
        """
        return nestflow.transforms.glom(self._this, **options)

    def key_by(self, fn: Callable[[Any], Any], **options: Any) -> PCollection:
        """Give pairs of key and record; see `transforms.key_by`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize(["a"]).key_by(len).get()
            [(1, 'a')]
        """
        return nestflow.transforms.key_by(self._this, fn, **options)

    def keys(self, **options: Any) -> PCollection:
        """Give the first elements of pairs; see `transforms.keys`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([("k", 1)]).keys().get()
            ['k']
        """
        return nestflow.transforms.keys(self._this, **options)

    def map_partitions(self, fn: Callable[[Iterator[Any]], Iterable[Any]], **options: Any) -> PCollection:
        """Call the function with each part of the dataset; see `transforms.map_partitions`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 2]).map_partitions(lambda part: [sum(part)]).get()
            [3]
        """
        return nestflow.transforms.map_partitions(self._this, fn, **options)

    def map_values(self, fn: Callable[[Any], Any], **options: Any) -> PCollection:
        """Give pairs with other values; see `transforms.map_values`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([("k", 1)]).map_values(lambda x: -x).get()
            [('k', -1)]
        """
        return nestflow.transforms.map_values(self._this, fn, **options)

    def reduce_by_key(self, fn: Callable[[Any, Any], Any], **options: Any) -> PCollection:
        """Put the values of each key together; see `transforms.reduce_by_key`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([("k", 1), ("k", 2)]).reduce_by_key(lambda a, b: a + b).get()
            [('k', 3)]
        """
        return nestflow.transforms.reduce_by_key(self._this, fn, **options)

    def sample(
        self, with_replacement: bool, fraction: float, seed: int | None = None, **options: Any
    ) -> PCollection:
        """Give some of the records at random; see `transforms.sample`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 2]).sample(False, 1.0).get()
            [1, 2]
        """
        return nestflow.transforms.sample(self._this, with_replacement, fraction, seed, **options)

    def top(self, n: int | PObject, key: Callable[[Any], Any] | None = None, **options: Any) -> PCollection:
        """Give the largest records, descending; see `transforms.top`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 3, 2]).top(1).get()
            [3]
        """
        return nestflow.transforms.top(self._this, n, key, **options)

    def values(self, **options: Any) -> PCollection:
        """Give the second elements of pairs; see `transforms.values`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([("k", 1)]).values().get()
            [1]
        """
        return nestflow.transforms.values(self._this, **options)

    def zip_with_index(self, **options: Any) -> PCollection:
        """Give records with their index; see `transforms.zip_with_index`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize(["a", "b"]).zip_with_index().get()
            [('a', 0), ('b', 1)]
        """
        return nestflow.transforms.zip_with_index(self._this, **options)
