"""Where datasets live, and outer data brought into groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..pcollection import PCollection
from ..plan.callsite import call_site
from ..ptable import PTable
from ..ptype import Dataset, PType
from ..transforms.aggregation import first
from ..transforms.grouping import group_by_key
from ..transforms.tables import flatten

if TYPE_CHECKING:
    from ..pobject import PObject


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
    single = not isinstance(pvalue._leaf("broadcast_to"), PCollection)
    with pvalue._pipeline._within(scope):
        return _grouped(broadcast_to(flatten(pvalue), scope), pvalue.nested_level(), single)


def _grouped(pairs: Any, levels: int, single: bool) -> Any:
    table = group_by_key(pairs)
    if levels:
        return table.apply_values(_grouped, levels - 1, single)
    return table.apply_values(_first) if single else table


def _first(values: PCollection) -> PObject:
    return first(values)
