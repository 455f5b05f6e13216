"""How an engine ends: when it is closed, when nobody has it any more, or with the interpreter."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from ..errors import NestflowRuntimeException

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Closing:
    """What engines inherit that have something to give back."""

    _closed = False
    _closer: weakref.finalize[..., Any] | None = None

    def close(self) -> None:
        """Give everything back; closing twice is harmless."""
        self._closed = True
        if self._closer is not None:
            self._closer()

    def _check_open(self) -> None:
        """Refuse what comes after the end.

        Raises:
            NestflowRuntimeException: it is closed.
        """
        if self._closed or (self._closer is not None and not self._closer.alive):
            raise NestflowRuntimeException("this pipeline is closed")

    def _at_end(self, give_back: Callable[..., object], *arguments: object) -> None:
        """Say what the end has to do; it must not know this engine, which could never end otherwise."""
        self._closer = weakref.finalize(self, give_back, *arguments)
