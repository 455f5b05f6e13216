"""The program by which a driver on a node is started: it reads all files of the archives before it runs any.

Node managers unpack what lies in the shared folder without looking at it, and somebody else may have put it
there. This program comes with the application itself, from a client that knows the files.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from typing import TYPE_CHECKING

from ...bundle import prepared
from ...bundle.archive import LIST

if TYPE_CHECKING:
    from ...bundle.publish import Published

NAME = "nestflow-python"
"""What the program is called, where a container finds it."""

# Python would believe a compiled file whatever its source is, and may have left some in the folder.
_TEXT = f"""#!/bin/sh
fail() {{ echo "nestflow: $1; nothing of it was run" >&2; exit 1; }}
command -v sha256sum >/dev/null || fail "this node has no sha256sum to check the archives with"
whole() (
    cd "$1" && find . -name __pycache__ -prune -exec rm -rf {{}} + &&
        echo "$2  {LIST}" | sha256sum -c >/dev/null 2>&1 &&
        sed '1d; s/^\\([0-9a-f]*\\) . /\\1  /' {LIST} | sha256sum -c >/dev/null 2>&1 &&
        [ "$(find . ! -type d | wc -l)" -eq "$(wc -l < {LIST})" ]
)
"""


def program(published: list[Published], interpreter: str) -> str:
    """Give the path of the program, in this machine's cache.

    Args:
        published: the archives, which a container finds by their names.
        interpreter: what is run then, as a container finds it.
    """
    lines = [
        f'whole {each.name} {each.manifest["key"]} || fail "$(pwd -P)/{each.name} ({each.uri}) is damaged"\n'
        for each in published
    ]
    text = "".join([_TEXT, *lines, f'exec {shlex.quote(interpreter)} "$@"\n'])
    folder = os.path.join(prepared.folder(), hashlib.sha256(text.encode()).hexdigest()[:16])
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, NAME)
    part = f"{path}.{os.getpid()}"
    with open(part, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(part, 0o700)
    os.replace(part, path)
    return path
