"""Where datasets live, and outer data brought into groups."""

from __future__ import annotations

from typing import Any

from ..pcollection import PCollection
from ..plan.callsite import call_site
from ..ptable import PTable
from ..ptype import Dataset, PType
from ..transforms.aggregation import first
from ..transforms.elementwise import filter, map
from ..transforms.grouping import group_by_key
from ..transforms.sets import union
from ..transforms.tables import extract_keys, flatten


def working_scope(pvalue: PType) -> int:
    """Give the scope that a dataset lives in; opaque, equal for datasets of the same groups.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> working_scope(p.parallelize(1)) == working_scope(p.parallelize([2]))
        True
    """
    return pvalue._scope


def is_same_working_scope(left: object, right: object) -> bool:
    """Whether two datasets live in the same groups; True if one is no dataset.

    Example:
        >>> import nestflow as nf
        >>> is_same_working_scope(nf.Pipeline.create("local").parallelize(1), 3)
        True
    """
    if not isinstance(left, PType) or not isinstance(right, PType):
        return True
    return left._scope == right._scope


def broadcast_to(pvalue: Any, scope: int) -> Any:
    """Give a dataset of a scope for one of a scope around it: the same in every group.

    Args:
        pvalue: a PCollection, a PObject or a PTable.
        scope: what `working_scope` gives of a dataset of the groups.

    Raises:
        ValueError: no dataset, or not one of a scope around.
        NestflowPlanningException: a table whose values are a tuple.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> one, table = p.parallelize(1), p.parallelize({"a": [5]})
        >>> table.apply_values(lambda v: broadcast_to(one, working_scope(v)) + 1).get()
        {'a': 2}
    """
    if not isinstance(pvalue, PType):
        raise ValueError(f"broadcast_to works on a dataset, not on {pvalue!r:.100}")
    builder = pvalue._pipeline._builder
    if not builder.encloses(pvalue._scope, scope):
        raise ValueError(f"broadcast_to: the {type(pvalue).__name__} does not live around the scope")
    if isinstance(pvalue, Dataset):
        node = builder.import_into(scope, pvalue._node, call_site("broadcast_to"))
        return pvalue._moved(scope, node)
    assert isinstance(pvalue, PTable)
    if pvalue._scope == scope:
        return pvalue
    single = not isinstance(pvalue._leaf("broadcast_to"), PCollection)
    rows = broadcast_to(union(_keys(pvalue), _leaves(pvalue)), scope)
    with pvalue._pipeline._within(scope):
        return _grouped(rows, pvalue.nested_level(), single)


def _keys(table: PTable) -> PCollection:
    """Give a row ``(key, (key, ... ()))`` for each group of each level, which may have no record."""
    keys = map(extract_keys(table), _with_nothing)
    return union(keys, flatten(table.apply_values(_keys))) if table.nested_level() else keys


def _leaves(values: Any) -> Any:
    """Give a row ``(key, (key, ... (record,)))`` for each record of a table."""
    return flatten(values.apply_values(_leaves)) if isinstance(values, PTable) else map(values, _alone)


def _grouped(rows: Any, levels: int, single: bool) -> Any:
    return group_by_key(rows).apply_values(_inner, levels, single)


def _inner(rows: PCollection, levels: int, single: bool) -> Any:
    rows = filter(rows, _is_something)
    if levels:
        return _grouped(rows, levels - 1, single)
    records = map(rows, _content)
    return first(records) if single else records


def _with_nothing(key: Any) -> Any:
    return key, ()


def _alone(record: Any) -> Any:
    return (record,)


def _is_something(row: tuple[Any, ...]) -> bool:
    return row != ()


def _content(row: tuple[Any, ...]) -> Any:
    return row[0]
