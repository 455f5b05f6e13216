"""Text files, a record after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import NestflowPlanningException
from ..plan.nodes import TextSinkForm
from .files import FileOutput

if TYPE_CHECKING:
    from ..plan.builder import PlanBuilder
    from ..ptype import Dataset


class TextFile(FileOutput):
    """A directory of text files, ``part-00000`` and on: each record through ``str``.

    The directory appears when the whole run has succeeded, in place of an older one. Never replaced
    are the working directory, the home directory, those above them, and what is not a directory.

    Args:
        path: the directory, without a scheme one of this machine, on every engine; also in another
            file system that can rename directories, such as ``hdfs:`` (on the local engine by a Hadoop
            client of this machine), or on Spark one that all machines see (``file:``).
        overwrite: False fails the run if the path exists.
        async_mode: whether parts are written, and compressed, by threads beside those of tasks; what is
            written is the same. None: as the variable ``BIGFLOW_FILE_OUTPUT_FORMAT_ASYNC_MODE`` says
            (``true`` or ``false``), or True.
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
        async_mode: bool | None = None,
        record_delimiter: str | bytes | None = "\n",
        **options: Any,
    ) -> None:
        """Check the arguments; the target is looked at by the run."""
        super().__init__(path, overwrite, async_mode, options)
        if record_delimiter is not None and not isinstance(record_delimiter, (str, bytes)):
            raise ValueError(f"the record_delimiter has to be a text or None, not {record_delimiter!r:.100}")
        text = record_delimiter or b""
        self._delimiter = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        self._gzip = False

    def with_compression(self, name: str) -> TextFile:
        """Compress the parts with ``"gzip"``; gives the target itself.

        Raises:
            NestflowPlanningException: another name.

        Example:
            >>> TextFile("out").with_compression("gzip")
            TextFile('out')
        """
        if name != "gzip":
            raise NestflowPlanningException(f"the compression of a TextFile is 'gzip', not {name!r}")
        self._gzip = True
        return self

    def _form(self, builder: PlanBuilder, leaf: Dataset) -> TextSinkForm:
        return TextSinkForm(self._delimiter, self._gzip, None)
