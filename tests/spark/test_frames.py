"""DataFrames and RDDs of pyspark as datasets, and datasets as these, against what pyspark itself says."""

from __future__ import annotations

import datetime as dt
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")

UTC = dt.timezone.utc
SCHEMA = """
    flag boolean, tiny tinyint, small smallint, whole int, long bigint, half float, real double, text string,
    raw binary, price decimal(12,3), day date, at timestamp, local timestamp_ntz, took interval day to second,
    words array<string>, scores map<string,array<int>>, place struct<x:int,y:struct<z:string>>, nothing void
"""
FULL: dict[str, Any] = {
    "flag": True,
    "tiny": -128,
    "small": 32767,
    "whole": -(2**31),
    "long": 2**63 - 1,
    "half": 0.5,
    "real": 1e300,
    "text": "naïve \x00 ☃",
    "raw": b"\x00\xff\x00",
    "price": Decimal("-123456789.010"),
    "day": dt.date(1969, 12, 31),
    "at": dt.datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC),
    "local": dt.datetime(1969, 7, 20, 20, 17, 40, 1),
    "took": dt.timedelta(days=-1, microseconds=1),
    "words": ["a", None, ""],
    "scores": {"a": [1, None], "b": None, "c": []},
    "place": {"x": 1, "y": {"z": None}},
    "nothing": None,
}
EMPTY = dict.fromkeys(FULL)


def session(p: nf.Pipeline) -> Any:
    p._engine._opened()  # type: ignore[attr-defined]
    from pyspark.sql import SparkSession

    return SparkSession.builder.getOrCreate()


def plain(value: Any) -> Any:
    """What pyspark gives, in the words of nestflow."""
    if hasattr(value, "asDict"):
        return {name: plain(value[name]) for name in value.asDict()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return bytes(value) if isinstance(value, bytearray) else value


def rows(frame: Any) -> list[Any]:
    """The rows; a timestamp as Spark's own text, since pyspark gives it in the zone of this process."""
    at = "cast(at as string) at"
    return [
        plain(row) for row in frame.selectExpr(*[at if c == "at" else c for c in frame.columns]).collect()
    ]


def test_every_type_goes_there_and_back(spark: Make) -> None:
    p = spark()
    sql = session(p)
    sql.conf.set("spark.sql.session.timeZone", "America/Caracas")  # nothing depends on it but how it is shown
    given = [FULL, EMPTY, {"text": "x", "whole": 1}]
    frame = p.parallelize(given).to_spark(SCHEMA)
    wanted = [{**EMPTY, **record} for record in given]
    shown = [{**record, "at": "2026-03-28 21:30:00.123456" if record["at"] else None} for record in wanted]
    assert rows(frame) == shown
    back = p.read(nf.from_spark(frame))
    assert str(back).startswith("SchemaPCollection(flag,tiny")
    assert back.get() == wanted
    assert [type(back.get()[0][name]) for name in FULL] == [type(FULL[name]) for name in FULL]
    # As a second job, and through columns that Spark has changed.
    changed = frame.selectExpr("explode(words) word", "struct(long, price) as pair").orderBy("word")
    pair = {"long": FULL["long"], "price": FULL["price"]}
    assert p.read(nf.from_spark(changed)).get() == [{"word": word, "pair": pair} for word in (None, "", "a")]


@pytest.mark.parametrize(
    "digits", ["0", "0.0000", "-0.0010", "1E+3", "1.000E-2", "99999999.9999", "-1", "7E-3"]
)
def test_decimals_keep_their_digits(spark: Make, digits: str) -> None:
    p = spark()
    frame = p.parallelize([(Decimal(digits),)]).to_spark("d decimal(12,4)")
    [row] = frame.collect()
    [record] = p.read(nf.from_spark(frame)).get()
    assert str(record["d"]) == str(row[0])
    assert record["d"] == Decimal(digits)
    tiny = p.read(nf.from_spark(frame.selectExpr("cast(d as decimal(38,20)) d"))).get()
    assert str(tiny[0]["d"]) == str(frame.selectExpr("cast(d as decimal(38,20)) d").collect()[0][0])


def test_many_rows_keep_their_order(spark: Make) -> None:
    p = spark()
    sql = session(p)
    sql.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "700")
    frame = sql.range(0, 20_000, 1, 7).selectExpr("id", "concat('w', id % 97) word")
    records = p.read(nf.from_spark(frame))
    assert records.map(lambda record: record["id"]).get() == list(range(20_000))
    counts = records.group_by(lambda record: record["word"]).apply_values(lambda group: group.count())
    back = counts.flatten().to_spark("word string, n bigint")
    wanted = {
        row["word"]: row["n"]
        for row in frame.groupBy("word").count().withColumnRenamed("count", "n").collect()
    }
    assert {row["word"]: row["n"] for row in back.collect()} == wanted
    assert back.groupBy().sum("n").collect()[0][0] == 20_000


