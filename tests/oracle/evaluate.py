"""What a run has to give: the entry of the oracle."""

from __future__ import annotations

from typing import Any

from nestflow import PCollection, PObject, PTable
from nestflow.errors import InvalidDataException
from nestflow.plan import nodes as op

from .groups import Fails
from .operators import Operators


def get(handle: Any, undefined: set[str] | None = None) -> Any:
    """What ``handle.get()`` has to return; lists whose order is open are `Bag`.

    Args:
        handle: a dataset of the root scope.
        undefined: gets the names of operators that looked at an order, or broke a tie, which the
            contract leaves open: then the answer is one of several.

    Raises:
        Fails: the run has to fail.
    """
    leaf = handle._leaf("get")
    effects = [target for target in handle._pipeline._pending if isinstance(target, op.Effect)]
    plan = handle._pipeline._builder.plan([op.Keep(leaf._node, 0), *effects], [])
    operators = Operators(plan, set() if undefined is None else undefined)
    try:
        operators.on_the_way()
        if isinstance(handle, PTable):
            return operators.table(leaf._node, isinstance(leaf, PCollection))
        rows = operators.rows(leaf._node, ())
    except InvalidDataException as error:  # of a function that stands for a transform
        raise Fails(str(error)) from error
    if isinstance(handle, PObject):
        if len(rows) != 1:
            raise Fails("no value")
        return rows.rows[0].value
    return rows.values()
