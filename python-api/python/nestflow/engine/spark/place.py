"""Where executors find what they run: on this machine, or in archives that are unpacked on theirs.

Archives are needed where a machine may have neither this nestflow nor this interpreter. Which these are
is decided here and nowhere else; docs/decisions/0007 says why.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlparse

from ...bundle import product
from ...bundle.hadoop import Hadoop
from ...bundle.publish import Published, publish
from ...bundle.store import Local
from ...options import folder as path_of
from .context import find_pyspark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...bundle.prepared import Prepared
    from ...bundle.store import Store

PARCELS = "{parcels}"
"""Stands for the folder in which an executor has the archives by name; `HostSpec::located` puts it in."""

FOLDER = "spark.nestflow.bundle.folder"
"""Spark's setting for where machines unpack archives; ``{user}`` is who they run as."""

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


def place(context: Any, options: Mapping[str, Any], hadoop: Mapping[str, str]) -> Place:
    """Decide what executors run, and put it where they find it.

    Args:
        context: the SparkContext.
        options: those of the pipeline.
        hadoop: settings of Hadoop's that the pipeline brings.

    Raises:
        NestflowRuntimeException: what lies in ``tmp_data_path`` is damaged, or this nestflow lacks a part.
        OSError: ``tmp_data_path`` cannot be used.
    """
    wanted = options.get("tmp_data_path")
    master = str(context.master).split("[")[0]
    if master == "local" or (master == "local-cluster" and wanted is None):
        library = product.FOLDER / os.path.basename(product.LIBRARY)
        return Place(str(library), str(product.build().get("library")), [], None)
    theirs = _interpreter_of_nodes(context)
    prepared = product.bundle(interpreter=theirs is None)
    again = bool(options.get("reprepare_cache_archive"))
    if wanted is None:
        bundle = _given_to_spark(context, prepared, again)
    else:
        store = store_at(context, path_of(wanted, "tmp_data_path"), hadoop)
        bundle = publish(store, str(prepared.facts["version"]), prepared, again)
    return Place(product.LIBRARY, bundle.manifest["library"], [bundle], _started(bundle, theirs))


def store_at(context: Any, uri: str, hadoop: Mapping[str, str]) -> Store:
    """Give the folder at an address, or at a path of the file system that Spark takes for the default."""
    configuration = context._jvm.org.apache.hadoop.conf.Configuration(context._jsc.hadoopConfiguration())
    for key, value in hadoop.items():
        configuration.set(key, value)
    default = context._jvm.org.apache.hadoop.fs.FileSystem.getDefaultUri(configuration).getScheme()
    if (urlparse(uri).scheme or default) == "file":
        return Local(uri)
    return Hadoop(context._jvm, configuration, uri)


def jvm_store(uri: str) -> Store:
    """Give the folder at an address, by a JVM without a SparkContext.

    Raises:
        NestflowRuntimeException: there is no pyspark.
    """
    context = find_pyspark().SparkContext
    context._ensure_initialized()
    return Hadoop(context._jvm, context._jvm.org.apache.hadoop.conf.Configuration(), uri)


def tell(driver: Any, context: Any, place: Place) -> None:
    """Let the JVM know."""
    folder = context.getConf().get(FOLDER, _DEFAULT_FOLDER)
    parcels = [
        [each.name, each.uri, each.manifest["sha256"], str(each.manifest["unpacked"])]
        for each in place.published
    ]
    driver.place(place.library, place.sha256, folder, parcels)


def _interpreter_of_nodes(context: Any) -> str | None:
    """The interpreter that machines have, if one is named as PySpark names it."""
    named = context.getConf().get("spark.pyspark.python", None) or os.environ.get("PYSPARK_PYTHON")
    return None if named is None else str(named)


def _started(bundle: Published, theirs: str | None) -> Interpreter:
    inside = f"{PARCELS}/{bundle.name}"
    program = theirs if theirs is not None else f"{inside}/{bundle.manifest['program']}"
    major, minor = (int(number) for number in bundle.manifest["glibc"].split("."))
    # Of the machine's own Python settings none is wanted.
    environment = {} if theirs is not None else {"PYTHONHOME": "", "PYTHONPATH": "", "PYTHONNOUSERSITE": "1"}
    path = [f"{inside}/{product.SITE}"]
    return Interpreter(program, path, environment, None if theirs is not None else (major, minor))


def _given_to_spark(context: Any, prepared: Prepared, again: bool) -> Published:
    """Let the driver serve the archive to executors, since there is no place for it."""
    made = prepared.archive(again)
    context.addFile(made.path)
    manifest = {**prepared.facts, "sha256": made.sha256, "bytes": made.bytes}
    return Published(prepared.name, os.path.basename(made.path), manifest, made.bytes)
