"""The modules of the user's project: loaded here, and installed nowhere.

Functions refer to them by name, so that processes which run functions have to find them: by their
folder on this machine, elsewhere in an archive. Must not import anything for that.
"""

from __future__ import annotations

import io
import os
import site
import sys
import sysconfig
import zipfile
from functools import lru_cache

Stamp = tuple[tuple[str, int, int], ...]

_OURS = {"nestflow", "pyspark", "py4j", "cloudpickle", "__main__", "__mp_main__"}
_made: dict[str, tuple[Stamp, bytes]] = {}


def search_path() -> list[str]:
    """Where modules are found here: `sys.path`, and then the folders of modules that came another way."""
    path = [os.path.abspath(folder) for folder in sys.path]
    return path + sorted({root for root in projects().values() if root not in path})


def projects() -> dict[str, str]:
    """The folder in which each module or package of the project lies, by its name."""
    found = {}
    for name, module in list(sys.modules.items()):
        if "." in name or name in _OURS or name.startswith("_"):
            continue
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            root = _root(name, file)
        else:
            # A package without a file: its parts may be in several folders.
            parts = [os.path.dirname(os.path.abspath(part)) for part in getattr(module, "__path__", ())]
            root = next((part for part in parts if not _installed(part)), None)
        if root is not None:
            found[name] = root
    return found


def archives() -> dict[str, bytes]:
    """The sources of the project as archives, by name; the same bytes for the same sources."""
    made = {}
    for name, root in sorted(projects().items()):
        files = list(_sources(root, name))
        stamp = tuple((file, state.st_mtime_ns, state.st_size) for file, state in files)
        known = _made.get(name)
        if known is None or known[0] != stamp:
            known = _made[name] = (stamp, _archive(root, [file for file, _ in files]))
        made[name] = known[1]
    return made


def _root(name: str, file: str) -> str | None:
    folder, base = os.path.split(os.path.abspath(file))
    if base == "__init__.py" and os.path.basename(folder) == name:
        folder = os.path.dirname(folder)
    elif base != f"{name}.py":
        return None
    return None if _installed(folder) else folder


@lru_cache(maxsize=4096)
def _installed(folder: str) -> bool:
    real = os.path.realpath(folder) + os.sep
    return any(real.startswith(place) for place in _places())


@lru_cache(maxsize=1)
def _places() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    places = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib") if name in paths]
    places += getattr(site, "getsitepackages", list)()
    if getattr(site, "ENABLE_USER_SITE", False):
        places.append(site.getusersitepackages())
    # Where archives have modules beside their interpreter: a driver on a node runs from there.
    places.append(os.path.join(os.path.dirname(os.path.realpath(sys.base_prefix)), "site"))
    return tuple(os.path.realpath(place) + os.sep for place in places)


def _sources(root: str, name: str) -> list[tuple[str, os.stat_result]]:
    module = os.path.join(root, f"{name}.py")
    files = [module] if os.path.isfile(module) else []
    for where, folders, names in os.walk(os.path.join(root, name)):
        folders[:] = sorted(folder for folder in folders if folder.isidentifier() and folder != "__pycache__")
        files += [os.path.join(where, file) for file in sorted(names) if file.endswith(".py")]
    return [(file, os.stat(file)) for file in files]


def _archive(root: str, files: list[str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            with open(path, "rb") as file:
                # A date of its own would make other bytes of the same sources.
                archive.writestr(zipfile.ZipInfo(os.path.relpath(path, root)), file.read())
    return data.getvalue()
