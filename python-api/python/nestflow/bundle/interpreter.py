"""A CPython that runs from any folder: a copy of one that is installed, with the libraries it is linked to.

Those of glibc stay out: every machine has its own, which the kernel and its loader fit.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple

from . import elf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .tree import Tree

FOLDER = "python"
"""Where it lies in a tree."""

# The graphical ones need a screen and the files of Tcl, the rest are for those who develop Python.
_LEFT_OUT = frozenset(
    {
        "_tkinter",
        "site-packages",
        "dist-packages",
        "test",
        "tests",
        "idle_test",
        "idlelib",
        "tkinter",
        "turtledemo",
    }
)

_OF_GLIBC = re.compile(
    r"(ld-linux.*|lib(c|m|pthread|dl|rt|util|resolv|nsl|anl|BrokenLocale|thread_db|nss_\w+))\.so(\.\d+)*$"
)

_QUESTION = """
import json, os, platform, sys, sysconfig
of = {"installed_base": sys.base_prefix}
of |= {"installed_platbase": sys.base_exec_prefix, "platbase": sys.base_exec_prefix}
found = {
    "version": platform.python_version(), "implementation": platform.python_implementation(),
    "program": os.path.realpath(sys._base_executable), "prefix": sys.base_prefix,
    "stdlib": sysconfig.get_path("stdlib", vars=of), "platstdlib": sysconfig.get_path("platstdlib", vars=of),
    "path": [entry for entry in sys.path if entry], "shared": sysconfig.get_config_var("LIBDIR") or "",
}
"""


class Interpreter(NamedTuple):
    """An interpreter that is installed on this machine."""

    version: str
    """Such as ``3.11.7``."""
    program: str
    """The real program, also where a virtual environment was asked."""
    prefix: str
    stdlib: str
    platstdlib: str
    path: tuple[str, ...]
    """Where it finds modules."""
    shared: str
    """Where its own library lies, if it has one."""

    @property
    def inside(self) -> str:
        """The program in a tree."""
        return f"{FOLDER}/bin/python{'.'.join(self.version.split('.')[:2])}"


@lru_cache(maxsize=16)
def ask(program: str) -> Interpreter:
    """Give what an interpreter says of itself.

    Raises:
        ValueError: it does not start, or is no CPython.
    """
    found: dict[str, Any] = {}
    if program == sys.executable:
        exec(_QUESTION, found)
        return _answer(found["found"])
    # Not what this process was told by its environment.
    names = {"PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__"}
    environment = {name: value for name, value in os.environ.items() if name not in names}
    try:
        command = [program, "-s", "-c", f"{_QUESTION}print(json.dumps(found))"]
        said = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, cwd="/")
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or error
        raise ValueError(f"{program} is no interpreter that starts: {why}") from error
    return _answer(json.loads(said.stdout))


def _answer(found: dict[str, Any]) -> Interpreter:
    if found.pop("implementation") != "CPython":
        raise ValueError(f"{found['program']} is not CPython, which workers need")
    return Interpreter(**{**found, "path": tuple(found["path"])})


def add_interpreter(tree: Tree, interpreter: Interpreter) -> Callable[[], None]:
    """Add an interpreter to a tree, with its standard library.

    Returns:
        what adds the libraries that it is linked to, which takes longer.

    Raises:
        ValueError: it is no program of this system; from what is returned: it is linked to a library that is
            not there.
    """
    with open(interpreter.program, "rb") as file:
        program = file.read()
    if not elf.is_elf(program):
        raise ValueError(f"{interpreter.program} is no program of Linux for 64 bits")
    tree.add(interpreter.inside, interpreter.program, _search_first)
    linked = [interpreter.program]

    def change(path: str) -> Callable[[bytes], bytes] | None:
        if ".so" not in os.path.basename(path):
            return None
        linked.append(path)
        return _search_as_program

    for folder in dict.fromkeys((interpreter.stdlib, interpreter.platstdlib)):
        inside = os.path.relpath(folder, interpreter.prefix)
        config = [name for name in os.listdir(folder) if name.startswith("config-")]
        tree.add_folder(f"{FOLDER}/{inside}", folder, [*_LEFT_OUT, *config], change=change)
    known = partial(_found, interpreter.shared)
    return lambda: add_libraries(tree, f"{FOLDER}/lib", linked, known)


def add_libraries(
    tree: Tree, name: str, linked: list[str], find: Callable[[str, list[str]], str | None]
) -> None:
    """Add the libraries to which programs and libraries are linked, and those to which these are.

    Args:
        tree: where to.
        name: the folder for them.
        linked: the programs and libraries; those that are found are appended.
        find: gives the path of a library by its name and the folders where its user looks.

    Raises:
        ValueError: a library that is needed is not there.
    """
    for user in linked:
        with open(user, "rb") as file:
            data = file.read()
        if not elf.is_elf(data):
            continue
        says = elf.facts(data)
        search = [folder.replace("$ORIGIN", os.path.dirname(user)) for folder in says.search]
        for needed in says.needed:
            if _OF_GLIBC.match(needed) or f"{name}/{needed}" in tree:
                continue
            path = find(needed, [*search, os.path.dirname(user)])
            if path is None:
                raise ValueError(f"{user} is linked to {needed}, which is not on this machine")
            tree.add(f"{name}/{needed}", path, _search_as_program)
            linked.append(path)


def _search_first(data: bytes) -> bytes:
    return elf.with_search(data, "$ORIGIN/../lib")


def _search_as_program(data: bytes) -> bytes:
    return elf.with_search(data, None) if elf.is_elf(data) else data


@lru_cache(maxsize=1)
def _known_libraries() -> dict[str, str]:
    """The libraries of this system by name, as its loader knows them."""
    found: dict[str, str] = {}
    for program in ("/sbin/ldconfig", "/usr/sbin/ldconfig", "ldconfig"):
        try:
            said = subprocess.run([program, "-p"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        for line in said.splitlines():
            name, arrow, path = line.strip().partition(" => ")
            if arrow and "64" in name:  # not those for 32 bits
                found.setdefault(name.split(" ")[0], path)
        break
    return found


def _found(shared: str, name: str, folders: Iterable[str]) -> str | None:
    known = _known_libraries()
    system = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
    candidates = [os.path.join(folder, name) for folder in (*folders, shared)]
    candidates += [known[name]] if name in known else []
    candidates += [os.path.join(folder, name) for folder in system]
    return next((path for path in candidates if os.path.isfile(path)), None)
