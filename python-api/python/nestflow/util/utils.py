"""What datasets and Python data are."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from ..pcollection import PCollection
from ..pobject import PObject
from ..ptable import PTable
from ..ptype import PType

if TYPE_CHECKING:
    from ..pipeline import Pipeline


def is_ptype(value: object) -> bool:
    """Whether something is a dataset.

    Example:
        >>> is_ptype([1])
        False
    """
    return isinstance(value, PType)


def is_infinite(value: object) -> bool:
    """Whether something is a dataset without end: nothing is.

    Example:
        >>> is_infinite([1])
        False
    """
    return False


def flatten_runtime_value(value: Any) -> list[Any]:
    """Give a (nested) dict as tuples of all keys and the value; of lists, one for each element.

    Of a list alone, give its elements; of anything else, that alone.

    Example:
        >>> flatten_runtime_value({"a": {1: [2, 3]}, "b": {4: [5]}})
        [('a', 1, 2), ('a', 1, 3), ('b', 4, 5)]
        >>> flatten_runtime_value([1, 2]), flatten_runtime_value("text")
        ([1, 2], ['text'])
    """
    if not isinstance(value, MutableMapping):
        return list(value) if isinstance(value, list) else [value]
    rows: list[Any] = []
    for key, inner in value.items():
        nested = isinstance(inner, MutableMapping)
        rows += [(key, *(row if nested else (row,))) for row in flatten_runtime_value(inner)]
    return rows


def detect_ptype(value: Any) -> tuple[int, type[PType]]:
    """Give the number of nested tables (-1: no table) and the class of the innermost values.

    Args:
        value: a dataset, or data as `Pipeline.parallelize` takes them.

    Example:
        >>> level, kind = detect_ptype({"a": {"b": [1]}})
        >>> level, kind.__name__
        (1, 'PCollection')
    """
    if isinstance(value, PTable):
        return value.nested_level(), value.inner_most_type()
    if isinstance(value, PType):
        return -1, type(value)
    level = -1
    while isinstance(value, MutableMapping):
        level += 1
        if not value:
            return level, PCollection
        value = next(iter(value.values()))
    return level, PCollection if isinstance(value, list) else PObject


def construct(pipeline: Pipeline, data: Any, serde: Any = None) -> Any:
    """Give the dataset of Python data, as `Pipeline.parallelize` does.

    Example:
        >>> import nestflow as nf
        >>> construct(nf.Pipeline.create("local"), {"a": [1]})
        {k0: [...]}
    """
    return pipeline.parallelize(data) if serde is None else pipeline.parallelize(data, serde=serde)
