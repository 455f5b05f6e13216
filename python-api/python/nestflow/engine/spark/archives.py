"""The archives of a pipeline: which they are, putting them, and what an application is told of them.

Who starts an application puts them before, and says so in a setting of it: node managers then bring them, and
a driver on a machine that could not make them need not. Must not need a SparkContext.
"""

from __future__ import annotations

import getpass
import json
import os
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlparse

from ...bundle import product
from ...bundle.environment import environment
from ...bundle.hadoop import Hadoop
from ...bundle.publish import Published, publish
from ...bundle.store import Local
from ...options import folder as path_of
from . import yarn
from .context import before_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...bundle.prepared import Prepared
    from ...bundle.store import Store

    Put = Callable[[Prepared, str, bool], Published]
    Started = tuple["Told | None", dict[str, str]]

RECORD = "spark.nestflow.archives"
"""Spark's setting in which an application has what it was told."""


FOLDER = "spark.nestflow.tmp_data_path"
"""Spark's setting for the ``tmp_data_path`` of pipelines that name none."""


class Told(NamedTuple):
    """What an application was told when it was started."""

    folder: str
    """The ``tmp_data_path`` in which the archives are."""
    environment: str | None
    """What was named as ``python_env``."""
    interpreter: str | None
    """That of the machines, where none came along."""
    published: list[Published]

    def setting(self) -> str:
        """Give it as the value of a setting."""
        archives = [[each.name, each.uri, each.manifest] for each in self.published]
        return json.dumps([self.folder, self.environment, self.interpreter, archives])


def told(conf: Any, options: Mapping[str, Any]) -> Told | None:
    """Give what an application was told, if that is what a pipeline wants.

    Args:
        conf: settings of the application, by ``get``.
        options: those of the pipeline; what they do not name is as it was told.
    """
    text = conf.get(RECORD, None)
    if text is None or options.get("reprepare_cache_archive"):
        return None
    folder, env, interpreter, archives = json.loads(text)
    for name, value in ("tmp_data_path", folder), ("python_env", env):
        if options.get(name) is not None and path_of(options[name], name) != value:
            return None
    return Told(
        folder, env, interpreter, [Published(name, uri, manifest, 0) for name, uri, manifest in archives]
    )


def before(options: Mapping[str, Any], hadoop: Mapping[str, str], context: Any, settings: Any) -> Started:
    """Put what executors need before there is a context, where YARN is to bring it.

    Args:
        options: those of the pipeline.
        hadoop: settings of Hadoop's that the pipeline brings.
        context: the class SparkContext.
        settings: a SparkConf.

    Returns:
        what the application is told, and settings for it; neither, where YARN cannot bring it.
    """
    wanted = options.get("tmp_data_path") or settings.get(FOLDER, None)
    env = options.get("python_env")
    if wanted is None or settings.get("spark.master", None) != "yarn" or told(settings, options) is not None:
        return None, {}
    jvm, configuration = before_context(context, settings)
    for key, value in hadoop.items():
        configuration.set(key, value)
    named = None if env is None else path_of(env, "python_env")
    again = bool(options.get("reprepare_cache_archive"))
    folder = path_of(wanted, "tmp_data_path")
    found = put_in(
        folder, named, interpreter_of_nodes(settings), again, partial(store_by, jvm, configuration)
    )

    def get(key: str) -> str | None:
        value: str | None = settings.get(key, None)
        return value

    more = yarn.brought(get, jvm, configuration, found.published) | yarn.tags(get, found.published)
    return found, {RECORD: found.setting(), **more}


def put_in(folder: str, env: str | None, nodes: str | None, again: bool, store: Callable[..., Store]) -> Told:
    """Put what executors need into a folder that all machines see.

    Args:
        folder: its address.
        env: what the user names as environment.
        nodes: the interpreter that machines have, if one is named.
        again: make all of it anew.
        store: opens a folder by its address; whether only this user may read what is put.
    """

    def put(prepared: Prepared, inside: str, private: bool) -> Published:
        return publish(store(folder, private), inside, prepared, again)

    published, theirs = put_all(put, env, nodes, again)
    return Told(folder, env, theirs, published)


def put_all(put: Put, env: str | None, nodes: str | None, again: bool) -> tuple[list[Published], str | None]:
    """Put what executors need.

    Args:
        put: puts an archive into a folder; whether only this user may read it.
        env: what the user names as environment.
        nodes: the interpreter that machines have, if one is named.
        again: make all of it anew.

    Returns:
        the archives, the bundle first, and the interpreter of the machines, if functions run in that.
    """
    own = None if env is None else environment(env, again)
    theirs = nodes if own is None else own.program if own.archive is None else None
    bundle = product.bundle(interpreter=theirs is None and own is None)
    published = [put(bundle, str(bundle.facts["version"]), False)]
    if own is not None and own.archive is not None:
        published.append(put(own.archive, f"environments-{getpass.getuser()}", True))
    return published, theirs


def store_by(jvm: Any, configuration: Any, uri: str, private: bool = False) -> Store:
    """Give the folder at an address, or at a path of this machine, which all others are taken to have too."""
    scheme = urlparse(uri).scheme
    if scheme and scheme != "file":
        return Hadoop(jvm, configuration, uri, private)
    default = jvm.org.apache.hadoop.fs.FileSystem.getDefaultUri(configuration).getScheme()
    if not scheme and default != "file":
        message = (
            f"tmp_data_path={uri!r} has no scheme: it is a folder of this machine, and the others need to "
            f"have it under the same name. One of the cluster's file system is {default}://{os.path.abspath(uri)}"
        )
        warnings.warn(f"nestflow: {message}", RuntimeWarning, stacklevel=2)
    return Local(uri, private)


def interpreter_of_nodes(conf: Any) -> str | None:
    """Give the interpreter that machines have, if one is named as PySpark names it."""
    named = conf.get("spark.pyspark.python", None) or os.environ.get("PYSPARK_PYTHON")
    return None if named is None else str(named)
