"""The archives of a pipeline: which they are, putting them, and what an application is told of them.

Who starts an application puts them before, and node managers then bring them. A driver that runs from them,
on a machine that could not make them, is told by a setting which they are. Must not need a SparkContext.
"""

from __future__ import annotations

import json
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlparse

from ...bundle import product
from ...bundle.environment import environment
from ...bundle.hadoop import Hadoop
from ...bundle.publish import Published, publish, there
from ...bundle.store import Local
from ...options import folder as path_of
from ...options import hadoop_settings
from . import yarn
from .context import before_context
from .settings import hadoop_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...bundle.prepared import Prepared
    from ...bundle.store import Store
    from .defaults import Settings

    Put = Callable[[Prepared, bool], Published]
    Started = tuple["Told | None", dict[str, str]]

RECORD = "spark.nestflow.archives"
"""Spark's setting in which an application has what it was told."""


FOLDER = "spark.nestflow.tmp_data_path"
"""Spark's setting for the ``tmp_data_path`` of pipelines that name none."""

ENVIRONMENT = "spark.nestflow.python_env"
"""Spark's setting for the ``python_env`` of pipelines that name none."""


class Needs(NamedTuple):
    """What executors of a pipeline need."""

    bundle: Prepared
    environment: Prepared | None
    """The packages of the user with an interpreter for them, if they come along."""
    interpreter: str | None
    """That of the machines, if functions run in that."""


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
    """Give what an application was told, if this driver runs from that and a pipeline wants it.

    A driver elsewhere looks at what the pipeline names: under the same name may be something else by now.

    Args:
        conf: settings of the application, by ``get``.
        options: those of the pipeline; what they do not name is as it was told.
    """
    text = conf.get(RECORD, None)
    if text is None or options.get("reprepare_cache_archive"):
        return None
    folder, env, interpreter, archives = json.loads(text)
    if not _runs_from(archives[0][0]):
        return None
    for name, value in ("tmp_data_path", folder), ("python_env", env):
        if options.get(name) is not None and path_of(options[name], name) != value:
            return None
    return Told(
        folder, env, interpreter, [Published(name, uri, manifest, 0) for name, uri, manifest in archives]
    )


def _runs_from(bundle: str) -> bool:
    """Whether this process has its nestflow from a bundle."""
    site = Path(product.__file__).parents[2]
    return site.name == product.SITE and site.parent.name == bundle


def named_environment(options: Mapping[str, Any], conf: Any) -> str | None:
    """Give what a pipeline names as environment, or the application for all that name none."""
    env = options.get("python_env")
    if env is None:
        env = conf.get(ENVIRONMENT, None)
    return None if env is None else path_of(env, "python_env")


def before(options: Mapping[str, Any], context: Any, settings: Settings) -> Started:
    """Put what executors need before there is a context, where YARN is to bring it.

    Args:
        options: those of the pipeline.
        context: the class SparkContext.
        settings: those of the application so far.

    Returns:
        what the application is told, and settings for it; nothing, where YARN cannot bring it.
    """
    if settings.get("spark.master") != "yarn" or told(settings, options) is not None:
        return None, {}
    wanted = options.get("tmp_data_path") or settings.get(FOLDER)
    again = bool(options.get("reprepare_cache_archive"))
    named = named_environment(options, settings)
    needs_of_nodes = partial(needed, named, interpreter_of_nodes(settings), again)
    if wanted is None:
        return None, yarn.tags(settings.get, all_here(needs_of_nodes()))
    # A JVM takes seconds to start, and does not need this process meanwhile.
    with ThreadPoolExecutor(1) as beside:
        starting = beside.submit(before_context, context, settings)
        needs = needs_of_nodes()
        jvm, configuration = starting.result()
    bring(jvm, configuration, options)
    folder = path_of(wanted, "tmp_data_path")
    store = partial(store_by, jvm, configuration)
    found = put_unasked(folder, named, needs, again, store)
    if found is None:
        return None, yarn.tags(settings.get, all_here(needs))
    more = yarn.brought(settings.get, jvm, configuration, found.published)
    return found, more | yarn.tags(settings.get, found.published)


def bring(jvm: Any, configuration: Any, options: Mapping[str, Any]) -> None:
    """Set in a configuration of Hadoop's what a pipeline brings: its file, and its settings over that."""
    file = hadoop_file(options)
    if file is not None:
        configuration.addResource(jvm.org.apache.hadoop.fs.Path(file))
    for key, value in hadoop_settings(options).items():
        configuration.set(key, value)


def needed(env: str | None, nodes: str | None, again: bool) -> Needs:
    """Say what executors need; nothing of it is put.

    Args:
        env: what the user names as environment.
        nodes: the interpreter that machines have, if one is named.
        again: look up anew what requirements mean.
    """
    own = None if env is None else environment(env, again)
    theirs = nodes if own is None else own.program if own.archive is None else None
    bundle = product.bundle(interpreter=theirs is None and own is None)
    return Needs(bundle, None if own is None else own.archive, theirs)


def put_all(put: Put, needs: Needs) -> list[Published]:
    """Put what executors need; gives the archives, the bundle first.

    Args:
        put: puts an archive; whether only this user may read it.
        needs: the archives.
    """
    published = [put(needs.bundle, False)]
    if needs.environment is not None:
        found = put(needs.environment, True)
        # Who put the same first may have called it something else.
        named = {"environment": needs.environment.facts["environment"]}
        published.append(found._replace(manifest={**found.manifest, **named}))
    return published


def put_at(store: Store, prepared: Prepared, again: bool) -> Published:
    """Put an archive into its folder in a store: that of a version, or that of the user."""
    folder = f"environments-{store.user()}" if store.private else str(prepared.facts["version"])
    return publish(store, folder, prepared, again)


def put_in(folder: str, env: str | None, needs: Needs, again: bool, store: Callable[..., Store]) -> Told:
    """Put what executors need into a folder that all machines see.

    Args:
        folder: its address.
        env: what the user names as environment.
        needs: the archives.
        again: make all of it anew.
        store: opens a folder by its address; whether only this user may read what is put.
    """

    def put(prepared: Prepared, private: bool) -> Published:
        return put_at(store(folder, private), prepared, again)

    return Told(folder, env, needs.interpreter, put_all(put, needs))


def put_unasked(
    folder: str, env: str | None, needs: Needs, again: bool, store: Callable[..., Store]
) -> Told | None:
    """Do so where machines cannot be asked yet which Python they have, as they can by an application.

    None: functions are to run in that, and there is something to put, which waits for the answer.
    """
    if needs.interpreter is not None:
        version = str(needs.bundle.facts["version"])
        if again or there(store(folder, False), version, needs.bundle) is None:
            return None
    return put_in(folder, env, needs, again, store)


def made_here(prepared: Prepared, again: bool = False) -> Published:
    """Give an archive that is on this machine only, made now if it is not there."""
    made = prepared.archive(again)
    says = {**prepared.facts, "name": prepared.name, "sha256": made.sha256, "bytes": made.bytes}
    return Published(prepared.name, f"file://{made.path}", says, 0)


def all_here(needs: Needs) -> list[Published]:
    """Give all that executors need as archives of this machine, the bundle first."""
    return put_all(lambda prepared, private: made_here(prepared), needs)


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