@pytest.mark.parametrize("parts", [1, 5])
def test_records_of_an_rdd(spark: Make, parts: int) -> None:
    p = spark()
    context = session(p).sparkContext
    values = [None, 1, "two", (3, [4.0]), {"five": b"6"}, Decimal("7.0"), 2**70, dt.timedelta(8), {9}] * 300
    plain_rdd = context.parallelize(values, parts)
    assert p.read(nf.from_spark(plain_rdd)).get() == values
    assert p.read(nf.from_spark(plain_rdd.map(lambda value: (value, value)))).get() == [
        (v, v) for v in values
    ]
    back = p.parallelize(values).map(lambda value: [value]).to_spark()
    assert back.collect() == [[value] for value in values]
    assert back.map(len).sum() == len(values)


def test_text_and_pairs_of_other_serializers(spark: Make, tmp_path: Any) -> None:
    p = spark()
    context = session(p).sparkContext
    (tmp_path / "lines").write_text("a\nb\nc\n")
    lines = context.textFile(str(tmp_path / "lines"))
    assert p.read(nf.from_spark(lines)).get() == ["a", "b", "c"]
    assert p.read(nf.from_spark(lines.zip(lines))).get() == [("a", "a"), ("b", "b"), ("c", "c")]


def test_without_records(spark: Make) -> None:
    p = spark()
    sql = session(p)
    empty = sql.createDataFrame([], "a int")
    assert p.read(nf.from_spark(empty)).get() == []
    assert p.read(nf.from_spark(sql.sparkContext.emptyRDD())).get() == []
    assert p.parallelize([]).to_spark("a int").collect() == []
    assert p.parallelize([]).to_spark().collect() == []
    assert p.parallelize([{}, {}]).to_spark(sql.range(1).select().schema).count() == 2
    assert p.read(nf.from_spark(sql.range(3).select())).get() == [{}, {}, {}]


def test_a_dataset_that_is_kept_already_and_a_single_one(spark: Make) -> None:
    p = spark()
    kept = p.parallelize([("a", 1), ("b", 2)]).cache()
    assert len(kept.get()) == 2
    assert [tuple(row) for row in kept.to_spark("name string, n int").collect()] == [("a", 1), ("b", 2)]
    assert kept.to_spark().collect() == [("a", 1), ("b", 2)]
    assert p.to_spark(kept.count()).collect() == [2]
    assert [tuple(row) for row in kept.count().map(lambda n: (n,)).apply(p.to_spark, "n int").collect()] == [
        (2,)
    ]
    assert kept.get() == [("a", 1), ("b", 2)]


def test_a_dataframe_outlives_its_pipeline(spark: Make) -> None:
    p = nf.Pipeline.create("spark", session=session(spark()), progress=False)
    words = [f"w{number}" for number in range(5000)]
    frame = p.parallelize(words).map(lambda word: (word, len(word))).to_spark("word string, n int")
    total = sum(map(len, words))
    assert frame.groupBy().sum("n").collect()[0][0] == total
    p.close()
    assert frame.groupBy().sum("n").collect()[0][0] == total


