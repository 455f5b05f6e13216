"""Serdes around other serdes, and around protobuf messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidDataException
from .base import CppSerde, Serde
from .containers import fits

if TYPE_CHECKING:
    from collections.abc import Callable


class Optional(CppSerde):
    r"""None as well: no bytes for None, else ``1`` and the bytes of the other serde.

    Example:
        >>> from nestflow.serde import StrSerde
        >>> Optional(StrSerde()).serialize(None), Optional(StrSerde()).serialize("a")
        (b'', b'1a')
    """

    def __init__(self, serde: Any) -> None:
        """Take a serde, or whatever ``serde.of`` makes a serde of."""
        from .infer import of

        inner = of(serde)
        self.inner: Serde = inner.inner if isinstance(inner, Optional) else inner

    def origin(self) -> Serde:
        """Give the other serde."""
        return self.inner

    def get_fields(self) -> Any:
        """Give what the other serde gives."""
        return self.inner.get_fields()  # type: ignore[attr-defined]

    def fits(self, obj: Any) -> bool:
        """Whether it is None or fits the other serde."""
        return obj is None or fits(self.inner, obj)

    def _bytes_of(self, obj: Any) -> bytes:
        return b"" if obj is None else b"1" + self.inner.serialize(obj)

    def deserialize(self, buf: bytes) -> Any:
        """Give None or the value."""
        return self.inner.deserialize(buf[1:]) if buf else None

    def __str__(self) -> str:
        """Show the other serde."""
        return str(self.inner)


class ChainSerde(Serde):
    """The first serde makes bytes of a record, the others bytes of bytes.

    Example:
        >>> from nestflow.serde import BytesSerde, StrSerde
        >>> chain = ChainSerde(StrSerde(), BytesSerde())
        >>> chain.deserialize(chain.serialize("a"))
        'a'
    """

    def __init__(self, *serdes: Any) -> None:
        """Take at least one serde.

        Raises:
            ValueError: none.
        """
        from .infer import of

        if not serdes:
            raise ValueError("a ChainSerde needs at least one serde")
        self.serdes = tuple(of(serde) for serde in serdes)

    def serialize(self, obj: Any) -> bytes:
        """Give the bytes of a record."""
        for serde in self.serdes:
            obj = serde.serialize(obj)
        data: bytes = obj
        return data

    def deserialize(self, buf: bytes) -> Any:
        """Give the record of the bytes."""
        data: Any = buf
        for serde in reversed(self.serdes):
            data = serde.deserialize(data)
        return data

    def __str__(self) -> str:
        """Show how it is made."""
        return f"chain_of({', '.join(map(str, self.serdes))})"

    __repr__ = __str__


class ProtobufSerde(Serde):
    """Protobuf messages in their own format.

    Args:
        message: the message's class, a message of it, or a function that makes an empty message.
        raise_exception_when_failed: False gives None for bytes that are no such message.

    Example:
        >>> ProtobufSerde(dict)  # a class of messages instead
        proto_of(dict)
    """

    def __init__(self, message: Any, raise_exception_when_failed: bool = True) -> None:
        """Keep the class.

        Raises:
            ValueError: it is none of these.
        """
        if not callable(message):
            if not hasattr(message, "SerializeToString"):
                raise ValueError(f"a ProtobufSerde needs a message class or a function, not {message!r:.100}")
            message = type(message)
        self.message: Callable[[], Any] = message
        self.raise_exception_when_failed = raise_exception_when_failed

    def serialize(self, obj: Any) -> bytes:
        """Give the bytes of a message."""
        data: bytes = obj.SerializeToString()
        return data

    def deserialize(self, buf: bytes) -> Any:
        """Give the message.

        Raises:
            InvalidDataException: the bytes are no such message.
        """
        message = self.message()
        try:
            message.ParseFromString(buf)
        except Exception as error:
            if not self.raise_exception_when_failed:
                return None
            name = getattr(self.message, "__name__", repr(self.message))
            raise InvalidDataException(f"bytes that are no {name}: {error}") from error
        return message

    def __str__(self) -> str:
        """Show how it is made."""
        return f"proto_of({getattr(self.message, '__name__', self.message)})"

    __repr__ = __str__
