"""Text files of columns with a separator in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidDataException
from ..functions import ship_function
from ..plan.nodes import TextSinkForm
from ..serde import FieldsDictSerde, origin
from .text import TextFile

if TYPE_CHECKING:
    from ..plan.builder import PlanBuilder
    from ..ptype import Dataset


class SchemaTextFile(TextFile):
    r"""A directory of text files, a line for each record: its columns through ``str``.

    Args:
        path: the directory.
        columns: the names of the columns of dicts, in order; a missing one is None. Tuples need none:
            all of their elements are written, or the first so many if it is a number.
        separator: between columns.
        options: as for `TextFile`.

    Raises:
        ValueError: the path is not a text, columns of another form; by ``write``, or by the run where only
            that can see it: records are dicts, and there are no names of columns.

    Example:
        >>> import nestflow as nf
        >>> nf.output.SchemaTextFile("out/people", columns=["name", "age"])
        SchemaTextFile('out/people')
    """

    def __init__(self, path: str, columns: Any = None, separator: str = "\t", **options: Any) -> None:
        """Check the arguments; the target is looked at by the run."""
        super().__init__(path, **options)
        if not isinstance(separator, str):
            raise ValueError(f"the separator of a SchemaTextFile has to be a text, not {separator!r:.100}")
        named = isinstance(columns, (list, tuple)) and all(isinstance(name, str) for name in columns)
        counted = isinstance(columns, int) and not isinstance(columns, bool) and columns > 0
        if columns is not None and not counted and not (named and columns):
            raise ValueError(
                f"the columns of a SchemaTextFile are names or a number, or None, not {columns!r:.100}"
            )
        self._columns = columns
        self._separator = separator

    def _form(self, builder: PlanBuilder, leaf: Dataset) -> TextSinkForm:
        if self._columns is None and isinstance(origin(leaf.serde()), FieldsDictSerde):
            raise ValueError("a SchemaTextFile of dicts needs the names of its columns")
        encode = ship_function(_Line(self._columns, self._separator), "SchemaTextFile")
        return TextSinkForm(self._delimiter, self._gzip, builder.function(encode))


class _Line:
    """From a record to its line."""

    def __init__(self, columns: Any, separator: str) -> None:
        self.columns = columns
        self.separator = separator

    def __call__(self, record: Any) -> str:
        columns = self.columns
        if isinstance(record, dict):
            if not isinstance(columns, (list, tuple)):
                raise ValueError("a SchemaTextFile of dicts needs the names of its columns")
            parts = [record.get(name) for name in columns]
        elif isinstance(record, (tuple, list)):
            parts = list(record[:columns] if isinstance(columns, int) else record)
        else:
            raise InvalidDataException("a SchemaTextFile takes dicts and tuples")
        return self.separator.join(map(str, parts))
