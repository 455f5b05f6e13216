"""What a serde is, and the two that take any value."""

from __future__ import annotations

import pickle
from typing import Any, ClassVar

from ..errors import InvalidDataException


class Serde:
    """Base of serdes: between a record and bytes. Workers get it by pickle.

    Example:
        >>> class Hex(Serde):
        ...     def serialize(self, obj):
        ...         return hex(obj).encode()
        ...     def deserialize(self, buf):
        ...         return int(buf, 16)
        >>> Hex().deserialize(Hex().serialize(255))
        255
    """

    def serialize(self, obj: Any) -> bytes:
        """Give the bytes of a record."""
        raise NotImplementedError(f"serialize() of {type(self).__name__} has to be overridden")

    def deserialize(self, buf: bytes) -> Any:
        """Give the record of the bytes."""
        raise NotImplementedError(f"deserialize() of {type(self).__name__} has to be overridden")

    def __eq__(self, other: object) -> bool:
        """Whether both are of one class and hold the same."""
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        """Equal serdes have equal hashes."""
        return hash(type(self))


class CppSerde(Serde):
    """Base of the built-in serdes: what they take comes back as it was.

    Example:
        >>> issubclass(DefaultSerde, CppSerde)
        True
    """

    name = "any"
    classes: ClassVar[tuple[type, ...]] = ()
    """The classes, not others below them, of which bytes give back what they were made of; none: all."""

    def fits(self, obj: Any) -> bool:
        """Whether the serde takes this value."""
        raise NotImplementedError(f"fits() of {type(self).__name__} has to be overridden")

    def serialize(self, obj: Any) -> bytes:
        """Give the bytes of a record.

        Raises:
            InvalidDataException: the serde does not take it, or its bytes would not give it back.
        """
        if not self.fits(obj):
            raise InvalidDataException(f"the serde {self} does not fit the value {obj!r:.100}")
        if self.classes and type(obj) not in self.classes:
            raise InvalidDataException(
                f"the serde {self} does not fit the value {obj!r:.100}: it is a {type(obj).__name__}, which "
                "its bytes would not give back"
            )
        return self._bytes_of(obj)

    def _bytes_of(self, obj: Any) -> bytes:
        raise NotImplementedError

    def __str__(self) -> str:
        """Show how it is made."""
        return f"{self.name}()"

    def __repr__(self) -> str:
        """Show how it is made."""
        return str(self)


class DefaultSerde(CppSerde):
    """Takes any value that Python can pickle: what records are stored by where nothing else is said.

    Example:
        >>> DefaultSerde()
        any()
        >>> DefaultSerde().deserialize(DefaultSerde().serialize({1: (None, 2.5)}))
        {1: (None, 2.5)}
    """

    def fits(self, obj: Any) -> bool:
        """Say yes."""
        return True

    def _bytes_of(self, obj: Any) -> bytes:
        return pickle.dumps(obj, 5)

    def deserialize(self, buf: bytes) -> Any:
        """Give the record of the bytes."""
        return pickle.loads(buf)


class CPickleSerde(DefaultSerde):
    """Takes any value that Python can pickle.

    Example:
        >>> CPickleSerde().deserialize(CPickleSerde().serialize([1]))
        [1]
    """

    name = "pickle"
