"""The bundle of nestflow: the executors' library, the package with the host's, and an interpreter."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import NestflowRuntimeException
from . import prepared
from .interpreter import add_interpreter, ask
from .tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from .prepared import Prepared

PACKAGE = Path(__file__).resolve().parents[1]
"""The package that is running."""

FOLDER = PACKAGE / "engine" / "spark" / "jars"
"""What was built for executors: their library, and the jars."""

LIBRARY = "lib/libnestflow_jni.so"
"""The executors' library in a bundle."""

SITE = "site"
"""Where modules lie in a bundle."""


def bundle(interpreter: bool = True) -> Prepared:
    """Give the bundle of this nestflow, without building it yet.

    Args:
        interpreter: with the interpreter of this process.

    Raises:
        NestflowRuntimeException: the executors' library was not built.
        ValueError: the interpreter cannot be taken along.
    """
    tree = Tree()
    library = FOLDER / Path(LIBRARY).name
    if not library.exists():
        raise NestflowRuntimeException(f"{library} is missing: this nestflow was built without Spark's part")
    tree.add(LIBRARY, str(library))
    # All of it: on a cluster, the driver may run from it too.
    tree.add_folder(f"{SITE}/nestflow", str(PACKAGE))
    pickle = importlib.util.find_spec("cloudpickle")
    if pickle is None or pickle.origin is None:
        raise NestflowRuntimeException("cloudpickle is missing")
    tree.add_folder(f"{SITE}/cloudpickle", os.path.dirname(pickle.origin))
    finish: Callable[[], None] | None = None
    facts: dict[str, object] = {**build(), "python": None}
    if interpreter:
        own = ask(sys.executable)
        finish = add_interpreter(tree, own)
        facts |= {"python": own.version, "program": own.inside}
    return prepared.prepare("nestflow", platform_tag(), tree, finish, facts)


def build() -> dict[str, object]:
    """Give version, build and commit of this nestflow, as far as they are known."""
    path = FOLDER / "build.json"
    found: dict[str, object] = json.loads(path.read_text()) if path.exists() else {}
    return found


def platform_tag() -> str:
    """Give the system that archives are for.

    Example:
        >>> platform_tag().count("-")
        1
    """
    return f"{platform.system().lower()}-{platform.machine()}"
