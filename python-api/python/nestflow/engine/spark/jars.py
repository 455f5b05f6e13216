"""Which jar belongs to which Spark."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ...errors import NestflowRuntimeException

FOLDER = Path(__file__).parent / "jars"
"""Where the jars lie that were built with this package."""

_CORE = re.compile(r"spark-core_(\d+\.\d+)-(\d+)\.(\d+)")


def jar_for(home: str) -> str:
    """Give the jar for an installation of Spark.

    Args:
        home: the folder of that Spark, with its ``jars`` inside.

    Raises:
        NestflowRuntimeException: a Spark that is not supported, or the jar was not built.
    """
    return jar_of(*_version(home))


def jar_of(scala: str, major: str, minor: str) -> str:
    """Give the jar for a version of Spark.

    Args:
        scala: the version of Scala that it was compiled for, ``"2.12"`` or ``"2.13"``.
        major: the first number of its version.
        minor: the second one.

    Raises:
        NestflowRuntimeException: a Spark that is not supported, or the jar was not built.
    """
    line = f"{major}.{minor}" if major == "3" else major
    name = f"nestflow-spark-{line}_{scala}.jar"
    path = FOLDER / name
    if path.exists():
        return str(path)
    supported = sorted(jar.name for jar in FOLDER.glob("nestflow-spark-*.jar"))
    there = f"it has {', '.join(supported)}" if supported else "none was built; scripts/jar does"
    raise NestflowRuntimeException(
        f"Spark {major}.{minor} with Scala {scala} needs {name}, which this package does not have: {there}"
    )


def _version(home: str) -> tuple[str, str, str]:
    folder = os.path.join(home, "jars")
    names = os.listdir(folder) if os.path.isdir(folder) else []
    for name in names:
        if match := _CORE.match(name):
            return match[1], match[2], match[3]
    raise NestflowRuntimeException(f"{home} is no installation of Spark: it has no spark-core jar")
