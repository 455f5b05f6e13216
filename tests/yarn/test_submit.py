"""A program that nobody has changed, run by spark-submit on YARN, with its input and output on HDFS."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Yarn

LINES = [f"word{number % 7} and word{number % 11}" for number in range(20_000)]
"""Enough for several blocks of HDFS."""

COUNTS = sorted(f"{word} {count}" for word, count in Counter(" ".join(LINES).split()).items())


@pytest.mark.parametrize(
    "spark, mode, by",
    [
        ("3.5.9", "client", "spark-submit"),
        ("3.5.9", "cluster", "spark-submit"),
        ("4.3.0", "client", "nestflow submit"),
        ("4.3.0", "cluster", "nestflow submit"),
    ],
)
def test_words(yarn: Yarn, spark: str, mode: str, by: str) -> None:
    folder = f"/user/tester/words-{spark}-{mode}"
    yarn.hadoop.put(f"{folder}/in/a", "\n".join(LINES).encode())
    ended = yarn.submit(
        mode, "words.py", f"hdfs://{folder}/in", f"{yarn.hadoop.hdfs}{folder}/out", spark=spark, by=by
    )
    assert f"different words: {len(COUNTS)}" in ended.succeeded().text
    assert yarn.hadoop.lines(f"{folder}/out") == COUNTS
    assert yarn.hadoop.names(folder) == ["in", "out"]


def test_too_much_memory(yarn: Yarn) -> None:
    ended = yarn.submit("client", "greedy.py", conf={"spark.task.maxFailures": "1"})
    assert ended.status == 1, ended.text[-20_000:]
    error = ended.text[ended.text.index("NestflowRuntimeException") :]
    assert "Container killed by YARN for exceeding physical memory limits" in error
    assert "take their memory from spark.executor.memoryOverhead: raise it" in error
