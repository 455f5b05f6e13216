"""Cases: for each transform, functions from a PCollection to any datasets, with sample records.

A case is data. `test_cases` applies each of them to a whole dataset and to every group of tables
of any depth, on every engine, and compares with the oracle. A new transform is a line here.
"""

from . import (
    aggregation,
    arithmetic,
    elementwise,
    emptied,
    grouping,
    joins,
    keyed,
    nested,
    pipes,
    schemas,
    sequential,
    sets,
    sides,
    sorting,
)
from .case import Case

ALL: list[Case] = [
    case
    for family in (
        elementwise,
        aggregation,
        sets,
        sorting,
        grouping,
        joins,
        keyed,
        pipes,
        schemas,
        sequential,
        sides,
        arithmetic,
        nested,
        emptied,
    )
    for case in family.CASES
]

__all__ = ["ALL", "Case"]
