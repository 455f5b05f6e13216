"""``nestflow submit``: spark-submit with all settings that nestflow needs.

A program runs on any Spark by spark-submit alone; this types the settings, and puts what nodes need. It must
not decide anything that spark-submit, given the same settings, would not do too.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from .engine.spark import archives, yarn
from .engine.spark.context import before_context, find_pyspark, home
from .engine.spark.defaults import Settings, defaults, properties
from .engine.spark.jars import jar_for
from .engine.spark.memory import settings as memory_settings
from .options import byte_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SECRET = re.compile(r"secret|password|token|access[.]?key", re.IGNORECASE)
"""What Spark takes for one, in the name of a setting or in its value, unless it is told otherwise."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may have."""
    parser.add_argument("--master", help="as for spark-submit (what Spark's defaults say)")
    parser.add_argument("--deploy-mode", choices=("client", "cluster"), help="as for spark-submit (client)")
    parser.add_argument(
        "--properties-file", metavar="FILE", help="settings of Spark's, instead of its file of defaults"
    )
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
    if given.python is not None and given.python_env is not None:
        raise ValueError("--python and --python-env exclude each other: both say what functions run in")
    conf = dict(_setting(text) for text in given.conf)
    memory = None if given.memory is None else byte_size(given.memory, "--memory")
    # spark-submit reads it too; what is typed comes before it.
    there = defaults(spark) if given.properties_file is None else properties(given.properties_file)
    known = {**there, **conf}
    mode = given.deploy_mode or known.get("spark.submit.deployMode", "client")
    jars = [jar_for(spark), *filter(None, (given.jars or known.get("spark.jars", "")).split(","))]
    conf.pop("spark.jars", None)
    generated = memory_settings(known, memory)
    if given.tmp_data_path is not None:
        brought = _brought(given, mode == "cluster", {**generated, **conf}, there, jars)
        # These hold what the user has set, too.
        conf = {**conf, **brought}
    elif given.python_env is not None:
        raise ValueError("--python-env needs a --tmp-data-path, where nodes find it")
    else:
        generated |= yarn.interpreter(known.get, given.python or sys.executable)
    words = [os.path.join(spark, "bin", "spark-submit"), "--deploy-mode", mode]
    words += ["--master", given.master] if given.master else []
    words += ["--properties-file", given.properties_file] if given.properties_file else []
    words += ["--jars", ",".join(jars)] if jars else []
    for key, value in {**generated, **conf}.items():
        words += ["--conf", f"{key}={value}"]
    return [*words, given.program, *given.arguments]


def _brought(
    given: argparse.Namespace,
    cluster: bool,
    conf: dict[str, str],
    there: Mapping[str, str],
    jars: list[str],
) -> dict[str, str]:
    """Put what machines need, and give the settings by which they find it.

    Args:
        given: the command line.
        cluster: whether the driver runs on a node.
        conf: what is going to be typed.
        there: what a file of settings says.
        jars: ours and the user's, which may know other file systems.
    """
    if cluster and (given.master or conf.get("spark.master") or there.get("spark.master")) != "yarn":
        raise ValueError("--tmp-data-path with --deploy-mode cluster is for --master yarn")
    spark = find_pyspark()
    settings = Settings(spark.SparkConf(), there)
    # The JVM of this process only reads and writes files.
    own = {"spark.master": "local", "spark.submit.deployMode": "client", "spark.jars": ",".join(jars)}
    for key, value in {**conf, **own}.items():
        settings.set(key, value)
    nodes = given.python or archives.interpreter_of_nodes(settings)
    with _reading(given.properties_file):
        jvm, hadoop = before_context(spark.SparkContext, settings)
    store = partial(archives.store_by, jvm, hadoop)
    needs = archives.needed(given.python_env, nodes, False)
    # A driver here asks the nodes which Python they have; one there runs in it.
    put = archives.put_in if cluster else archives.put_unasked
    told = put(given.tmp_data_path, given.python_env, needs, False, store)
    get = {**there, **conf}.get
    published = archives.all_here(needs) if told is None else told.published
    found = {archives.FOLDER: given.tmp_data_path, **yarn.tags(get, published)}
    if cluster and told is not None:
        yarn.say_where(jvm, hadoop, told.published[0].uri)
        found |= {archives.RECORD: told.setting()}
        return found | yarn.driver(get, told.published, told.interpreter)
    if given.python_env is not None:
        found |= {archives.ENVIRONMENT: given.python_env}
    return found if told is None else found | yarn.brought(get, jvm, hadoop, told.published)


@contextmanager
def _reading(file: str | None) -> Iterator[None]:
    """Let a JVM that PySpark starts have the settings of a file, which may be no others' business."""
    name = "PYSPARK_SUBMIT_ARGS"
    before = os.environ.get(name)
    if file is not None:
        os.environ[name] = shlex.join(["--properties-file", file, *shlex.split(before or "pyspark-shell")])
    try:
        yield
    finally:
        os.environ.pop(name, None)
        if before is not None:
            os.environ[name] = before


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; the status is that of spark-submit."""
    parser = argparse.ArgumentParser(prog="nestflow submit", description=__doc__)
    add_arguments(parser)
    given = parser.parse_args(arguments)
    spark = home()
    words = command(given, spark)
    if given.dry_run:
        print(shlex.join(_shown(words, len(words) - len(given.arguments) - 1)))
        return 0
    environment = {**os.environ, "SPARK_HOME": spark, "PYSPARK_DRIVER_PYTHON": sys.executable}
    # In client mode, the program runs in the interpreter of this command.
    if given.tmp_data_path is None or given.python:
        environment["PYSPARK_PYTHON"] = given.python or sys.executable
    os.execve(words[0], words, environment)


def _shown(words: list[str], program: int) -> list[str]:
    """Give a command as it may be seen: without what is a secret among the settings before its program."""
    shown = list(words)
    for at in range(1, program):
        key, sign, _ = words[at].partition("=")
        if words[at - 1] == "--conf" and _SECRET.search(words[at]):
            shown[at] = f"{key}{sign}*********(redacted)"
    return shown


def _setting(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise ValueError("a setting has the form KEY=VALUE, and one has no '='")
    return key, value
