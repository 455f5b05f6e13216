"""Targets: what `Pipeline.write` takes."""

from __future__ import annotations

from .schema_text import SchemaTextFile
from .sequence import SequenceFile
from .text import TextFile
from .user import UserOutputBase, user_define_format

__all__ = ["SchemaTextFile", "SequenceFile", "TextFile", "UserOutputBase", "user_define_format"]
