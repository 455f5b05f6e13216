"""Serdes of the original system that need tools which are not public: they say so."""

from __future__ import annotations

from typing import Any


class FastPbSerdeFactory:
    """Refuses: it needs a compiler for protobuf that is not public; use ``ProtobufSerde``.

    Example:
        >>> FastPbSerdeFactory()
        Traceback (most recent call last):
        NotImplementedError: FastPbSerdeFactory is not available: use serde.ProtobufSerde(message)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Refuse.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("FastPbSerdeFactory is not available: use serde.ProtobufSerde(message)")


class IdlPacketSerde:
    """Refuses: its format needs a library that is not public.

    Example:
        >>> IdlPacketSerde()
        Traceback (most recent call last):
        NotImplementedError: IdlPacketSerde is not available: its format needs a library that is not public
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Refuse.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            "IdlPacketSerde is not available: its format needs a library that is not public"
        )
