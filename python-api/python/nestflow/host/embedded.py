"""An interpreter inside a process that is not Python's own, such as the JVM of a Spark executor.

Run as a program it tells of the interpreter that runs it what it takes to open that one elsewhere, or why it
cannot be; `runtime/embedded` reads it. The rest is what such a process does in its interpreter.
Must not do what is for the process to do: handle signals, change the directory, close its output.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import threading
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nestflow.host.errors import Failure
    from nestflow.host.surroundings import Around, Missing

MARK = "nestflow-embedded "
"""What the line begins with; `runtime/embedded/src/probe.rs` knows it too."""

VERSIONS = ((3, 10), (3, 14))
"""The first and the last version of CPython whose start is known."""


def refusal() -> str | None:
    """Why this interpreter cannot be opened in another process; None: it can."""
    name = f"{sys.executable} ({sys.implementation.name} {sys.version.split()[0]})"
    if sys.implementation.name != "cpython" or not VERSIONS[0] <= sys.version_info[:2] <= VERSIONS[1]:
        first, last = (".".join(map(str, version)) for version in VERSIONS)
        return f"{name} is none of CPython {first} to {last}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return f"{name} is a free-threaded build, for which there is no host library"
    if "musl" in str(sysconfig.get_config_var("SOABI") or sysconfig.get_config_var("HOST_GNU_TYPE")):
        return f"{name} is built for musl, and this process is not"
    if library() is None:
        return f"{name} has no shared library: it was built without --enable-shared"
    return None


def library() -> str | None:
    """The path of this interpreter's shared library."""
    names = [sysconfig.get_config_var(variable) for variable in ("INSTSONAME", "LDLIBRARY")]
    folders = [sysconfig.get_config_var("LIBDIR"), os.path.join(sys.base_prefix, "lib")]
    for name in names:
        for folder in folders:
            # What is linked into other programs is of no use here.
            if name and folder and ".so" in name and os.path.exists(os.path.join(folder, name)):
                return str(os.path.join(folder, name))
    return None


def description() -> dict[str, Any]:
    """What it takes to open this interpreter elsewhere."""
    reason, host = refusal(), ""
    if reason is None:
        try:
            host = str(_host().__file__)
        except ImportError as error:
            reason = f"{sys.executable} finds no host library: {error}"
    seed = os.environ.get("PYTHONHASHSEED", "")
    return {
        "refused": reason,
        "executable": sys.executable,
        "library": library() or "",
        "host": host,
        "path": [os.path.abspath(folder) for folder in sys.path],
        "version": sys.version.split()[0].rstrip("+"),
        "hash_seed": int(seed) if seed.isdigit() else None,
    }


def _host() -> Any:
    try:
        from nestflow import _host  # type: ignore[attr-defined]
    except ImportError:
        # A wheel made by pip alone has one library for everything.
        from nestflow import _native as _host
    return _host


def start(environment: Iterable[tuple[str, str]]) -> None:
    """The interpreter has started in a process: let functions find what they would find in a worker."""
    from nestflow.host.counting import REMOTE

    os.environ[REMOTE] = "true"
    os.environ.update(environment)
    _settle()
    _host()
    _leave_signals_alone()


def add(path: list[str], environment: Iterable[tuple[str, str]]) -> None:
    """Another program runs its functions here: they find their modules behind those of the others."""
    sys.path.extend(folder for folder in path if folder not in sys.path)
    os.environ.update(environment)
    _settle()


def _settle() -> None:
    from nestflow.host import pickles

    pickles.settle()


def _leave_signals_alone() -> None:
    """Keep `faulthandler` from signals that the process has a use of its own for, as a JVM has."""
    import faulthandler
    import warnings

    def refused(*_: object, **__: object) -> None:
        warnings.warn("faulthandler is left off where Python is embedded", RuntimeWarning, stacklevel=2)

    faulthandler.enable = faulthandler.register = refused


class _Use:
    """A kit in use: its surroundings, the chains that have it, and what will end it."""

    def __init__(self, around: Around | Missing) -> None:
        self.around = around
        self.chains = 0
        self.idle = 0.0
        self.end: threading.Timer | None = None
        self.left = threading.Event()


_uses: dict[str, _Use] = {}
_leaving: dict[str, _Use] = {}
"""Kits whose hooks for the end are being called."""
_failures: dict[str, Failure] = {}
"""Of kits that were left for others, until their tasks ask."""
_lock = threading.RLock()
"""For these three; nobody holds it who calls hooks for the end, which may take as long as they like."""

_LOOK = 0.02
"""Seconds after which whoever waits for such hooks looks whether there is an interrupt."""


def enter(where: str | None, idle: float) -> Around | Missing | None:
    """A chain is opened. Gives the surroundings that it brings, which are in use from then on.

    Those of others are left unless they have chains, or are just being left: modules and files of the same
    names could not be told apart.

    Args:
        where: the kit and where it may be, as `surroundings.found` takes it; None: it brings nothing.
        idle: seconds without a chain, after which its hooks are called and it is left.
    """
    from nestflow.host import surroundings

    with _lock:
        others = [(other, another) for other, another in _uses.items() if other != where]
    for other, another in others:
        _end(other, another, for_another=True)
    if where is None:
        return None
    with _lock:
        use = _uses.get(where)
        if use is None:
            around: Around | Missing
            try:
                around = surroundings.found(where)
                around.enter()
                around.begin()
            except Exception as error:
                traceback.print_exc()
                around = surroundings.Missing(error)
            use = _uses[where] = _Use(around)
        if use.end is not None:
            use.end.cancel()
        use.chains, use.idle, use.end = use.chains + 1, idle, None
        return use.around


def leave(where: str) -> None:
    """A chain is closed that has brought a kit."""
    with _lock:
        use = _uses.get(where)
        if use is None:
            return
        use.chains -= 1
        if use.chains <= 0:
            use.end = threading.Timer(use.idle, _end, (where, use))
            use.end.daemon = True
            use.end.start()


def end(where: str) -> Failure | None:
    """A task is done whose kit has hooks for the end: call them, and give what went wrong.

    Where other tasks have chains, the last of them does so.
    """
    with _lock:
        use, leaving = _uses.get(where), _leaving.get(where)
    if use is not None:
        return _end(where, use)
    while leaving is not None and not leaving.left.wait(_LOOK):
        continue
    return _failures.pop(where, None)


def _end(where: str, use: _Use, for_another: bool = False) -> Failure | None:
    """Leave a kit that has no chains. What hooks raise is printed by then, in case that nobody is told."""
    with _lock:
        if use.chains > 0 or _uses.get(where) is not use:
            return None
        del _uses[where]
        _leaving[where] = use
        if use.end is not None:
            use.end.cancel()
    try:
        failure = use.around.end()
        if for_another and failure is not None:
            _failures[where] = failure
        return failure
    finally:
        with _lock:
            if _leaving.get(where) is use:
                del _leaving[where]
        use.left.set()


if __name__ == "__main__":
    print(MARK + json.dumps(description()), flush=True)
