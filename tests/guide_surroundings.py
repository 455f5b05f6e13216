"""What the programs of a guide find around them: names that the page takes for known, files, libraries.

One function for each page that needs something; it is called before each block, with the block's number and
the program's names, in an empty working directory.
"""

from __future__ import annotations

import importlib
import os
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import native_libraries
import on_spark
import pytest

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable

Names = dict[str, Any]


class Model:
    """What `setup` makes in the guide."""

    def predict(self, batch: list[Any]) -> list[Any]:
        """Say how long each record is."""
        return [len(record) for record in batch]


def user_functions(number: int, names: Names) -> None:
    """Images and a model; the files that a pipeline brings."""
    if number == 0:
        names["p"] = nf.Pipeline.create("local", host="in_process", progress=False)
        names["images"] = names["p"].parallelize([b"1", b"22"])
        names["load_model"] = Model
        for path in ("data/cities.txt", "templates/page.html", "model/weights"):
            Path(path).parent.mkdir(exist_ok=True)
            Path(path).write_text(path)
        with tarfile.open("model.tar.gz", "w:gz") as archive:
            archive.add("model/weights", "weights")
        Path("dist").mkdir()
        with zipfile.ZipFile("dist/helpers-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr("guide_helpers.py", "ANSWER = 42\n")
            wheel.writestr("helpers-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: helpers\n")
    elif number == 1:
        assert names["scores"].get() == [(b"1", 1), (b"22", 2)]
        names["p"] = nf.Pipeline.create("local", host="workers", threads=1, progress=False)
    else:

        def found(_: object) -> list[object]:
            import os

            import guide_helpers

            with open("cities.txt") as cities, open("model/weights") as weights:
                return [
                    cities.read(),
                    weights.read(),
                    os.listdir("templates"),
                    os.access("bin/tool", os.X_OK),
                    guide_helpers.ANSWER,
                ]

        wanted = ["data/cities.txt", "model/weights", ["page.html"], True, 42]
        assert names["p"].parallelize([1]).map(found).get() == [wanted]


def native_functions(number: int, names: Names) -> None:
    """The example in Go, as a library for nestflow and as one that exists; orders; a session of Spark."""
    if not on_spark.MASTER:
        pytest.skip("there is no Spark")
    order = {"customer": "ann", "items": {1: {"price": 2.5, "quantity": 2}}}
    if number == 0:
        native_libraries.go(Path.cwd(), "libpricing.so")
        p = nf.Pipeline.create("spark", spark_conf=on_spark.CONF, progress=False)
        names["orders"] = p.parallelize([order])
        names["by_shop"] = p.parallelize([("a", order)]).group_by_key()
        p.parallelize([1]).map(str).get()  # there is a context from here on
        functions = importlib.import_module("pyspark.sql.functions")
        names.update(udf=functions.udf, from_json=functions.from_json)
    elif number == 1:
        assert names["orders"].map(names["pricing"].price_of).get()[0]["total"] == 5.0
        spark = importlib.import_module("pyspark.sql").SparkSession.builder.getOrCreate()
        line = '{"customer": "ann", "items": {"1": {"price": 2.5, "quantity": 2}}}'
        names["lines"] = spark.createDataFrame([(line,)], "line string")
        names["price_of"] = names["pricing"].price_of
    elif number == 2:
        # Another library of the same name.
        Path("existing").mkdir()
        os.chdir("existing")
        native_libraries.go(Path.cwd(), "libpricing.so", "pricing.go", "schema.go")
        names["order"] = order


AROUND: dict[str, Callable[[int, Names], None]] = {
    "user-functions": user_functions,
    "native-functions": native_functions,
}
"""The pages that need something."""
