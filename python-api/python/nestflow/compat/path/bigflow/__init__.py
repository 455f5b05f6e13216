"""Nestflow under the name that programs written for Bigflow import."""

from typing import Any

import nestflow
from nestflow.compat.alias import install

install(__name__)


def __getattr__(name: str) -> Any:
    """Give what nestflow has under the name."""
    try:
        return getattr(nestflow, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
