"""Lines of text files as records of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidDataException
from ..pcollection import PCollection, SchemaPCollection, collection_at
from ..serde import FieldsDictSerde, TupleSerde, tuple_of
from ..transforms.serdes import UNSEEN
from .text import TextFile

if TYPE_CHECKING:
    import os

    from ..pipeline import Pipeline
    from ..ptable import PTable
    from ..serde import Serde

_TYPES = (int, float, str)


class SchemaTextFile(TextFile):
    r"""Records of the columns that a separator parts lines into.

    Args:
        paths: as for `TextFile`.
        columns: names give dicts of texts; pairs of name and type (int, float, str) dicts of these; types
            tuples of these; a number tuples of so many texts, further columns being dropped.
        separator: a text of any length between columns.
        ignore_overflow: drop further columns, instead of failing the run.
        ignore_illegal_line: drop lines with too few columns, instead of failing the run.
        options: as for `TextFile`.

    Raises:
        ValueError: by ``read``: columns of another form.

    Example:
        >>> SchemaTextFile("people.tsv", columns=[("name", str), ("age", int)])
        SchemaTextFile('people.tsv')
    """

    def __init__(
        self,
        *paths: str | os.PathLike[str],
        columns: Any = None,
        separator: str = "\t",
        ignore_overflow: bool = False,
        ignore_illegal_line: bool = False,
        **options: Any,
    ) -> None:
        """Check the paths; columns are looked at by ``read``, files by the run."""
        super().__init__(*paths, **options)
        if not isinstance(separator, str) or not separator:
            raise ValueError(f"the separator of a SchemaTextFile has to be a text, not {separator!r:.100}")
        self._columns = columns
        self._separator = separator
        self._ignore_overflow = bool(ignore_overflow)
        self._ignore_illegal_line = bool(ignore_illegal_line)

    def _read(self, pipeline: Pipeline) -> PCollection | PTable:
        self._names, self._types, self._serde = _columns(self._columns)
        return super()._read(pipeline)

    def _decoded(self, records: PCollection) -> PCollection:
        counted = isinstance(self._columns, int)
        parse = _Parse(
            self._names,
            self._types,
            self._separator,
            self._ignore_overflow or counted,
            self._ignore_illegal_line,
        )
        parsed = records.flat_map(parse, **UNSEEN)
        made = collection_at(parsed._pipeline, parsed._scope, parsed._node, self._serde)
        return SchemaPCollection(made) if counted else made


class _Parse:
    """From a line to no record or one."""

    def __init__(
        self,
        names: list[str] | None,
        types: list[type],
        separator: str,
        ignore_overflow: bool,
        ignore_illegal_line: bool,
    ) -> None:
        self.names = names
        self.types = [None if kind is str else kind for kind in types]
        self.separator = separator
        self.ignore_overflow = ignore_overflow
        self.ignore_illegal_line = ignore_illegal_line

    def __call__(self, line: Any) -> tuple[Any, ...]:
        wanted = len(self.types)
        separator = self.separator if isinstance(line, str) else self.separator.encode()
        parts = line.split(separator)
        if len(parts) < wanted:
            if self.ignore_illegal_line:
                return ()
            raise InvalidDataException(f"a line of {len(parts)} columns where {wanted} are expected")
        if len(parts) > wanted and not self.ignore_overflow:
            raise InvalidDataException(f"a line of {len(parts)} columns where {wanted} are expected")
        values = tuple(
            part if kind is None else kind(part) for part, kind in zip(parts, self.types, strict=False)
        )
        return (values if self.names is None else dict(zip(self.names, values, strict=True)),)


def _columns(columns: Any) -> tuple[list[str] | None, list[type], Serde]:
    """Give the names, if there are, the types, and the serde of the records."""
    if isinstance(columns, int) and not isinstance(columns, bool) and columns > 0:
        types: list[type] = [str] * columns
        return None, types, TupleSerde(*types)
    if isinstance(columns, (list, tuple)) and columns:
        if all(isinstance(column, str) for column in columns):
            return list(columns), [str] * len(columns), FieldsDictSerde(dict.fromkeys(columns, str))
        if all(column in _TYPES for column in columns if isinstance(column, type)) and all(
            isinstance(column, type) for column in columns
        ):
            return None, list(columns), tuple_of(*columns)
        if all(_is_named_type(column) for column in columns):
            names, kinds = zip(*columns, strict=True)
            return list(names), list(kinds), FieldsDictSerde(dict(columns))
    raise ValueError(
        "the columns of a SchemaTextFile are names, pairs of name and type, types (int, float, str), or a "
        f"number, not {columns!r:.100}"
    )


def _is_named_type(column: Any) -> bool:
    return (
        isinstance(column, (tuple, list))
        and len(column) == 2
        and isinstance(column[0], str)
        and column[1] in _TYPES
    )
