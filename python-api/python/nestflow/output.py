"""Targets: what `Pipeline.write` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import NestflowPlanningException
from .functions import ship_function
from .options import warn_unknown
from .plan.nodes import FileSink, SinkSort, TextSinkForm
from .transforms.lowered import PartOf

if TYPE_CHECKING:
    from collections.abc import Callable

    from .plan.builder import PlanBuilder
    from .plan.nodes import Function


_OPTIONS = frozenset({"ugi", "path", "overwrite", "async_mode", "record_delimiter"})


class TextFile:
    """A directory of text files, ``part-00000`` and on: each record through ``str``.

    The directory appears when the whole run has succeeded, in place of an older one. Never replaced
    are the working directory, the home directory, those above them, and what is not a directory.

    Args:
        path: the directory.
        overwrite: False fails the run if the path exists.
        async_mode: accepted, without effect.
        record_delimiter: after each record; None for nothing.
        options: hints of the original system, without effect.

    Raises:
        ValueError: the path is not a text.

    Example:
        >>> import nestflow as nf
        >>> nf.output.TextFile("out/counts").partition(2).sort().with_compression("gzip")
        TextFile('out/counts')
    """

    def __init__(
        self,
        path: str,
        overwrite: bool = True,
        async_mode: bool = True,
        record_delimiter: str | bytes | None = "\n",
        **options: Any,
    ) -> None:
        """Check the arguments; the target is looked at by the run."""
        warn_unknown(options, _OPTIONS, "TextFile")
        if not isinstance(path, str) or not path:
            raise ValueError(f"the path of a TextFile has to be a text, not {path!r:.100}")
        if record_delimiter is not None and not isinstance(record_delimiter, (str, bytes)):
            raise ValueError(f"the record_delimiter has to be a text or None, not {record_delimiter!r:.100}")
        self._path = path.rstrip("/") or "/"
        self._overwrite = bool(overwrite)
        text = record_delimiter or b""
        self._delimiter = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        self._gzip = False
        self._parts: int | None = None
        self._partition: Function | None = None
        self._sort: tuple[Function | None, bool] | None = None

    def __repr__(self) -> str:
        """Show the path."""
        return f"TextFile({self._path!r})"

    def partition(
        self, n: int | None = None, partition_fn: Callable[[Any, int], int] | None = None
    ) -> TextFile:
        """Write exactly ``n`` parts, empty ones too; gives the target itself.

        Args:
            n: the number of parts; None as the engine likes.
            partition_fn: ``partition_fn(record, n)`` gives the part of a record, from 0.

        Raises:
            ValueError: a number below 1, or something else than a number and a function.
        """
        if n is not None and (not isinstance(n, int) or isinstance(n, bool) or n < 1):
            raise ValueError(f"the number of parts has to be a number from 1, not {n!r:.100}")
        self._parts = n
        self._partition = None
        if partition_fn is not None:
            if n is None:
                raise ValueError("a partition function needs the number of parts")
            ship_function(partition_fn, "partition function")
            self._partition = ship_function(PartOf(partition_fn, n), "partition function")
        return self

    def sort(self, reverse: bool = False) -> TextFile:
        """Sort the records of each part by themselves; gives the target itself."""
        self._sort = (None, bool(reverse))
        return self

    def sort_by(self, key_fn: Callable[[Any], Any] | None = None, reverse: bool = False) -> TextFile:
        """Sort the records of each part by a key; gives the target itself.

        Raises:
            ValueError: the key is not callable.
        """
        self._sort = (None if key_fn is None else ship_function(key_fn, "key"), bool(reverse))
        return self

    def with_compression(self, name: str) -> TextFile:
        """Compress the parts with ``"gzip"``; gives the target itself.

        Raises:
            NestflowPlanningException: another name.
        """
        if name != "gzip":
            raise NestflowPlanningException(f"the compression of a TextFile is 'gzip', not {name!r}")
        self._gzip = True
        return self

    def _sink(self, builder: PlanBuilder) -> FileSink:
        sort = None
        if self._sort is not None:
            key, reverse = self._sort
            sort = SinkSort(None if key is None else builder.function(key), reverse)
        return FileSink(
            path=self._path,
            overwrite=self._overwrite,
            form=TextSinkForm(self._delimiter, self._gzip),
            parts=self._parts,
            partition=None if self._partition is None else builder.function(self._partition),
            sort=sort,
        )
