"""``nestflow submit``: spark-submit with all settings that nestflow needs.

A program runs on any Spark by spark-submit alone; this types the settings, and puts what nodes need. It must
not decide anything that spark-submit, given the same settings, would not do too.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from functools import partial
from typing import TYPE_CHECKING

from .engine.spark import archives, yarn
from .engine.spark.context import before_context, find_pyspark, home
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
    parser.add_argument(
        "--tmp-data-path",
        metavar="FOLDER",
        help="where all machines find nestflow and a Python, which are put there if they are missing",
    )
    parser.add_argument(
        "--python-env", metavar="ENV", help="the packages of the program, as for Pipeline.create"
    )
    parser.add_argument("--python", help="the interpreter on the nodes (that of this command)")
    parser.add_argument("--memory", metavar="SIZE", help="of native tasks in each executor, such as 1g")
    parser.add_argument(
        "--dry-run", action="store_true", help="only show what would be run, when all is put that it needs"
    )
    parser.add_argument("program", help="a Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the program")


def command(given: argparse.Namespace, spark: str) -> list[str]:
    """Give the command that runs a program.

    Args:
        given: the command line.
        spark: where Spark is installed.

    Raises:
        ValueError: a setting without a value, an impossible size, or options that exclude each other.
        NestflowRuntimeException: there is no jar for this Spark, or what lies in the folder is damaged.
        OSError: the folder cannot be used.
    """
    conf = dict(_setting(text) for text in given.conf)
    memory = None if given.memory is None else byte_size(given.memory, "--memory")
    jars = [jar_for(spark), *(given.jars or conf.pop("spark.jars", "")).split(",")]
    generated = memory_settings(conf, memory)
    if given.tmp_data_path is not None:
        brought = _brought(given, {**generated, **conf}, os.path.basename(jars[0]))
        # These hold what the user has set, too.
        conf = {**conf, **brought}
        if given.deploy_mode == "cluster":
            del jars[0]
    elif given.python_env is not None:
        raise ValueError("--python-env needs a --tmp-data-path, where nodes find it")
    else:
        generated |= yarn.interpreter(conf.get, given.python or sys.executable)
    words = [os.path.join(spark, "bin", "spark-submit"), "--deploy-mode", given.deploy_mode]
    words += ["--master", given.master] if given.master else []
    if any(jars):
        words += ["--jars", ",".join(jar for jar in jars if jar)]
    for key, value in {**generated, **conf}.items():
        words += ["--conf", f"{key}={value}"]
    return [*words, given.program, *given.arguments]


def _brought(given: argparse.Namespace, conf: dict[str, str], jar: str) -> dict[str, str]:
    """Put what machines need, and give the settings by which they find it."""
    cluster = given.deploy_mode == "cluster"
    if cluster and (given.master or conf.get("spark.master")) != "yarn":
        raise ValueError("--tmp-data-path with --deploy-mode cluster is for --master yarn")
    spark = find_pyspark()
    settings = spark.SparkConf()
    for key, value in conf.items():
        if key not in ("spark.master", "spark.submit.deployMode"):  # it only reads and writes files
            settings.set(key, value)
    nodes = given.python or archives.interpreter_of_nodes(settings)
    jvm, hadoop = before_context(spark.SparkContext, settings)
    store = partial(archives.store_by, jvm, hadoop)
    told = archives.put_in(given.tmp_data_path, given.python_env, nodes, False, store)
    found = {archives.FOLDER: given.tmp_data_path, archives.RECORD: told.setting()}
    found |= yarn.tags(conf.get, told.published)
    if cluster:
        return found | yarn.driver(conf.get, told.published, told.interpreter, jar)
    return found | yarn.brought(conf.get, jvm, hadoop, told.published)


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
    environment = {**os.environ, "SPARK_HOME": spark, "PYSPARK_DRIVER_PYTHON": sys.executable}
    # In client mode, the program runs in the interpreter of this command.
    if given.tmp_data_path is None or given.python:
        environment["PYSPARK_PYTHON"] = given.python or sys.executable
    os.execve(words[0], words, environment)


def _setting(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise ValueError("a setting has the form KEY=VALUE, and one has no '='")
    return key, value
