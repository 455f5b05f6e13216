"""What YARN is told of archives: to bring them once to each node, what the driver runs, and tags.

Node managers keep what they were told to bring. What all may read is kept for all users, what is private for
its own; they know a file by its time and its size. docs/bundle.md is for people.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...bundle import product
from . import checked

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...bundle.publish import Published

    Get = Callable[[str], str | None]
    """Gives a setting of the user's."""

_TAGS = 10
"""Tags that YARN takes for an application."""

_LOG = logging.getLogger("nestflow.spark")
_said: set[str] = set()


def tags(get: Get, published: list[Published]) -> dict[str, str]:
    """Give the setting by which one can tell later what an application ran: the most important first."""
    bundle, *others = published
    says = bundle.manifest
    own = [
        f"nestflow-{says['version']}",
        f"nestflow-commit-{says['commit']}",
        f"nestflow-bundle-{says['sha256']}",
    ]
    own += [f"nestflow-environment-{each.manifest['sha256']}" for each in others]
    own += [f"nestflow-library-{says['library']}", bundle.name]
    own += [_tag(f"nestflow-environment-named-{each.manifest['environment']}") for each in others]
    theirs = get("spark.yarn.tags")
    every = _with(theirs, own)
    most = max(_TAGS, len(_with(theirs, [])))
    if len(every) > most:
        _LOG.warning("YARN takes %d tags: these are left out: %s", _TAGS, ", ".join(every[most:]))
    return {"spark.yarn.tags": ",".join(every[:most])}


def _tag(text: str) -> str:
    """Give a text as YARN takes it: up to 100 characters of ASCII; a comma would end it."""
    return re.sub(r"[^!-+\--~]", "_", text)[:100]


def brought(get: Get, jvm: Any, hadoop: Any, published: list[Published]) -> dict[str, str]:
    """Let node managers bring the archives, which executors then unpack as ever: with all checks.

    Only what is on the file system where YARN takes files from; else, Spark would copy it there for each
    application, and executors read it themselves.
    """
    path = jvm.org.apache.hadoop.fs.Path
    default = jvm.org.apache.hadoop.fs.FileSystem.getDefaultUri(hadoop)

    def system(name: str) -> tuple[str, str]:
        uri = path(name).toUri()
        found = uri if uri.getScheme() else default
        return found.getScheme(), found.getAuthority()

    staging = system(get("spark.yarn.stagingDir") or "/")
    files = [each.uri for each in published if system(each.uri) == staging]
    if not files:
        return {}
    say_where(jvm, hadoop, published[0].uri)
    return {"spark.yarn.dist.files": ",".join(_with(get("spark.yarn.dist.files"), files))}


def say_where(jvm: Any, hadoop: Any, uri: str) -> None:
    """Say once if node managers cannot keep an archive for all users."""
    folder = jvm.org.apache.hadoop.fs.Path(uri).getParent()
    system = folder.getFileSystem(hadoop)
    execute = jvm.org.apache.hadoop.fs.permission.FsAction.EXECUTE
    while folder is not None:
        if not system.getFileStatus(folder).getPermission().getOtherAction().implies(execute):
            name = str(folder.toString())
            if name not in _said:
                _said.add(name)
                _LOG.warning("not everybody may enter %s: nodes keep the bundle for each user", name)
            return
        folder = folder.getParent()


def driver(get: Get, published: list[Published], theirs: str | None) -> dict[str, str]:
    """Let the driver run on a node: from the archives, which node managers unpack for it and for executors.

    Args:
        get: settings of the user's.
        published: the archives, the bundle first.
        theirs: the interpreter of the nodes, where none came along.
    """
    last, program = published[-1], f"./{checked.NAME}"
    drivers = "spark.pyspark.driver.python"
    master = "spark.yarn.appMasterEnv.PYSPARK"
    wanted = get(drivers) or get(f"{master}_DRIVER_PYTHON") or get(f"{master}_PYTHON") or theirs
    runs = checked.program(published, wanted or f"./{last.name}/{last.manifest['program']}")
    archives = [f"{each.uri}#{each.name}" for each in published]
    found = {"spark.yarn.dist.archives": ",".join(_with(get("spark.yarn.dist.archives"), archives))}
    found["spark.yarn.dist.files"] = ",".join(_with(get("spark.yarn.dist.files"), [Path(runs).as_uri()]))
    path = [f"{{{{PWD}}}}/{each.name}/{product.SITE}" for each in published]
    key = "spark.yarn.appMasterEnv.PYTHONPATH"
    found[key] = ":".join(filter(None, [*path, get(key)]))
    if theirs is None:
        found["spark.yarn.appMasterEnv.PYTHONNOUSERSITE"] = "1"
    # Spark starts that before all others that are named, also those of the environment.
    return found | interpreter(get, program) | {drivers: program}


def interpreter(get: Get, program: str) -> dict[str, str]:
    """Let the driver on a node run in an interpreter, and Spark's own workers too."""
    master = "spark.yarn.appMasterEnv.PYSPARK"
    # Without the second, that of the client would come first.
    drivers = get(f"{master}_PYTHON") or program
    found = {f"{master}_PYTHON": drivers}
    found[f"{master}_DRIVER_PYTHON"] = get(f"{master}_DRIVER_PYTHON") or drivers
    return found | {"spark.executorEnv.PYSPARK_PYTHON": get("spark.executorEnv.PYSPARK_PYTHON") or program}


def _with(text: str | None, more: list[str]) -> list[str]:
    """Add to a list with commas what is not in it: YARN refuses to bring a file twice."""
    return list(dict.fromkeys([*filter(None, (text or "").split(",")), *more]))
