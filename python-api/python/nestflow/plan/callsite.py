"""Where in the user's program a call happened: the first frame outside this package."""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING

from .nodes import CallSite

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

_PACKAGE = __name__.partition(".")[0]
_transforms: dict[CodeType, str] = {}


def know(transforms: Iterable[object]) -> None:
    """Call these by their names where they call others: users know `map_values`, not the `map` in it."""
    functions = (each for each in transforms if isinstance(each, FunctionType))
    _transforms.update({function.__code__: function.__name__ for function in functions})


def call_site(transform: str) -> CallSite:
    """Give the line of the user's program that is calling, whatever the depth of our own frames.

    Args:
        transform: the name of what is being called, unless that is part of a transform that the user called.

    Example:
        >>> call_site("map").transform
        'map'
    """
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] != _PACKAGE:
            break
        transform = _transforms.get(frame.f_code, transform)
        frame = frame.f_back
    code = frame.f_code
    return CallSite(code.co_filename, frame.f_lineno or 0, code.co_name, transform)
