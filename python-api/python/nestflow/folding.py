"""The methods of a `PCollection` that give one value, or a few: each is the transform of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nestflow

from .rdd import RddMethods

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .pcollection import PCollection
    from .pobject import PObject
    from .ptype import PType


class FoldMethods(RddMethods):
    """Base of `PCollection` with these methods."""

    __slots__ = ()

    def accumulate(self, zero: Any, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PObject:
        """Fold the records in order; see `transforms.accumulate`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize(["a", "b"]).accumulate("", lambda text, x: text + x).get()
            'ab'
        """
        return nestflow.transforms.accumulate(self._this, zero, fn, *side_inputs, **options)

    def aggregate(
        self,
        zero: Any,
        aggregate_fn: Callable[..., Any],
        combine_fn: Callable[..., Any],
        *side_inputs: PType,
        **options: Any,
    ) -> PObject:
        """Fold parts and then their results; see `transforms.aggregate`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([1, 2]).aggregate(0, lambda n, x: n + x, lambda n, m: n + m).get()
            3
        """
        return nestflow.transforms.aggregate(
            self._this, zero, aggregate_fn, combine_fn, *side_inputs, **options
        )

    def as_pobject(self, **options: Any) -> PObject:
        """Give the first record as a PObject; see `transforms.first`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([7]).as_pobject().get()
            7
        """
        return self.first(**options)

    def combine(
        self, fn: Callable[[Iterable[Any]], Any], pre_combine: bool = True, **options: Any
    ) -> PObject:
        """Give ``fn(records)``, of parts and again of the results; see `transforms.combine`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 2]).combine(sum).get()
            3
        """
        return nestflow.transforms.combine(self._this, fn, pre_combine, **options)

    def count(self, **options: Any) -> PObject:
        """Give the number of records; see `transforms.count`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 2]).count().get()
            2
        """
        return nestflow.transforms.count(self._this, **options)

    def first(self, **options: Any) -> PObject:
        """Give the first record; see `transforms.first`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 2]).first().get()
            1
        """
        return nestflow.transforms.first(self._this, **options)

    def is_empty(self, **options: Any) -> PObject:
        """Give whether there is no record; see `transforms.is_empty`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1]).is_empty().get()
            False
        """
        return nestflow.transforms.is_empty(self._this, **options)

    def max(self, key: Callable[[Any], Any] | None = None, **options: Any) -> PObject:
        """Give the largest record; see `transforms.max`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 3, 2]).max().get()
            3
        """
        return nestflow.transforms.max(self._this, key, **options)

    def max_elements(
        self, n: int | PObject, key: Callable[[Any], Any] | None = None, **options: Any
    ) -> PCollection:
        """Give the largest records, descending; see `transforms.max_elements`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 3, 2]).max_elements(2).get()
            [3, 2]
        """
        return nestflow.transforms.max_elements(self._this, n, key, **options)

    def min(self, key: Callable[[Any], Any] | None = None, **options: Any) -> PObject:
        """Give the smallest record; see `transforms.min`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 3, 2]).min().get()
            1
        """
        return nestflow.transforms.min(self._this, key, **options)

    def min_elements(
        self, n: int | PObject, key: Callable[[Any], Any] | None = None, **options: Any
    ) -> PCollection:
        """Give the smallest records, ascending; see `transforms.min_elements`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 3, 2]).min_elements(2).get()
            [1, 2]
        """
        return nestflow.transforms.min_elements(self._this, n, key, **options)

    def reduce(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PObject:
        """Put records together two by two; see `transforms.reduce`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([2, 3]).reduce(lambda a, b: a * b).get()
            6
        """
        return nestflow.transforms.reduce(self._this, fn, *side_inputs, **options)

    def sum(self, **options: Any) -> PObject:
        """Add the records up; see `transforms.sum`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 2]).sum().get()
            3
        """
        return nestflow.transforms.sum(self._this, **options)

    def take(self, n: int | PObject, **options: Any) -> PCollection:
        """Give the first records; see `transforms.take`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 2, 3]).take(2).get()
            [1, 2]
        """
        return nestflow.transforms.take(self._this, n, **options)
