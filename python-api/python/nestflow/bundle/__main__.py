"""``python -m nestflow bundle …``, and the command ``nestflow``: bundles without a pipeline.

::

    nestflow bundle build [FILE]
    nestflow bundle push FOLDER
    nestflow bundle list FOLDER
    nestflow bundle verify FOLDER
    nestflow bundle prune FOLDER --older-than DAYS [--yes]

FOLDER is what a pipeline is told as ``tmp_data_path``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from ..errors import NestflowRuntimeException
from . import product
from .publish import publish, read_manifest
from .store import Local

if TYPE_CHECKING:
    from collections.abc import Callable

    from .store import Store

_DAY = 24 * 3600


def main(arguments: list[str] | None = None) -> int:
    """Do what the arguments say, and give the status of the process."""
    parser = argparse.ArgumentParser(
        prog="nestflow bundle", description="What executors run, as one archive."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, what: str, does: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=what)
        made.set_defaults(does=does)
        return made

    def on_store(name: str, what: str, does: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = command(name, what, does)
        made.add_argument("folder", help="the tmp_data_path: a path, or any address that Hadoop knows")
        return made

    build = command("build", "make the bundle of this nestflow and this Python", _build)
    build.add_argument("file", nargs="?", help="where it goes; else into the cache of this machine")
    push = on_store("push", "put the bundle where all machines find it", _push)
    for made in (build, push):
        made.add_argument(
            "--no-python", action="store_true", help="without an interpreter: machines have one"
        )
        made.add_argument("--again", action="store_true", help="make it anew, and replace what differs")
    on_store("list", "say which archives are there", _list)
    on_store("verify", "read all archives, and compare them with their manifests", _verify)
    prune = on_store("prune", "remove archives that nobody has used for some days", _prune)
    prune.add_argument("--older-than", type=float, required=True, metavar="DAYS")
    prune.add_argument("--yes", action="store_true", help="do it; otherwise it is only said")
    given = parser.parse_args(arguments)
    try:
        status: int = given.does(given)
    except (OSError, ValueError, NestflowRuntimeException) as error:
        print(f"nestflow bundle: {error}", file=sys.stderr)
        return 1
    return status


def _build(given: argparse.Namespace) -> int:
    made = product.bundle(interpreter=not given.no_python).archive(given.again)
    path = made.path
    if given.file:
        shutil.copyfile(path, given.file)
        path = given.file
    print(f"{path}\n{made.bytes} bytes, SHA-256 {made.sha256}")
    return 0


def _push(given: argparse.Namespace) -> int:
    prepared = product.bundle(interpreter=not given.no_python)
    put = publish(_store(given.folder), str(prepared.facts["version"]), prepared, given.again)
    print(f"{put.uri}\n{put.uploaded} bytes uploaded")
    return 0


def _list(given: argparse.Namespace) -> int:
    store = _store(given.folder)
    for name, changed, size in store.names():
        if name.endswith(".tar.gz"):
            manifest = read_manifest(store, _manifest_of(name)) or {}
            says = [
                f"{key} {manifest[key]}"
                for key in ("build", "commit", "python", "glibc")
                if manifest.get(key)
            ]
            when = time.strftime("%Y-%m-%d", time.localtime(changed))
            print(f"{name}\t{when}\t{size}\t{', '.join(says) if manifest else 'no manifest'}")
    return 0


def _verify(given: argparse.Namespace) -> int:
    store, bad = _store(given.folder), 0
    for name, _, _ in store.names():
        if not name.endswith(".tar.gz"):
            continue
        manifest = read_manifest(store, _manifest_of(name))
        if manifest is None:
            said = "no manifest"
        else:
            said = "good" if store.digest(name) == manifest["sha256"] else "damaged"
        bad += said != "good"
        print(f"{name}\t{said}")
    return 1 if bad else 0


def _prune(given: argparse.Namespace) -> int:
    store = _store(given.folder)
    times = {name: changed for name, changed, _ in store.names()}
    # Whoever uses one gives its manifest the time.
    used = {
        name: max(changed, times.get(_manifest_of(name), 0))
        for name, changed in times.items()
        if name.endswith(".tar.gz")
    }
    newest: dict[str, float] = {}
    for name, when in used.items():
        folder = name.rpartition("/")[0]
        newest[folder] = max(newest.get(folder, 0), when)
    for name, when in used.items():
        if when > time.time() - given.older_than * _DAY or when == newest[name.rpartition("/")[0]]:
            continue
        if given.yes:
            # Who finds the manifest has to find the archive.
            store.remove(_manifest_of(name))
            store.remove(name)
        print(f"{name}\t{'removed' if given.yes else 'would be removed (--yes)'}")
    return 0


def _manifest_of(archive: str) -> str:
    return archive.removesuffix(".tar.gz") + ".json"


def _store(folder: str) -> Store:
    if urlparse(folder).scheme in ("", "file"):
        return Local(folder)
    from ..engine.spark.place import jvm_store

    return jvm_store(folder)


if __name__ == "__main__":
    sys.exit(main())
