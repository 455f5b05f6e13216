"""The program by which a driver on a node is started: it reads all files of the archives before it runs any.

Node managers unpack what lies in the shared folder without looking at it, and somebody else may have put it
there. This program comes with the application itself, from a client that knows the files.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from typing import TYPE_CHECKING

from ...bundle.archive import LIST
from ...bundle.folders import once
from ...bundle.tree import CACHES

if TYPE_CHECKING:
    from ...bundle.publish import Published

NAME = "nestflow-python"
"""What the program is called, where a container finds it."""

# What Python has compiled is neither read nor written in the folder: it believes that whatever the source is.
# Nothing is removed there, since others on the node use it.
_TEXT = f"""#!/bin/sh
fail() {{ echo "nestflow: $1; nothing of it was run" >&2; exit 1; }}
command -v sha256sum >/dev/null || fail "this node has no sha256sum to check the archives with"
whole() (
    cd "./$1" && [ -z "$(find . ! -type d ! -type f)" ] &&
        echo "$2  {LIST}" | sha256sum -c >/dev/null 2>&1 &&
        sed '1d; s/^\\([0-9a-f]*\\) . /\\1  /' {LIST} | sha256sum -c >/dev/null 2>&1 &&
        [ "$(find . -name {" ".join(CACHES)} -prune -o -type f -print | wc -l)" -eq "$(wc -l < {LIST})" ]
)
archive() {{ whole "$1" "$2" || fail "$(pwd -P)/$1 ($3) is damaged"; }}
export PYTHONPYCACHEPREFIX="$PWD/.nestflow-compiled"
"""


def program(published: list[Published], interpreter: str) -> str:
    """Give the path of the program, in this machine's cache.

    Args:
        published: the archives, which a container finds by their names.
        interpreter: what is run then, as a container finds it.
    """
    lines = [shlex.join(["archive", each.name, each.manifest["key"], each.uri]) for each in published]
    text = "\n".join([_TEXT, *lines, f'exec {shlex.quote(interpreter)} "$@"', ""])

    def write(into: str) -> None:
        path = os.path.join(into, NAME)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o700)

    return os.path.join(once("program", hashlib.sha256(text.encode()).hexdigest()[:16], write), NAME)
