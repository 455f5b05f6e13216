"""The methods of a `PCollection` that take others: each is the transform of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nestflow

from .folding import FoldMethods

if TYPE_CHECKING:
    from .pcollection import PCollection
    from .pobject import PObject
    from .ptable import PTable


class CombiningMethods(FoldMethods):
    """Base of `PCollection` with these methods."""

    __slots__ = ()

    def cartesian(self, *pvalues: PCollection | PObject, **options: Any) -> PCollection:
        """Give a tuple for each combination of records; see `transforms.cartesian`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([1, 2]).cartesian(p.parallelize(["a"])).get()
            [(1, 'a'), (2, 'a')]
        """
        product: PCollection = nestflow.transforms.cartesian(self._this, *pvalues, **options)
        return product

    def cogroup(self, other: PCollection, *others: PCollection, **options: Any) -> PTable:
        """Group several collections of pairs by one key; see `transforms.cogroup`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> table = p.parallelize([("k", 1)]).cogroup(p.parallelize([("k", 2)]))
            >>> table.apply_values(lambda a, b: a.union(b)).get()
            {'k': [1, 2]}
        """
        return nestflow.transforms.cogroup(self._this, other, *others, **options)

    def diff(self, other: PCollection, **options: Any) -> PCollection:
        """Give the elements whose counts differ; see `transforms.diff`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([1, 1]).diff(p.parallelize([1])).get()
            [(1, (2, 1))]
        """
        return nestflow.transforms.diff(self._this, other, **options)

    def full_join(self, other: PCollection, *others: PCollection, **options: Any) -> PCollection:
        """Join and keep every row of every side; see `transforms.full_join`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([("k", 1)]).full_join(p.parallelize([("l", 2)])).sort().get()
            [('k', (1, None)), ('l', (None, 2))]
        """
        return nestflow.transforms.full_join(self._this, other, *others, **options)

    def intersection(
        self, other: PCollection, output_duplicated: bool = False, **options: Any
    ) -> PCollection:
        """Give the common elements; see `transforms.intersection`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([1, 2]).intersection(p.parallelize([2, 3])).get()
            [2]
        """
        return nestflow.transforms.intersection(self._this, other, output_duplicated, **options)

    def join(self, other: PCollection, *others: PCollection, **options: Any) -> PCollection:
        """Join by the keys of all sides; see `transforms.join`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([("k", 1)]).join(p.parallelize([("k", 2), ("l", 3)])).get()
            [('k', (1, 2))]
        """
        return nestflow.transforms.join(self._this, other, *others, **options)

    def left_join(self, other: PCollection, *others: PCollection, **options: Any) -> PCollection:
        """Join and keep every row of this side; see `transforms.left_join`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([("k", 1)]).left_join(p.parallelize([("l", 2)])).get()
            [('k', (1, None))]
        """
        return nestflow.transforms.left_join(self._this, other, *others, **options)

    def right_join(self, other: PCollection, *others: PCollection, **options: Any) -> PCollection:
        """Join and keep every row of the last side; see `transforms.right_join`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([("k", 1)]).right_join(p.parallelize([("l", 2)])).get()
            [('l', (None, 2))]
        """
        return nestflow.transforms.right_join(self._this, other, *others, **options)

    def substract(self, other: PCollection, **options: Any) -> PCollection:
        """Warn, and do what `subtract` does.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([1, 2]).subtract(p.parallelize([2])).get()  # the name that is meant
            [1]
        """
        return nestflow.transforms.substract(self._this, other, **options)

    def subtract(self, other: PCollection, **options: Any) -> PCollection:
        """Drop what occurs in the other collection; see `transforms.subtract`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([1, 2]).subtract(p.parallelize([2])).get()
            [1]
        """
        return nestflow.transforms.subtract(self._this, other, **options)

    def union(
        self, other: PCollection | PObject, *others: PCollection | PObject, **options: Any
    ) -> PCollection:
        """Give the records of all; see `transforms.union`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([1]).union(p.parallelize([2])).get()
            [1, 2]
        """
        return nestflow.transforms.union(self._this, other, *others, **options)
