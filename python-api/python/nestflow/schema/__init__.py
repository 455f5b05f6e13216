"""Records with named fields, or tuples: columns are chosen, computed, grouped and joined by name.

A collection says that its records are dicts with certain fields, or tuples, by its serde: see
`PCollection.as_schema`, `nestflow.input.SchemaTextFile` and `tuple_to_dict`. Everything here works on
whole datasets and inside groups. Functions that compute columns get datasets, not values, as functions
given to ``apply_values`` do; where they look at one record only, no data are moved.

Example:
    >>> import nestflow as nf
    >>> from nestflow import schema
    >>> p = nf.Pipeline.create("local")
    >>> people = p.parallelize([("ann", 30), ("bob", 5)]).apply(schema.tuple_to_dict, "name, age")
    >>> people.apply(schema.select, {"age": lambda age: age + 1}).get()
    [{'age': 31}, {'age': 6}]
"""

from __future__ import annotations

from ..pcollection import SchemaPCollection
from ..plan.callsite import know
from ..serde import FieldsDictSerde
from .columns import agg, select, update
from .groups import cogroup, distinct, flatten, full_join, group_by, join, left_join, right_join
from .records import describe, dict_to_tuple, of, tuple_to_dict

__all__ = [
    "FieldsDictSerde",
    "SchemaPCollection",
    "agg",
    "cogroup",
    "describe",
    "dict_to_tuple",
    "distinct",
    "flatten",
    "full_join",
    "group_by",
    "join",
    "left_join",
    "of",
    "right_join",
    "select",
    "tuple_to_dict",
    "update",
]

know(globals()[name] for name in __all__)
