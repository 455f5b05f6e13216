"""Serdes of numbers and texts."""

from __future__ import annotations

import struct
from typing import Any

from .base import CppSerde

_INT = struct.Struct("<q")
_FLOAT = struct.Struct("<d")


class IntSerde(CppSerde):
    r"""Whole numbers of 64 bits: eight bytes, little endian.

    Example:
        >>> IntSerde().serialize(258)
        b'\x02\x01\x00\x00\x00\x00\x00\x00'
    """

    name = "int_"
    classes = (int,)

    def fits(self, obj: Any) -> bool:
        """Whether it is a whole number of 64 bits."""
        return isinstance(obj, int) and -(2**63) <= obj < 2**63

    def _bytes_of(self, obj: Any) -> bytes:
        return _INT.pack(obj)

    def deserialize(self, buf: bytes) -> int:
        """Give the number."""
        number: int = _INT.unpack(buf)[0]
        return number


class FloatSerde(CppSerde):
    """Numbers as floats of 64 bits: eight bytes, little endian. A whole number that is no float does not fit.

    Example:
        >>> FloatSerde().deserialize(FloatSerde().serialize(2.5))
        2.5
    """

    name = "float_"
    classes = (float, int)

    def fits(self, obj: Any) -> bool:
        """Whether it is a float, or a whole number that is equal to one."""
        return isinstance(obj, float) or (isinstance(obj, int) and _is_float(obj))

    def _bytes_of(self, obj: Any) -> bytes:
        return _FLOAT.pack(obj)

    def deserialize(self, buf: bytes) -> float:
        """Give the number."""
        number: float = _FLOAT.unpack(buf)[0]
        return number


def _is_float(number: int) -> bool:
    try:
        return float(number) == number
    except OverflowError:
        return False


class BoolSerde(CppSerde):
    r"""True and False: one byte.

    Example:
        >>> BoolSerde().serialize(True)
        b'\x01'
    """

    name = "bool_"
    classes = (bool,)

    def fits(self, obj: Any) -> bool:
        """Whether it is True or False."""
        return isinstance(obj, bool)

    def _bytes_of(self, obj: Any) -> bytes:
        return b"\x01" if obj else b"\x00"

    def deserialize(self, buf: bytes) -> bool:
        """Give the value."""
        return buf != b"\x00"


class StrSerde(CppSerde):
    r"""Text as UTF-8; surrogates that stand for bytes become those bytes.

    Example:
        >>> StrSerde().serialize("é")
        b'\xc3\xa9'
    """

    name = "str_"
    classes = (str,)

    def fits(self, obj: Any) -> bool:
        """Whether it is a text."""
        return isinstance(obj, str)

    def _bytes_of(self, obj: Any) -> bytes:
        text: bytes = obj.encode("utf-8", "surrogateescape")
        return text

    def deserialize(self, buf: bytes) -> str:
        """Give the text."""
        return buf.decode("utf-8", "surrogateescape")


class BytesSerde(CppSerde):
    """Bytes as they are.

    Example:
        >>> BytesSerde().serialize(b"a")
        b'a'
    """

    name = "bytes_"
    classes = (bytes,)

    def fits(self, obj: Any) -> bool:
        """Whether it is bytes."""
        return isinstance(obj, bytes)

    def _bytes_of(self, obj: Any) -> bytes:
        return bytes(obj)

    def deserialize(self, buf: bytes) -> bytes:
        """Give the bytes."""
        return buf
