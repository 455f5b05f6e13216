"""DataFrames and RDDs of pyspark as parts of bytes, and back; ``runtime/src/remote/frames`` has the forms.

Some of what is called in the JVM is Spark's own way from its rows to batches of Arrow and back, which pyspark
uses too: the names are not public API, but the same in all Sparks that are supported (docs/decisions/0008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import NestflowPlanningException, NestflowRuntimeException
from .context import CONNECT

if TYPE_CHECKING:
    Form = str | dict[str, dict[str, object]]

BYTES = "bytes"
"""The form of an RDD: each element is a pickled list of records."""

_LARGE = "spark.sql.execution.arrow.useLargeVarTypes"


def check(data: Any) -> None:
    """Refuse what is neither a DataFrame nor an RDD of a classic session.

    Raises:
        ValueError: something else, or a DataFrame with two columns of one name.
        NestflowRuntimeException: a DataFrame of Spark Connect.

    Example:
        >>> check([1, 2])
        Traceback (most recent call last):
        ValueError: from_spark needs a DataFrame or an RDD of pyspark, not [1, 2]
    """
    if ".connect." in type(data).__module__:
        raise NestflowRuntimeException(CONNECT)
    if not hasattr(data, "_jdf") and not hasattr(data, "_jrdd_deserializer"):
        raise ValueError(f"from_spark needs a DataFrame or an RDD of pyspark, not {data!r:.100}")
    names = getattr(data, "columns", [])
    if len(set(names)) < len(names):
        raise ValueError(f"from_spark needs columns of different names, not {', '.join(names)}")


def parts(context: Any, data: Any) -> tuple[Any, Form]:
    """Give the JVM's RDD of bytes behind a DataFrame or an RDD, and what these are.

    Raises:
        NestflowPlanningException: the data belong to another Spark than the pipeline.
    """
    of = data.sparkSession.sparkContext if hasattr(data, "_jdf") else data.ctx
    if of is not context:
        raise NestflowPlanningException(
            "from_spark: the data belong to another SparkContext than the pipeline; create it with session="
        )
    if hasattr(data, "_jdf"):
        large = data.sparkSession.conf.get(_LARGE, "false").lower() == "true"
        return data._jdf.toArrowBatchRdd(), _frame(data.schema.json(), large)
    from pyspark.serializers import (  # type: ignore[import-not-found, unused-ignore]
        AutoBatchedSerializer,
        BatchedSerializer,
        CPickleSerializer,
    )

    kind = data._jrdd_deserializer
    lists = type(kind) in (AutoBatchedSerializer, BatchedSerializer)
    if not (lists and isinstance(kind.serializer, CPickleSerializer)):
        data = data._reserialize(AutoBatchedSerializer(CPickleSerializer()))
    return data._jrdd.rdd(), BYTES


def form_of(context: Any, schema: Any) -> Form:
    """Give the form of what is to be a DataFrame of a schema, or without one, an RDD.

    Args:
        context: the SparkContext.
        schema: a StructType, or its text, such as ``"name string, age int"``.

    Raises:
        ValueError: neither, or a text that Spark does not understand.
    """
    if schema is None:
        return BYTES
    if not isinstance(schema, str):
        if not hasattr(schema, "json") or getattr(schema, "typeName", lambda: "")() != "struct":
            raise ValueError(f"a schema is a StructType or a text like 'name string', not {schema!r:.100}")
        return _frame(schema.json(), False)
    from py4j.protocol import Py4JJavaError  # type: ignore[import-not-found, unused-ignore]
    from pyspark.errors import PySparkException  # type: ignore[import-not-found, unused-ignore]

    try:
        return _frame(context._jvm.org.apache.spark.sql.types.StructType.fromDDL(schema).json(), False)
    except (Py4JJavaError, PySparkException) as error:
        # Which of the two it is depends on whether there was a SparkSession in this process.
        told = error.java_exception.getMessage() if isinstance(error, Py4JJavaError) else error
        text = str(told).strip().split("\n")[0]
        raise ValueError(f"Spark does not understand the schema {schema!r:.100}: {text}") from None


def dataset(context: Any, session: Any, driver: Any, cache: int, form: Form) -> Any:
    """Give the DataFrame or RDD of a kept dataset in a form of Spark's."""
    if not isinstance(form, dict):
        from pyspark import RDD  # type: ignore[import-not-found, unused-ignore]
        from pyspark.serializers import AutoBatchedSerializer, CPickleSerializer

        return RDD(driver.elements(cache), context, AutoBatchedSerializer(CPickleSerializer()))
    from pyspark.sql import DataFrame, SparkSession  # type: ignore[import-not-found, unused-ignore]

    if not hasattr(session, "_jsparkSession"):
        session = SparkSession.builder.getOrCreate()
    schema = context._jvm.org.apache.spark.sql.types.DataType.fromJson(form["frame"]["schema"])
    rows = driver.rows(cache)
    return DataFrame(session._jsparkSession.internalCreateDataFrame(rows, schema, False), session)


def _frame(schema: str, large: bool) -> Form:
    return {"frame": {"schema": schema, "large": large}}
