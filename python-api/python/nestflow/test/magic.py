"""Assertions that run with a pipeline, and short functions of records.

Nothing is patched: datasets keep their own operators.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from ..keys import identity
from ..pcollection import PCollection
from ..pobject import PObject
from ..ptype import PType
from ..transforms.elementwise import filter, foreach, map
from ..transforms.sets import make_tuple, union
from ..transforms.tables import to_pobject

if TYPE_CHECKING:
    from collections.abc import Callable


def passert(condition: PObject, message: str = "") -> None:
    """Have the next run fail unless the value is true.

    Raises:
        AssertionError: at the run.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> passert(p.parallelize([1, 2]).count() == 2)
        >>> p.run()
    """
    foreach(condition, _Holds(message or "the value is not true"))


def passert_eq(expected: Any, found: PType, message: str = "") -> None:
    """Have the next run fail unless two datasets, or data and a dataset, are equal.

    Collections are compared without their order; what else is given is made a dataset.

    Raises:
        AssertionError: at the run.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> passert_eq([2, 1], p.parallelize([1, 2]))
        >>> p.run()
    """
    if not isinstance(expected, PType):
        expected = found.pipeline().parallelize(expected)
    many = isinstance(found, PCollection)
    sides = [to_pobject(side) for side in (expected, found)]
    foreach(make_tuple(*sides), _Equal(many, message))


def _if(condition: PObject, then: Any, otherwise: Any) -> Any:
    """Give one dataset or the other, by a value; of two PObjects, a PObject.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> _if(p.parallelize(True), p.parallelize([1]), p.parallelize([2, 3])).get()
        [1]
    """
    both = union(filter(then, _keep, condition), filter(otherwise, _drop, condition))
    objects = isinstance(then, PObject) and isinstance(otherwise, PObject)
    return both.first() if objects else both


def col(n: int) -> Callable[[Any], Any]:
    """Give the function from a record to its n-th element.

    Example:
        >>> col(1)(("a", "b"))
        'b'
    """
    return _Get(n)


at = col


def field(name: str) -> Callable[[Any], Any]:
    """Give the function from a record to one of its fields.

    Example:
        >>> field("age")({"age": 5})
        5
    """
    return _Get(name)


def map_on(pvalue: Any, where: Any, fn: Callable[[Any], Any]) -> Any:
    """Give records with one element or field replaced by what a function makes of it.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> map_on(p.parallelize([("a", 1)]), 1, lambda x: x + 1).get()
        [('a', 2)]
    """
    return map(pvalue, _Replace(where, fn))


def _keep(record: Any, condition: Any) -> bool:
    return bool(condition)


def _drop(record: Any, condition: Any) -> bool:
    return not condition


class _Holds:
    def __init__(self, message: str) -> None:
        self.message = message

    def __call__(self, value: Any) -> None:
        if not value:
            raise AssertionError(self.message)


class _Equal:
    def __init__(self, many: bool, message: str) -> None:
        self.many = many
        self.message = message

    def __call__(self, sides: Any) -> None:
        expected, found = sides
        equal = _counted(expected) == _counted(found) if self.many else expected == found
        if not equal:
            raise AssertionError(self.message or f"expected {expected!r:.500}, found {found!r:.500}")


def _counted(records: list[Any]) -> Any:
    try:
        return Counter(identity(record) for record in records)
    except Exception:
        return sorted(repr(record) for record in records)


class _Get:
    def __init__(self, where: Any) -> None:
        self.where = where

    def __call__(self, record: Any) -> Any:
        return record[self.where]


class _Replace:
    def __init__(self, where: Any, fn: Callable[[Any], Any]) -> None:
        self.where = where
        self.fn = fn

    def __call__(self, record: Any) -> Any:
        if isinstance(record, tuple):
            return (*record[: self.where], self.fn(record[self.where]), *record[self.where + 1 :])
        changed = record.copy()
        changed[self.where] = self.fn(record[self.where])
        return changed
