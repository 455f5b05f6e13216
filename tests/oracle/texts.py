"""Lines of text files."""

from __future__ import annotations

import glob
import gzip
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nestflow.plan import nodes as op


def lines(source: op.TextSource) -> Iterator[Any]:
    """The lines of all files: paths as given, inside a directory or glob by path."""
    for path in source.paths:
        within = os.path.join(glob.escape(path), "*") if os.path.isdir(path) else path
        for file in sorted(glob.glob(within)):
            if os.path.isfile(file):
                yield from _lines_of(file, source.encoding)


def _lines_of(file: str, encoding: str | None) -> Iterator[Any]:
    opened = gzip.open if file.endswith(".gz") else open
    with opened(file, "rb") as content:
        for line in content:
            if line.endswith(b"\n"):
                line = line[:-1].removesuffix(b"\r")
            yield line if encoding is None else line.decode("utf-8", "surrogateescape")
