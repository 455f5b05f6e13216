"""The compiled half of the host, wherever it is in this process."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any


@cache
def library() -> Any:
    """The module that worker processes call, too."""
    # The program's own process, or a wheel made by pip alone, has one library for everything.
    if "nestflow._native" in sys.modules:
        from nestflow._native import _host
    else:
        try:
            from nestflow import _host  # type: ignore[attr-defined,no-redef]
        except ImportError:
            from nestflow._native import _host
    return _host
