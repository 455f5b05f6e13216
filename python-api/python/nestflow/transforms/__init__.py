"""All transforms as functions, the datasets first: ``transforms.map(pcollection, fn)``.

Names such as ``map`` and ``sum`` shadow builtins, so use them through the module.
"""

from __future__ import annotations

from ..plan.callsite import know
from . import arithmetic as arithmetic
from . import tables as tables
from .absent import idl_to_str, str_to_idl, window_into
from .aggregation import (
    accumulate,
    aggregate,
    combine,
    count,
    first,
    is_empty,
    max,
    min,
    reduce,
    sum,
    to_list_pobject,
)
from .batches import map_batches
from .elementwise import filter, flat_map, foreach, map
from .grouping import cogroup, group_by, group_by_key
from .joins import full_join, join, left_join, right_join
from .pairs import (
    aggregate_by_key,
    collect_as_map,
    count_by_key,
    flat_map_values,
    key_by,
    keys,
    map_values,
    reduce_by_key,
    values,
)
from .pipes import pipe
from .positions import glom, group_by_every_record, map_partitions, sample, zip_with_index
from .sequential import transform
from .sets import cartesian, diff, distinct, intersection, make_tuple, substract, subtract, union
from .sorting import max_elements, min_elements, sort, sort_by, take, top
from .tables import extract_keys, extract_values, flatten, flatten_values, to_pobject

__all__ = [
    "accumulate",
    "aggregate",
    "aggregate_by_key",
    "cartesian",
    "cogroup",
    "collect_as_map",
    "combine",
    "count",
    "count_by_key",
    "diff",
    "distinct",
    "extract_keys",
    "extract_values",
    "filter",
    "first",
    "flat_map",
    "flat_map_values",
    "flatten",
    "flatten_values",
    "foreach",
    "full_join",
    "glom",
    "group_by",
    "group_by_every_record",
    "group_by_key",
    "idl_to_str",
    "intersection",
    "is_empty",
    "join",
    "key_by",
    "keys",
    "left_join",
    "make_tuple",
    "map",
    "map_partitions",
    "map_batches",
    "map_values",
    "max",
    "max_elements",
    "min",
    "min_elements",
    "pipe",
    "reduce",
    "reduce_by_key",
    "right_join",
    "sample",
    "sort",
    "sort_by",
    "str_to_idl",
    "substract",
    "subtract",
    "sum",
    "take",
    "to_list_pobject",
    "to_pobject",
    "top",
    "transform",
    "union",
    "values",
    "window_into",
    "zip_with_index",
]

know(globals()[name] for name in __all__)
