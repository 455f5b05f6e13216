"""Assertions that run with a pipeline, and short functions of records.

Nothing is patched: datasets keep their own operators.
"""

from __future__ import annotations

from collections import Counter
from copy import copy
from typing import TYPE_CHECKING, Any

from ..keys import identity
from ..pcollection import PCollection
from ..pobject import PObject
from ..ptype import PType
from ..serde import DefaultSerde
from ..transforms.aggregation import to_list_pobject
from ..transforms.elementwise import filter, foreach, map
from ..transforms.sets import make_tuple, union
from ..transforms.sorting import take
from ..transforms.tables import to_pobject

if TYPE_CHECKING:
    from collections.abc import Callable


def passert(condition: Any, message: str = "") -> None:
    """Have the next run fail unless the value is true; what is no dataset is looked at now.

    Raises:
        AssertionError: at the run; for a PObject without a value too.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> passert(p.parallelize([1, 2]).count() == 2)
        >>> p.run()
    """
    holds = _Holds(message or "the value is not true")
    if isinstance(condition, PObject):
        foreach(_values(condition), _HoldsOnce(holds))
    elif isinstance(condition, PType):
        foreach(condition, holds)  # type: ignore[arg-type]
    else:
        holds(condition)


def passert_eq(expected: Any, found: Any, message: str = "") -> None:
    """Have the next run fail unless two datasets, or data and a dataset, are equal.

    Collections are compared without their order; what else is given is made a dataset. A PObject without a
    value equals only another one. Two values are compared now.

    Raises:
        AssertionError: at the run.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> passert_eq([2, 1], p.parallelize([1, 2]))
        >>> passert_eq(p.parallelize([1, 2]).sum(), 3)
        >>> p.run()
    """
    datasets = [side for side in (expected, found) if isinstance(side, PType)]
    if not datasets:
        _Equal(False, message)(([expected], [found]))
        return
    pipeline = datasets[0].pipeline()
    both = [
        side if isinstance(side, PType) else pipeline.parallelize(side, serde=DefaultSerde())
        for side in (expected, found)
    ]
    many = isinstance(datasets[0], PCollection)
    foreach(make_tuple(*(_values(side) for side in both)), _Equal(many, message))


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


def at(pvalue: PCollection, n: int | PObject) -> PObject:
    """Give the n-th record in the order of the dataset, from 0.

    Args:
        pvalue: a PCollection.
        n: a number or a PObject; the run fails with Python's ``IndexError`` where there is no such record.

    Raises:
        ValueError: an operand or number of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> at(p.parallelize(["a", "b", "c"]), 1).get()
        'b'
    """
    if isinstance(n, PObject):
        return map(to_list_pobject(take(pvalue, n + 1)), _nth, n)
    return map(to_list_pobject(take(pvalue, n + 1)), _Get(n))


def col(n: int) -> Callable[[Any], Any]:
    """Give the function from a record to its n-th element; `map_on` takes it as a place too.

    Example:
        >>> col(1)(("a", "b"))
        'b'
    """
    return _Get(n)


def field(name: str) -> Callable[[Any], Any]:
    """Give the function from a record to one of its fields, or attributes; `map_on` takes it as a place too.

    Example:
        >>> field("age")({"age": 5}), field("real")(3)
        (5, 3)
    """
    return _Field(name)


def map_on(pvalue: Any, where: Any, fn: Callable[[Any], Any]) -> Any:
    """Give records with one element or field replaced by what a function makes of it.

    Args:
        pvalue: a PCollection or PObject.
        where: ``col(n)`` or ``field(name)``, or such a number or name alone.
        fn: from the old value to the new one.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> map_on(p.parallelize([("a", 1)]), col(1), lambda x: x + 1).get()
        [('a', 2)]
    """
    place = where if isinstance(where, _Get) else _Field(where) if isinstance(where, str) else _Get(where)
    return map(pvalue, _Replace(place, fn))


def _values(pvalue: Any) -> PObject:
    """Give a list with the value of a dataset, which is empty where a PObject has none."""
    return to_list_pobject(to_pobject(pvalue).as_pcollection())


def _nth(records: list[Any], n: int) -> Any:
    return records[n]


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


class _HoldsOnce:
    def __init__(self, holds: _Holds) -> None:
        self.holds = holds

    def __call__(self, values: list[Any]) -> None:
        if not values:
            raise AssertionError(f"{self.holds.message}: there is none")
        self.holds(values[0])


class _Equal:
    def __init__(self, many: bool, message: str) -> None:
        self.many = many
        self.message = message

    def __call__(self, sides: Any) -> None:
        expected, found = sides
        if [self._compared(x) for x in expected] != [self._compared(x) for x in found]:
            raise AssertionError(self.message or f"expected {_shown(expected)}, found {_shown(found)}")

    def _compared(self, value: Any) -> Any:
        return _counted(value) if self.many else value


def _shown(values: list[Any]) -> str:
    return f"{values[0]!r:.500}" if values else "no value"


def _counted(records: list[Any]) -> Any:
    try:
        return Counter(identity(record) for record in records)
    except Exception:
        return sorted(repr(record) for record in records)


class _Get:
    """A place in records: an element."""

    def __init__(self, where: Any) -> None:
        self.where = where

    def __call__(self, record: Any) -> Any:
        return record[self.where]

    def replaced(self, record: Any, value: Any) -> Any:
        if isinstance(record, tuple):
            items = [*record]
            items[self.where] = value
            return tuple(items) if type(record) is tuple else type(record)(*items)
        changed = copy(record)
        changed[self.where] = value
        return changed


class _Field(_Get):
    """A place in records: a field of a dict, an attribute of another object."""

    def __call__(self, record: Any) -> Any:
        return record[self.where] if isinstance(record, dict) else getattr(record, self.where)

    def replaced(self, record: Any, value: Any) -> Any:
        if isinstance(record, dict):
            return super().replaced(record, value)
        changed = copy(record)
        setattr(changed, self.where, value)
        return changed


class _Replace:
    def __init__(self, place: _Get, fn: Callable[[Any], Any]) -> None:
        self.place = place
        self.fn = fn

    def __call__(self, record: Any) -> Any:
        return self.place.replaced(record, self.fn(self.place(record)))
