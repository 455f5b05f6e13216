"""Transforms of tables: what comes out of groups, and functions applied inside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import NestflowPlanningException
from ..options import TRANSFORM_OPTIONS, warn_unknown
from ..pcollection import PCollection, collection_at
from ..plan.callsite import call_site
from ..plan.nodes import First, Flatten, Key, Keys, ToList, Union, Values
from ..pobject import PObject
from ..ptable import PTable
from ..ptype import Dataset, PType
from ..serde import tuple_of
from .call import Call, check_visible, kept_to, need, outer_table, table_as_object

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan.nodes import CallSite, Op

D = TypeVar("D", bound=Dataset)


def extract_keys(ptable: PTable, **options: Any) -> PCollection:
    """Give the outermost keys of a table, each once, also those of emptied groups; no order.

    Raises:
        ValueError: not a PTable.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> sorted(nf.transforms.extract_keys(p.parallelize({"a": [1], "b": []})).get())
        ['a', 'b']
    """
    site = _begin("extract_keys", ptable, options)
    node = ptable._pipeline._builder.add(ptable._scope, Keys(ptable._inner), False, site)
    keys = collection_at(ptable._pipeline, ptable._scope, node, ptable.key_serdes()[0])
    return kept_to(keys, options, site)


def extract_values(ptable: PTable, **options: Any) -> PCollection:
    """Give the values of all groups of all levels, without their keys.

    Raises:
        ValueError: not a PTable.
        NestflowPlanningException: the values are a tuple.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> sorted(nf.transforms.extract_values(p.parallelize({"a": [1, 2], "b": [3]})).get())
        [1, 2, 3]
    """
    return _values("extract_values", ptable, options)


def flatten(pvalue: Any, **options: Any) -> Any:
    """Give a table as pairs ``(k0, value)``, nested ones as ``(k0, (k1, value))``.

    Args:
        pvalue: a PTable; a PCollection or PObject is given back unchanged. Groups without a record
            give no pair; the order inside a group is kept, there is none between groups.
        options: hints, without effect on the result.

    Raises:
        NestflowPlanningException: the values are a tuple.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> sorted(nf.transforms.flatten(p.parallelize({"a": [2, 1], "b": [3]})).get())
        [('a', 1), ('a', 2), ('b', 3)]
    """
    if isinstance(pvalue, Dataset):
        return _unchanged("flatten", pvalue, options)
    site = _begin("flatten", pvalue, options)
    leaf, levels = _leaf_and_levels(pvalue, "flatten")
    node = pvalue._pipeline._builder.add(pvalue._scope, Flatten(leaf._node, levels), False, site)
    serde = leaf.serde()
    for key in reversed(pvalue.key_serdes()):
        serde = tuple_of(key, serde)
    return kept_to(PCollection(pvalue._pipeline, pvalue._scope, node, serde), options, site)


def flatten_values(pvalue: Any, **options: Any) -> Any:
    """Do what `extract_values` does; a PCollection or PObject is given back unchanged.

    Raises:
        ValueError: not a handle.
        NestflowPlanningException: the values are a tuple.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.flatten_values(p.parallelize({"a": 1})).get()
        [1]
    """
    if isinstance(pvalue, Dataset):
        return _unchanged("flatten_values", pvalue, options)
    return _values("flatten_values", pvalue, options)


def to_pobject(pvalue: PType, **options: Any) -> PObject:
    """Give the data as one value: a list of a PCollection, a (nested) dict of a PTable.

    Args:
        pvalue: a PObject is given back unchanged. Empty gives ``[]`` and ``{}``; groups without a
            record are left out of the dict.
        options: hints, without effect on the result.

    Raises:
        ValueError: not a handle.
        NestflowPlanningException: the values of the table are a tuple.
        InvalidDataException: at the run: a key that a dict cannot have.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.to_pobject(p.parallelize({"a": {"x": 1}})).get()
        {'a': {'x': 1}}
    """
    if isinstance(pvalue, PObject):
        return _unchanged("to_pobject", pvalue, options)
    if isinstance(pvalue, PCollection):
        call = Call("to_pobject", options, [pvalue])
        return call.object(ToList(call.input(pvalue)))
    site = _begin("to_pobject", pvalue, options)
    assert isinstance(pvalue, PTable)
    return kept_to(table_as_object(pvalue, site), options, site)


def apply_in_groups(
    name: str,
    table: PTable,
    fn: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    with_key: bool,
) -> PTable:
    """Call a plan-time function once, on handles that stand for the data of every group.

    What the function builds becomes part of the groups' scope; what it gives is the new value.
    """
    site = call_site(name)
    if not callable(fn):
        raise ValueError(f"{name} needs a function from datasets to datasets, not {fn!r:.100}")
    pipeline, builder = table._pipeline, table._pipeline._builder
    check_visible(pipeline, table, site)
    for arg in (*args, *kwargs.values()):
        if isinstance(arg, PTable):
            raise outer_table(arg, site)
        if isinstance(arg, PType):
            _check_outer(table, arg, site)
    with pipeline._within(table._inner) as again:
        given = table._values()
        if again:
            given = tuple(_anew(part, site) for part in given)
        if with_key:
            key = builder.add(table._inner, Key(), True, site)
            given = (PObject(pipeline, table._inner, key, table._key_serde), *given)
        result = fn(*given, *args, **kwargs)
        parts = result if isinstance(result, tuple) else (result,)
        if not parts or not all(isinstance(part, PType) for part in parts):
            raise ValueError(
                f"{site}: the function has to give a PCollection, a PObject, a PTable or a tuple of these, "
                f"not {result!r:.100}"
            )
        members = tuple(_member(table, part, site) for part in parts)
    value = members if isinstance(result, tuple) else members[0]
    return PTable(pipeline, table._scope, table._inner, value, table._key_serde)


def _anew(part: PType, site: CallSite) -> Dataset | PTable:
    """Give the same data by nodes of their own, which tell them from those of the group around."""
    if isinstance(part, PTable):
        parts = tuple(_anew(value, site) for value in part._values())
        value = parts if isinstance(part._value, tuple) else parts[0]
        return PTable(part._pipeline, part._scope, part._inner, value, part._key_serde)
    assert isinstance(part, Dataset)
    single = isinstance(part, PObject)
    same: Op = First(part._node) if single else Union((part._node,))
    return part._moved(part._scope, part._pipeline._builder.add(part._scope, same, single, site))


def _unchanged(name: str, pvalue: D, options: dict[str, Any]) -> D:
    """Give back what is no table; a serde among the options holds for it all the same."""
    warn_unknown(options, TRANSFORM_OPTIONS, name)
    site = call_site(name)
    check_visible(pvalue._pipeline, pvalue, site)
    return kept_to(pvalue, options, site)


def _begin(name: str, ptable: object, options: dict[str, Any]) -> CallSite:
    site = call_site(name)
    warn_unknown(options, TRANSFORM_OPTIONS, name)
    need(PTable, ptable, name)
    assert isinstance(ptable, PTable)
    check_visible(ptable._pipeline, ptable, site)
    return site


def _values(name: str, ptable: PTable, options: dict[str, Any]) -> PCollection:
    site = _begin(name, ptable, options)
    leaf, levels = _leaf_and_levels(ptable, name)
    node = ptable._pipeline._builder.add(ptable._scope, Values(leaf._node, levels), False, site)
    return kept_to(collection_at(ptable._pipeline, ptable._scope, node, leaf._serde), options, site)


def _leaf_and_levels(ptable: PTable, name: str) -> tuple[Dataset, int]:
    leaf = ptable._leaf(name)
    depth = ptable._pipeline._builder.depth
    return leaf, depth(leaf._scope) - depth(ptable._scope)


def _check_outer(table: PTable, arg: PType, site: CallSite) -> None:
    """Refuse an argument that the groups of the table cannot see."""
    check_visible(table._pipeline, arg, site)
    builder = table._pipeline._builder
    if not builder.encloses(arg._scope, table._scope):
        raise NestflowPlanningException(
            f"{site}: the {type(arg).__name__} made by {arg._made_at()} lives inside the groups of "
            f"{builder.opener_site(arg._scope)}, and the table made by {table._made_at()} outside of them: "
            "its groups cannot see that data. Make the table from data of the group"
        )


def _member(table: PTable, part: PType, site: CallSite) -> Dataset | PTable:
    """Give what a lifted function gave as a dataset of the groups; outer data are the same in each."""
    check_visible(table._pipeline, part, site)
    if isinstance(part, PTable):
        if part._scope != table._inner:
            raise outer_table(part, site)
        return part
    assert isinstance(part, Dataset)
    node = table._pipeline._builder.import_into(table._inner, part._node, site)
    return part._moved(table._inner, node)
