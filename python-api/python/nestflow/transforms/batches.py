"""`map_batches`: functions that see many records at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..functions import function_name, ship_function
from ..host.formats import FORMATS
from ..options import byte_size
from ..plan import nodes as op
from .call import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..pcollection import PCollection
    from ..pobject import PObject

_ROWS = 1024
_BYTES = 64 << 20


def map_batches(
    pvalue: PCollection | PObject,
    fn: Callable[..., Any],
    *side_inputs: Any,
    format: str = "list",
    batch_size: int | str | tuple[int, int | str] | None = None,
    setup: Callable[[], Any] | None = None,
    instances: int | None = None,
    iterator: bool = False,
    **options: Any,
) -> PCollection:
    """Give the records of ``fn(batch, *side_inputs)`` for batches of records, in order.

    A batch has records of one group only. Of a whole dataset, each task makes its own batches; the
    records of a group are all brought to one task.

    Args:
        pvalue: a PCollection or PObject; `fn` is not called without a record.
        fn: gives a batch of any length in the same format, or an iterator (a generator) of some.
            With `setup`, what that made is the second argument.
        side_inputs: as for `map`.
        format: how batches look: ``"list"``; ``"numpy"``, an array, a tuple of arrays for tuples, a
            dict of arrays for dicts; ``"arrow"``, a RecordBatch, whose columns are those of dicts, or
            one called ``value``; ``"pandas"``, a DataFrame for dicts, else a Series. The library has to
            be installed where functions run.
        batch_size: the most records of a batch, or bytes (``"64MB"``), or both: ``(1000, "64MB")``. A
            record larger than that is a batch of its own. 1024 records and 64 MB, if not given.
        setup: makes what is needed for all batches, such as a model: once in each process, in the
            background, for all pipelines that ship the same function.
        instances: in how many processes of each machine (each executor, on Spark) the function runs,
            for all tasks there; as many as there are, if not given. For what `setup` makes that is large.
        iterator: call ``fn(batches, *side_inputs)`` once for each group, and each task's part of a whole
            dataset, with an iterator of batches; it gives an iterator of batches.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type, no such format, or an impossible size.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.map_batches(p.parallelize([1, 2, 3]), lambda batch: [max(batch)]).get()
        [3]
        >>> table = p.parallelize({"a": [1, 2, 3], "b": [4]})
        >>> table.apply_values(nf.transforms.map_batches, lambda batch: [sum(batch)], batch_size=2).get()
        {'a': [3, 3], 'b': [4]}
    """
    from ..host.batches import Batches, Settings

    if format not in FORMATS:
        raise ValueError(f"map_batches has no format {format!r}: it is one of {', '.join(FORMATS)}")
    if instances is not None and (type(instances) is not int or instances < 1):
        raise ValueError(f"instances of map_batches has to be a number from 1, not {instances!r:.100}")
    rows, size = _sizes(batch_size)
    limits = Settings(format, rows, _BYTES if size is None else size, iterator, size is not None)
    call = Call("map_batches", options, [pvalue], side_inputs)
    function = ship_function(fn)
    made = None if setup is None else ship_function(setup, "setup").pickled
    batches = Batches(function.pickled, made, limits)
    shipped = call.value(batches, function_name(fn), function)
    return call.collection(op.Transformer(call.input(pvalue), shipped, call.sides, True, instances))


def _sizes(batch_size: object) -> tuple[int, int | None]:
    if batch_size is None:
        return _ROWS, None
    rows, size = batch_size if isinstance(batch_size, tuple) and len(batch_size) == 2 else (batch_size, None)
    if size is None and isinstance(rows, str):
        rows, size = _ROWS, rows
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise ValueError(f"batch_size has to be a number of records, a size or both, not {batch_size!r}")
    return rows, None if size is None else byte_size(size, "batch_size")
