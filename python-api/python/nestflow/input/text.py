"""Lines of text files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..pcollection import PCollection
from ..plan.nodes import TextForm
from ..serde import bytes_, str_
from .files import FileInput

if TYPE_CHECKING:
    import os

_ENCODINGS = ("utf-8", "utf-8-strict", None)


class TextFile(FileInput):
    """Lines of text files, without their ends; ``.gz`` files are decompressed.

    A line may have 64 MiB; a longer one fails the run.

    Args:
        paths: files, directories (the files in them, not deeper) and globs; read in this order,
            inside a directory or glob by path. Neither finds what begins with ``.`` or ``_``, as in Hadoop,
            unless a glob does so too. What is missing fails the run, and so does a file
            that changes while it runs. A path without a scheme is of this machine, on every engine;
            on Spark, ``file:`` is a path that all machines have. There are those of other file systems
            (``hdfs:``, ``s3a:``, …), on the local engine by a Hadoop client of this machine.
        encoding: ``"utf-8"`` gives str in which other bytes survive as surrogates,
            ``"utf-8-strict"`` fails the run on them, None gives bytes.
        options: ``partitioned=True`` gives a table from the path of each file to its lines, also of a file
            without any. Others are hints of the original system, without effect.

    Raises:
        ValueError: no path, or an unknown encoding.
        NotImplementedError: ``repeatedly=True``.

    Example:
        >>> TextFile("logs/*.txt", encoding=None)
        TextFile('logs/*.txt')
    """

    _own = frozenset({"encoding"})

    def __init__(
        self, *paths: str | os.PathLike[str], encoding: str | None = "utf-8", **options: Any
    ) -> None:
        """Check the arguments; files are looked at by the run."""
        if encoding not in _ENCODINGS:
            name = type(self).__name__
            raise ValueError(f"the encoding of a {name} is 'utf-8', 'utf-8-strict' or None, not {encoding!r}")
        super().__init__(paths, TextForm(encoding), options)
        self._encoding = encoding

    def _decoded(self, records: PCollection) -> PCollection:
        serde = bytes_() if self._encoding is None else str_()
        return PCollection(records._pipeline, records._scope, records._node, serde)
