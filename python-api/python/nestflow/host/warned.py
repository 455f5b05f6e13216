"""Warnings of a worker process: on one line each, so that its engine can show each of them once."""

from __future__ import annotations

import sys
import warnings
from typing import TextIO

MARK = "\x1enestflow-warning "
"""What such a line begins with; `runtime/workers/src/output.rs` knows it too."""


def install() -> None:
    """Have warnings printed so from now on."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = warnings.formatwarning(message, category, filename, lineno, line)
        if file is not None:
            file.write(text)
        elif sys.stderr is not None:
            sys.stderr.write(MARK + text.rstrip("\n").replace("\n", "\x1f") + "\n")

    warnings.showwarning = show
