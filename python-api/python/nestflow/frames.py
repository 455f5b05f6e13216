"""Datasets of Spark's own: what a pipeline on Spark begins with, and what it gives back."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from .errors import InvalidDataException, NestflowPlanningException
from .pcollection import PCollection, collection_at, schema_of
from .plan import nodes as op
from .plan.builder import ROOT
from .plan.callsite import call_site
from .pobject import PObject
from .transformer import Transformer
from .transforms.call import Call

if TYPE_CHECKING:
    from .pipeline import Pipeline

_BATCH = 1024
"""Records that are pickled together, at most."""


class SparkData:
    """A DataFrame or an RDD as a source; see `from_spark`."""

    def __init__(self, data: Any) -> None:
        """Check what it is; it is looked at by the run."""
        from .engine.spark.frames import check

        check(data)
        self._data = data

    def __repr__(self) -> str:
        """Show what it is."""
        return f"from_spark({self._data!r:.100})"

    def _read(self, pipeline: Pipeline) -> PCollection:
        site = call_site("read")
        held = pipeline._builder.add(ROOT, op.Literal(()), False, site)
        _adopt(pipeline, held, self._data)
        # What is read is another dataset than what is held, whose bytes are not ours.
        node = pipeline._builder.add(ROOT, op.Union((held,)), False, site)
        if not hasattr(self._data, "columns"):
            return PCollection(pipeline, ROOT, node).flat_map(pickle.loads)
        names = list(self._data.columns)
        return collection_at(pipeline, ROOT, node, schema_of(names) if names else None)


def from_spark(data: Any) -> SparkData:
    """Give a DataFrame or an RDD of pyspark as a source for `Pipeline.read`, of a pipeline in the same Spark.

    It is computed by Spark, by each run that reads it unless it is persisted, and its records do not pass
    through this process. They keep its order.

    - The records of a DataFrame are dicts with its columns, in a SchemaPCollection. Arrays are lists, structs
      and maps are dicts, decimals `Decimal` with all their digits, null is None. A timestamp is an aware
      datetime at UTC, a ``timestamp_ntz`` a naive one, an interval of days and time a timedelta; a type that
      Python has no value for (interval of months, variant, …) is an error of the run that names the column.
    - The records of an RDD are what they are; their classes have to be importable by the workers.

    Args:
        data: a ``pyspark.sql.DataFrame`` (not of Spark Connect) or a ``pyspark.RDD``.

    Raises:
        ValueError: something else, or a DataFrame with two columns of one name.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("spark", session=spark)  # doctest: +SKIP
        >>> p.read(nf.from_spark(spark.range(3))).get()  # doctest: +SKIP
        [{'id': 0}, {'id': 1}, {'id': 2}]
    """
    return SparkData(data)


def to_spark(pipeline: Pipeline, pvalue: Any, schema: Any) -> Any:
    """Serve `Pipeline.to_spark`."""
    if not isinstance(pvalue, (PCollection, PObject)):
        hint = "; flatten() makes a PCollection of a table" if hasattr(pvalue, "flatten") else ""
        raise ValueError(f"to_spark needs a PCollection or a PObject, not {pvalue!r:.100}{hint}")
    if pvalue._scope != ROOT:
        raise InvalidDataException(
            f"to_spark: the {type(pvalue).__name__} made by {pvalue._made_at()} lives inside groups, without "
            "data of its own"
        )
    if schema is None:
        call = Call("to_spark", {}, [pvalue])
        pickled = call.value(Pickled(), "to_spark")
        lists = call.collection(op.Transformer(call.input(pvalue), pickled, parts=True))
        return _leave(pipeline, lists._node, None)
    return _leave(pipeline, pvalue._node, schema)


class Pickled(Transformer):
    """Gives records as pickled lists, which is how pyspark keeps them."""

    def begin_process(self, *_: Any) -> list[bytes]:
        """Start with nothing."""
        self.records: list[Any] = []
        return []

    def process(self, record: Any, *_: Any) -> list[bytes]:
        """Take a record."""
        self.records.append(record)
        return self._all() if len(self.records) == _BATCH else []

    def end_process(self, *_: Any) -> list[bytes]:
        """Give what is left."""
        return self._all() if self.records else []

    def _all(self) -> list[bytes]:
        records, self.records = self.records, []
        return [pickle.dumps(records, 4)]


def _adopt(pipeline: Pipeline, node: int, data: Any) -> None:
    """Let the engine hold data of its own for a node."""
    adopt = _ability(pipeline, "adopt", "from_spark")
    with pipeline._lock:
        pipeline._caches += 1
        adopt(pipeline._caches, data)
        pipeline._held[node] = pipeline._caches


def _leave(pipeline: Pipeline, node: int, schema: Any) -> Any:
    """Run, and give the dataset of a node in a form of the engine's own."""
    leave = _ability(pipeline, "leave", "to_spark")
    with pipeline._lock:
        pipeline._caches += 1
        cache = pipeline._caches
        made = leave(cache, schema)
        with pipeline._cancellable() as check:
            pipeline._run((), check, (op.Keep(node, cache),))
        return made()


def _ability(pipeline: Pipeline, name: str, transform: str) -> Any:
    """What only an engine with datasets of its own can."""
    ability = getattr(pipeline._engine, name, None)
    if ability is None:
        raise NestflowPlanningException(
            f'{transform} needs a pipeline on Spark: Pipeline.create("spark", session=…)'
        )
    return ability
