"""`PObject`: a distributed single value. Operators on it are transforms too."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import nestflow

from .pcollection import PCollection, collection_at
from .ptype import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from .ptype import PType


class PObject(Dataset):
    """A dataset of one record, or of none where there was nothing to compute it from.

    Arithmetic and comparisons with constants or other PObjects give PObjects.

    Example:
        >>> import nestflow as nf
        >>> numbers = nf.Pipeline.create("local").parallelize([1, 2, 6])
        >>> mean = numbers.sum() / numbers.count()
        >>> mean
        o
        >>> mean.get()
        3.0
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Show the shape of the data, never the data."""
        return "o"

    def get(self) -> Any:
        """Run what is pending and give the value.

        Raises:
            InvalidDataException: there is no value, or the object lives inside `apply_values`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize(3).get()
            3
        """
        return self._pipeline.get(self)

    def as_pcollection(self) -> PCollection:
        """Give the value as a collection of one record; of none if there is no value.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize(1).as_pcollection().get()
            [1]
        """
        return collection_at(self._pipeline, self._scope, self._node, self._serde)

    def cartesian(self, *pvalues: PCollection | PObject, **options: Any) -> Any:
        """Give a tuple for each combination; see `transforms.cartesian`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize(1).cartesian(p.parallelize(2)).get()
            [(1, 2)]
        """
        return nestflow.transforms.cartesian(self, *pvalues, **options)

    def flat_map(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PCollection:
        """Give each element of the function's result; see `transforms.flat_map`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize("ab").flat_map(list).get()
            ['a', 'b']
        """
        return nestflow.transforms.flat_map(self, fn, *side_inputs, **options)

    def map(self, fn: Callable[..., Any], *side_inputs: PType, **options: Any) -> PObject:
        """Give the function's result; see `transforms.map`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize(2).map(lambda x: -x).get()
            -2
        """
        return nestflow.transforms.map(self, fn, *side_inputs, **options)

    def union(
        self, other: PCollection | PObject, *others: PCollection | PObject, **options: Any
    ) -> PCollection:
        """Give the records of all; see `transforms.union`.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize(1).union(p.parallelize(2)).get()
            [1, 2]
        """
        return nestflow.transforms.union(self, other, *others, **options)

    def not_(self) -> PObject:
        """Give ``not value``.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize(0).not_().get()
            True
        """
        return self._unary("not_", operator.not_)

    def ceil(self) -> PObject:
        """Give ``math.ceil(value)``.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize(1.5).ceil().get()
            2
        """
        return self._unary("ceil", math.ceil)

    def floor(self) -> PObject:
        """Give ``math.floor(value)``.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize(1.5).floor().get()
            1
        """
        return self._unary("floor", math.floor)

    def round(self, n: int | None = None) -> PObject:
        """Give Python's ``round(value)``, or ``round(value, n)``.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize(1.25).round(1).get()
            1.2
        """
        return nestflow.transforms.arithmetic.rounded(self, n)

    def __bool__(self) -> NoReturn:
        """Refuse: the value is not known while the pipeline is built.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"the value of a PObject ({self._made_at()}) is not known while the pipeline is built: use get() "
            "for the value, not_() for its negation, & and | instead of and, or"
        )

    __hash__ = object.__hash__

    # NumPy leaves an operator with an array on the left to us, instead of making an array of PObjects.
    __array_ufunc__ = None

    def _unary(self, name: str, function: Callable[[Any], Any]) -> PObject:
        return nestflow.transforms.arithmetic.unary(name, function, self)

    def _binary(self, name: str, function: Callable[[Any, Any], Any], other: object) -> PObject:
        return nestflow.transforms.arithmetic.binary(name, function, self, other)

    def _reflected(self, name: str, function: Callable[[Any, Any], Any], other: object) -> PObject:
        return nestflow.transforms.arithmetic.reflected(name, function, self, other)

    def __add__(self, other: object) -> PObject:
        return self._binary("+", operator.add, other)

    def __radd__(self, other: object) -> PObject:
        return self._reflected("+", operator.add, other)

    def __sub__(self, other: object) -> PObject:
        return self._binary("-", operator.sub, other)

    def __rsub__(self, other: object) -> PObject:
        return self._reflected("-", operator.sub, other)

    def __mul__(self, other: object) -> PObject:
        return self._binary("*", operator.mul, other)

    def __rmul__(self, other: object) -> PObject:
        return self._reflected("*", operator.mul, other)

    def __truediv__(self, other: object) -> PObject:
        return self._binary("/", operator.truediv, other)

    def __rtruediv__(self, other: object) -> PObject:
        return self._reflected("/", operator.truediv, other)

    def __floordiv__(self, other: object) -> PObject:
        return self._binary("//", operator.floordiv, other)

    def __rfloordiv__(self, other: object) -> PObject:
        return self._reflected("//", operator.floordiv, other)

    def __mod__(self, other: object) -> PObject:
        return self._binary("%", operator.mod, other)

    def __rmod__(self, other: object) -> PObject:
        return self._reflected("%", operator.mod, other)

    def __pow__(self, other: object) -> PObject:
        return self._binary("**", operator.pow, other)

    def __rpow__(self, other: object) -> PObject:
        return self._reflected("**", operator.pow, other)

    def __lshift__(self, other: object) -> PObject:
        return self._binary("<<", operator.lshift, other)

    def __rlshift__(self, other: object) -> PObject:
        return self._reflected("<<", operator.lshift, other)

    def __rshift__(self, other: object) -> PObject:
        return self._binary(">>", operator.rshift, other)

    def __rrshift__(self, other: object) -> PObject:
        return self._reflected(">>", operator.rshift, other)

    def __and__(self, other: object) -> PObject:
        return self._binary("&", operator.and_, other)

    def __rand__(self, other: object) -> PObject:
        return self._reflected("&", operator.and_, other)

    def __xor__(self, other: object) -> PObject:
        return self._binary("^", operator.xor, other)

    def __rxor__(self, other: object) -> PObject:
        return self._reflected("^", operator.xor, other)

    def __or__(self, other: object) -> PObject:
        return self._binary("|", operator.or_, other)

    def __ror__(self, other: object) -> PObject:
        return self._reflected("|", operator.or_, other)

    def __lt__(self, other: object) -> PObject:
        return self._binary("<", operator.lt, other)

    def __le__(self, other: object) -> PObject:
        return self._binary("<=", operator.le, other)

    def __gt__(self, other: object) -> PObject:
        return self._binary(">", operator.gt, other)

    def __ge__(self, other: object) -> PObject:
        return self._binary(">=", operator.ge, other)

    def __eq__(self, other: object) -> PObject:  # type: ignore[override]
        return self._binary("==", operator.eq, other)

    def __ne__(self, other: object) -> PObject:  # type: ignore[override]
        return self._binary("!=", operator.ne, other)

    def __neg__(self) -> PObject:
        return self._unary("-", operator.neg)

    def __pos__(self) -> PObject:
        return self._unary("+", operator.pos)

    def __abs__(self) -> PObject:
        return self._unary("abs", abs)

    def __invert__(self) -> PObject:
        return self._unary("~", operator.invert)
