"""Where executors find what they run: on this machine, or in archives that are unpacked on theirs.

Archives are needed where a machine may have neither this nestflow nor this interpreter. Which these are
is decided here and nowhere else; docs/decisions/0007 says why.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ...bundle import product
from ...bundle.environment import check_version
from ...bundle.hadoop import Hadoop
from ...options import folder as path_of
from . import archives
from .context import before_context, find_pyspark, say
from .defaults import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...bundle.prepared import Prepared
    from ...bundle.publish import Published
    from ...bundle.store import Store
    from .archives import Told

PARCELS = "{parcels}"
"""Stands for the folder in which an executor has the archives by name; `HostSpec::located` puts it in."""

FOLDER = "spark.nestflow.bundle.folder"
"""Spark's setting for where machines unpack archives; ``{user}`` is who they run as."""

_SAID = ("environment", "version", "build", "commit", "python", "sha256", "library")
"""What the log says of an archive."""

_DEFAULT_FOLDER = "/tmp/nestflow-{user}"


class Interpreter(NamedTuple):
    """How workers are started elsewhere than here."""

    program: str
    path: list[str]
    """Where it finds modules before its own places."""
    environment: dict[str, str]
    glibc: tuple[int, int] | None
    """The oldest that the program runs with, if it came along."""


class Place(NamedTuple):
    """What executors run."""

    library: str
    """The native library: a path, or a file of the first archive."""
    sha256: str
    published: list[Published]
    interpreter: Interpreter | None
    """None: that of this process, by its path."""


def place(context: Any, conf: Any, options: Mapping[str, Any], told: Told | None) -> Place:
    """Decide what executors run, and put it where they find it.

    Args:
        context: the SparkContext.
        conf: its settings.
        options: those of the pipeline.
        told: what was put before there was a context.

    Raises:
        NestflowRuntimeException: what lies in ``tmp_data_path`` is damaged, or this nestflow lacks a part.
        OSError: ``tmp_data_path`` cannot be used.
    """
    wanted = options.get("tmp_data_path")
    master = str(context.master).split("[")[0]
    env = archives.named_environment(options, conf)
    if env is None and (master == "local" or (master == "local-cluster" and wanted is None)):
        library = product.FOLDER / os.path.basename(product.LIBRARY)
        return Place(str(library), str(product.build().get("library")), [], None)
    told = told or archives.told(conf, options)
    if told is not None:
        published, theirs = told.published, told.interpreter
        if theirs is not None:
            _check_nodes(context, theirs)
    else:
        again = bool(options.get("reprepare_cache_archive"))

        def put(prepared: Prepared, private: bool) -> Published:
            if wanted is None:
                return _given_to_spark(context, prepared, again)
            store = store_at(context, path_of(wanted, "tmp_data_path"), options, private)
            return archives.put_at(store, prepared, again)

        needs = archives.needed(env, archives.interpreter_of_nodes(conf), again)
        theirs = needs.interpreter
        if theirs is not None:
            _check_nodes(context, theirs)
        published = archives.put_all(put, needs)
    return Place(product.LIBRARY, published[0].manifest["library"], published, _started(published, theirs))


def store_at(context: Any, uri: str, options: Mapping[str, Any], private: bool = False) -> Store:
    """Give the folder at an address, or at a path of this machine, which all others are taken to have too."""
    configuration = context._jvm.org.apache.hadoop.conf.Configuration(context._jsc.hadoopConfiguration())
    archives.bring(context._jvm, configuration, options)
    return archives.store_by(context._jvm, configuration, uri, private)


def jvm_store(uri: str) -> Store:
    """Give the folder at an address, by a JVM without a SparkContext that has Spark's defaults.

    Raises:
        NestflowRuntimeException: there is no pyspark.
    """
    spark = find_pyspark()
    settings = Settings(spark.SparkConf(), {})
    # The file of defaults is read by the JVM itself, which only reads and writes files here.
    settings.set("spark.master", "local")
    settings.set("spark.submit.deployMode", "client")
    jvm, configuration = before_context(spark.SparkContext, settings)
    return Hadoop(jvm, configuration, uri)


def tell(context: Any, driver: Any, conf: Any, place: Place) -> None:
    """Let the JVM know, and the log."""
    folder = conf.get(FOLDER, _DEFAULT_FOLDER)
    parcels = [
        [each.name, each.uri, *(str(each.manifest[key]) for key in ("sha256", "key", "unpacked"))]
        for each in place.published
    ]
    for each in place.published:
        says = [f"{key} {each.manifest[key]}" for key in _SAID if each.manifest.get(key)]
        say(context, f"executors run {each.name} ({', '.join(says)}); {each.uploaded} bytes uploaded")
    driver.place(place.library, place.sha256, folder, parcels)


def _check_nodes(context: Any, program: str) -> None:
    """Ask an interpreter of the machines which it is, once for each application."""
    key = (context.applicationId, program)
    if key not in _asked:
        asking = [program, "-c", "import platform; print(platform.python_version())"]
        _asked[key] = context._jsc.parallelize([""], 1).pipe(asking).collect()[0]
    check_version(_asked[key], f"{program} of the machines")


_asked: dict[tuple[str, str], str] = {}


def _started(published: list[Published], theirs: str | None) -> Interpreter:
    path = [f"{PARCELS}/{published[0].name}/{product.SITE}"]
    if theirs is not None:
        return Interpreter(theirs, path, {}, None)
    last = published[-1]
    if len(published) > 1:
        path.append(f"{PARCELS}/{last.name}/{product.SITE}")
    major, minor = (int(number) for number in last.manifest["glibc"].split("."))
    # Of the machine's own Python settings none is wanted.
    variables = {"PYTHONHOME": "", "PYTHONPATH": "", "PYTHONNOUSERSITE": "1"}
    return Interpreter(f"{PARCELS}/{last.name}/{last.manifest['program']}", path, variables, (major, minor))


def _given_to_spark(context: Any, prepared: Prepared, again: bool) -> Published:
    """Let executors have an archive for which there is no place: from the driver, or from this machine."""
    made = archives.made_here(prepared, again)
    if str(context.master).startswith("local"):
        return made
    path = made.uri.removeprefix("file://")
    context.addFile(path)
    return made._replace(uri=os.path.basename(path), uploaded=made.manifest["bytes"])
