"""All transforms as functions, the datasets first: ``transforms.map(pcollection, fn)``.

Names such as ``map`` and ``sum`` shadow builtins, so use them through the module.
"""

from __future__ import annotations

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
from .elementwise import filter, flat_map, foreach, map
from .grouping import cogroup, group_by, group_by_key
from .joins import full_join, join, left_join, right_join
from .pipes import pipe
from .sequential import transform
from .sets import cartesian, diff, distinct, intersection, make_tuple, substract, subtract, union
from .sorting import max_elements, min_elements, sort, sort_by, take
from .tables import extract_keys, extract_values, flatten, flatten_values, to_pobject

__all__ = [
    "accumulate",
    "aggregate",
    "cartesian",
    "cogroup",
    "combine",
    "count",
    "diff",
    "distinct",
    "extract_keys",
    "extract_values",
    "filter",
    "first",
    "flat_map",
    "flatten",
    "flatten_values",
    "foreach",
    "full_join",
    "group_by",
    "group_by_key",
    "idl_to_str",
    "intersection",
    "is_empty",
    "join",
    "left_join",
    "make_tuple",
    "map",
    "max",
    "max_elements",
    "min",
    "min_elements",
    "pipe",
    "reduce",
    "right_join",
    "sort",
    "sort_by",
    "str_to_idl",
    "substract",
    "subtract",
    "sum",
    "take",
    "to_list_pobject",
    "to_pobject",
    "transform",
    "union",
    "window_into",
]
