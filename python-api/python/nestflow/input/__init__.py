"""Sources: what `Pipeline.read` takes."""

from __future__ import annotations

from .schema_text import SchemaTextFile
from .sequence import SequenceFile
from .streams import SequenceFileStream, TextFileStream
from .text import TextFile
from .user import UserInputBase, user_define_format

__all__ = [
    "SchemaTextFile",
    "SequenceFile",
    "SequenceFileStream",
    "TextFile",
    "TextFileStream",
    "UserInputBase",
    "user_define_format",
]