MISFITS: list[tuple[str, Any, str]] = [
    ("a int", {"a": 2**31}, "column a: 2147483648 does not fit 32 bits"),
    ("a tinyint", {"a": -129}, "column a: -129 does not fit 8 bits"),
    ("a bigint", {"a": 2**63}, "column a: it takes an int of 64 bits, not an int beyond 64 bits"),
    ("a int", {"a": "1"}, "column a: it takes an int of 64 bits, not a str"),
    ("a int", {"a": True}, "not a bool"),
    ("a int", {"a": 1.0}, "not a float"),
    ("a double", {"a": 2**53 + 1}, "column a: 9007199254740993 is no float"),
    ("a decimal(4,2)", {"a": Decimal("1.001")}, r"column a: 1.001 does not fit decimal\(4,2\)"),
    ("a decimal(4,2)", {"a": 100}, r"column a: 100 does not fit decimal\(4,2\)"),
    ("a decimal(4,2)", {"a": Decimal("NaN")}, "NaN does not fit"),
    (
        "a timestamp",
        {"a": dt.datetime(2026, 1, 1)},
        "takes a datetime with a time zone, not a datetime without",
    ),
    ("a timestamp_ntz", {"a": dt.datetime(2026, 1, 1, tzinfo=UTC)}, "takes a datetime without a time zone"),
    ("a string", {"a": "\udc80"}, "a str with surrogates is no text to Spark"),
    ("a string", {"b": "x"}, 'there is no column "b"'),
    ("a string", ("x", "y"), "a tuple of 2 for 1 columns"),
    ("a string", "x", "is no row, which is a dict or a tuple"),
    ("a string not null", {}, "column a: it may not be None"),
    ("a array<struct<b:int>>", {"a": [{"b": 1}, {"b": "2"}]}, "column a.element.b: it takes an int"),
    ("a map<string,int>", {"a": {None: 1}}, "column a: a map of Spark's has no key None"),
    ("a void", {"a": 1}, "column a: it takes None, not an int"),
]


@pytest.mark.parametrize(("schema", "record", "message"), MISFITS)
def test_what_a_column_cannot_hold(spark: Make, schema: str, record: Any, message: str) -> None:
    with pytest.raises(nf.errors.InvalidDataException, match=message):
        spark().parallelize([record]).to_spark(schema)


def test_wrong_uses(spark: Make) -> None:
    p = spark()
    sql = session(p)
    with pytest.raises(ValueError, match=r"from_spark needs a DataFrame or an RDD of pyspark, not \[1\]"):
        nf.from_spark([1])
    with pytest.raises(ValueError, match="columns of different names, not id, id"):
        nf.from_spark(sql.range(1).selectExpr("id", "id"))
    with pytest.raises(nf.errors.NestflowPlanningException, match="from_spark needs a pipeline on Spark"):
        nf.Pipeline.create("local").read(nf.from_spark(sql.range(1)))
    with pytest.raises(nf.errors.NestflowPlanningException, match="to_spark needs a pipeline on Spark"):
        nf.Pipeline.create("local").parallelize([1]).to_spark()
    with pytest.raises(ValueError, match="Spark does not understand the schema 'a nonsense'"):
        p.parallelize([1]).to_spark("a nonsense")
    with pytest.raises(ValueError, match="a schema is a StructType or a text"):
        p.parallelize([1]).to_spark(["a"])
    with pytest.raises(ValueError, match=r"PCollection or a PObject.*flatten"):
        p.to_spark(p.parallelize({"a": [1]}))
    months = sql.sql("select struct(interval '1' month as m) a")
    with pytest.raises(nf.errors.NestflowPlanningException, match=r"column a\.m is of Spark's type interval"):
        p.read(nf.from_spark(months)).get()


def test_random_frames(spark: Make) -> None:
    p = spark()
    sql = session(p)
    chance = random.Random(20261121)
    records = [
        {
            "a": chance.choice([None, chance.randrange(-(2**63), 2**63)]),
            "b": [chance.choice([None, "", "x" * chance.randrange(40)]) for _ in range(chance.randrange(4))],
            "c": {str(key): chance.random() for key in range(chance.randrange(3))},
        }
        for _ in range(3000)
    ]
    schema = "a bigint, b array<string>, c map<string,double>"
    theirs = sql.createDataFrame(records, schema)
    assert p.read(nf.from_spark(theirs)).get() == records
    assert rows(p.parallelize(records).to_spark(schema)) == records
