"""Where in the user's program a call happened: the first frame outside this package."""

from __future__ import annotations

import sys

from .nodes import CallSite

_PACKAGE = __name__.partition(".")[0]


def call_site(transform: str) -> CallSite:
    """Give the line of the user's program that is calling, whatever the depth of our own frames.

    Args:
        transform: the name of what is being called, as the user wrote it.

    Example:
        >>> call_site("map").transform
        'map'
    """
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != _PACKAGE:
            break
        frame = frame.f_back
    code = frame.f_code
    return CallSite(code.co_filename, frame.f_lineno or 0, code.co_name, transform)
