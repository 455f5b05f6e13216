"""``nestflow submit``: spark-submit with all settings that nestflow needs.

A program runs on any Spark by spark-submit alone; this types the settings. It must not decide anything that
spark-submit, given the same settings, would not do too.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from typing import TYPE_CHECKING

from .engine.spark.context import home
from .engine.spark.jars import jar_for
from .engine.spark.memory import settings as memory_settings
from .options import byte_size

if TYPE_CHECKING:
    from collections.abc import Sequence


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may have."""
    parser.add_argument("--master", help="as for spark-submit (what Spark's defaults say)")
    parser.add_argument("--deploy-mode", choices=("client", "cluster"), default="client")
    parser.add_argument(
        "--conf", action="append", default=[], metavar="KEY=VALUE", help="a setting of Spark's"
    )
    parser.add_argument("--jars", help="other jars, with commas between")
    parser.add_argument("--python", help="the interpreter on the nodes (that of this command)")
    parser.add_argument("--memory", metavar="SIZE", help="of native tasks in each executor, such as 1g")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be run")
    parser.add_argument("program", help="a Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the program")


def command(given: argparse.Namespace, spark: str) -> list[str]:
    """Give the command that runs a program.

    Args:
        given: the command line.
        spark: where Spark is installed.

    Raises:
        ValueError: a setting without a value, or an impossible size.
        NestflowRuntimeException: there is no jar for this Spark.
    """
    conf = dict(_setting(text) for text in given.conf)
    memory = None if given.memory is None else byte_size(given.memory, "--memory")
    python = given.python or sys.executable
    generated = memory_settings(conf, memory)
    generated |= {
        f"{place}.PYSPARK_PYTHON": python for place in ("spark.yarn.appMasterEnv", "spark.executorEnv")
    }
    jars = [jar_for(spark), *(given.jars or conf.pop("spark.jars", "")).split(",")]
    words = [os.path.join(spark, "bin", "spark-submit"), "--deploy-mode", given.deploy_mode]
    words += ["--master", given.master] if given.master else []
    words += ["--jars", ",".join(jar for jar in jars if jar)]
    for key, value in {**generated, **conf}.items():
        words += ["--conf", f"{key}={value}"]
    return [*words, given.program, *given.arguments]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; the status is that of spark-submit."""
    parser = argparse.ArgumentParser(prog="nestflow submit", description=__doc__)
    add_arguments(parser)
    given = parser.parse_args(arguments)
    spark = home()
    words = command(given, spark)
    if given.dry_run:
        print(shlex.join(words))
        return 0
    # In client mode, the program runs in the interpreter of this command.
    environment = {"PYSPARK_DRIVER_PYTHON": sys.executable, "PYSPARK_PYTHON": given.python or sys.executable}
    os.execve(words[0], words, {**os.environ, "SPARK_HOME": spark, **environment})


def _setting(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise ValueError(f"a setting has the form KEY=VALUE, not {text!r}")
    return key, value
