"""Sources without end of the original system, which have nothing to stand on here: they say so."""

from __future__ import annotations

from typing import Any


class TextFileStream:
    """Refuses: streams belong to an engine that is not here; use `TextFile`.

    Example:
        >>> TextFileStream("logs")
        Traceback (most recent call last):
        NotImplementedError: TextFileStream is not available: read what is there with TextFile
    """

    def __init__(self, *paths: Any, **options: Any) -> None:
        """Refuse.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("TextFileStream is not available: read what is there with TextFile")


class SequenceFileStream:
    """Refuses: streams belong to an engine that is not here; use `SequenceFile`.

    Example:
        >>> SequenceFileStream("logs")
        Traceback (most recent call last):
        NotImplementedError: SequenceFileStream is not available: read what is there with SequenceFile
    """

    def __init__(self, *paths: Any, **options: Any) -> None:
        """Refuse.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError("SequenceFileStream is not available: read what is there with SequenceFile")
