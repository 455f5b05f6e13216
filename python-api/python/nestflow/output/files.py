"""What targets of files have in common: a directory of parts, how records are dealt and sorted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from ..functions import ship_function
from ..options import warn_unknown
from ..plan.nodes import FileSink, SinkSort
from ..transforms.lowered import PartOf

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan.builder import PlanBuilder
    from ..plan.nodes import Function, SinkForm
    from ..ptype import Dataset

    Self = TypeVar("Self", bound="FileOutput")

_OPTIONS = frozenset({"ugi", "path", "overwrite", "async_mode", "record_delimiter"})


class FileOutput:
    """Base of targets of files."""

    def __init__(self, path: str, overwrite: bool, async_mode: bool | None, options: dict[str, Any]) -> None:
        """Check the arguments; the target is looked at by the run."""
        name = type(self).__name__
        warn_unknown(options, _OPTIONS, name)
        if not isinstance(path, str) or not path:
            raise ValueError(f"the path of a {name} has to be a text, not {path!r:.100}")
        self._path = path.rstrip("/") or "/"
        self._overwrite = bool(overwrite)
        self._behind = _by_variable() if async_mode is None else bool(async_mode)
        self._parts: int | None = None
        self._partition: Callable[[Any, int], int] | None = None
        self._sort: tuple[Function | None, bool] | None = None

    def __repr__(self) -> str:
        """Show the path."""
        return f"{type(self).__name__}({self._path!r})"

    def partition(
        self: Self, n: int | None = None, partition_fn: Callable[[Any, int], int] | None = None
    ) -> Self:
        """Write exactly ``n`` parts, empty ones too; gives the target itself.

        Args:
            n: the number of parts; None for one on this machine, on Spark one for each task.
            partition_fn: ``partition_fn(record, n)`` gives the part of a record, from 0. Where no number
                is given with it, there is one part on this machine, and on Spark as many as the option
                ``default_concurrency`` of the pipeline says.

        Raises:
            ValueError: a number below 1, or something else than a number and a function; at the write, on
                Spark, a function without a number where the pipeline has no ``default_concurrency``.

        Example:
            >>> import nestflow as nf
            >>> nf.output.TextFile("out").partition(3, lambda record, n: record % n)
            TextFile('out')
        """
        if n is not None and (not isinstance(n, int) or isinstance(n, bool) or n < 1):
            raise ValueError(f"the number of parts has to be a number from 1, not {n!r:.100}")
        self._parts = n
        self._partition = partition_fn
        if partition_fn is not None:
            ship_function(partition_fn, "partition function")
        return self

    def sort(self: Self, reverse: bool = False) -> Self:
        """Sort the records of each part by themselves; gives the target itself.

        Without `partition` the output is sorted as a whole: its parts follow each other.

        Example:
            >>> import nestflow as nf
            >>> nf.output.TextFile("out").sort(reverse=True)
            TextFile('out')
        """
        self._sort = (None, bool(reverse))
        return self

    def sort_by(self: Self, key_fn: Callable[[Any], Any] | None = None, reverse: bool = False) -> Self:
        """Sort the records of each part by a key; gives the target itself.

        Without `partition` the output is sorted as a whole: its parts follow each other.

        Raises:
            ValueError: the key is not callable.

        Example:
            >>> import nestflow as nf
            >>> nf.output.TextFile("out").sort_by(len)
            TextFile('out')
        """
        self._sort = (None if key_fn is None else ship_function(key_fn, "key"), bool(reverse))
        return self

    def _form(self, builder: PlanBuilder, leaf: Dataset) -> SinkForm:
        """What stands in the files, for records of this dataset."""
        raise NotImplementedError

    def _sink(self, builder: PlanBuilder, leaf: Dataset) -> FileSink:
        partition, parts = None, self._parts
        if self._partition is not None:
            parts = parts or leaf._pipeline._engine.parts
            if parts is None:
                raise ValueError(
                    "a partition function needs the number of parts: partition(n, function), or the option "
                    "default_concurrency of the pipeline"
                )
            function = ship_function(PartOf(self._partition, parts), "partition function")
            partition = builder.function(function)
        sort = None
        if self._sort is not None:
            key, reverse = self._sort
            sort = SinkSort(None if key is None else builder.function(key), reverse)
        return FileSink(
            path=self._path,
            overwrite=self._overwrite,
            form=self._form(builder, leaf),
            parts=parts,
            partition=partition,
            sort=sort,
            behind=self._behind,
        )


def _by_variable() -> bool:
    return os.environ.get("BIGFLOW_FILE_OUTPUT_FORMAT_ASYNC_MODE", "true").lower() == "true"
