"""How records are stored. Every Python value fits the default; serdes are accepted as hints."""

from __future__ import annotations

import pickle
from typing import Any


class Serde:
    """Base of user-defined serdes: between a record and bytes."""

    def serialize(self, obj: Any) -> bytes:
        """Give the bytes of a record."""
        raise NotImplementedError

    def deserialize(self, buf: bytes) -> Any:
        """Give the record of the bytes."""
        raise NotImplementedError


class DefaultSerde(Serde):
    """Stores any value that Python can pickle.

    Example:
        >>> DefaultSerde().deserialize(DefaultSerde().serialize((1, "a")))
        (1, 'a')
    """

    def serialize(self, obj: Any) -> bytes:
        """Give the bytes of a record."""
        return pickle.dumps(obj, 5)

    def deserialize(self, buf: bytes) -> Any:
        """Give the record of the bytes."""
        return pickle.loads(buf)

    def __str__(self) -> str:
        """Give the name that Bigflow shows."""
        return "any()"
