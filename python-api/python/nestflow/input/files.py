"""What sources of files have in common: paths, options, and tables of files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from ..options import warn_unknown
from ..pcollection import PCollection
from ..plan.builder import ROOT
from ..plan.callsite import call_site
from ..plan.nodes import Files, FileSource, NamesForm

if TYPE_CHECKING:
    from ..pipeline import Pipeline
    from ..plan.nodes import SourceForm
    from ..ptable import PTable

_OPTIONS = frozenset({"combine_multi_file", "use_dce_combine", "partitioned", "repeatedly", "ugi"})


class FileInput:
    """Base of sources of files."""

    _own: frozenset[str] = frozenset()
    """Options of the class itself, for hints about misspelt ones."""

    def __init__(
        self, paths: tuple[str | os.PathLike[str], ...], form: SourceForm, options: dict[str, Any]
    ) -> None:
        """Check the arguments; files are looked at by the run."""
        name = type(self).__name__
        warn_unknown(options, _OPTIONS | self._own, name)
        if options.get("repeatedly"):
            raise NotImplementedError(f"{name}(repeatedly=True) is not available: it belongs to streams")
        if not paths:
            raise ValueError(f"{name} needs at least one path")
        self._partitioned = bool(options.get("partitioned"))
        self._source = FileSource(tuple(_path(path) for path in paths), form, self._partitioned)

    def __repr__(self) -> str:
        """Show the paths."""
        return f"{type(self).__name__}({', '.join(map(repr, self._source.paths))})"

    def _records(self, pipeline: Pipeline) -> PCollection:
        """What stands in the files; with their paths if the source is partitioned."""
        return PCollection(pipeline, ROOT, _add(pipeline, self._source))

    def _read(self, pipeline: Pipeline) -> PCollection | PTable:
        records = self._records(pipeline)
        if self._partitioned:
            # A file is a group even if nothing stands in it.
            node = _add(pipeline, FileSource(self._source.paths, NamesForm(), True))
            both = records.cogroup(PCollection(pipeline, ROOT, node))
            return both.apply_values(lambda records, names: self._decoded(records))
        return self._decoded(records)

    def _decoded(self, records: PCollection) -> PCollection:
        """What users see of the records."""
        return records


def _add(pipeline: Pipeline, source: FileSource) -> int:
    """Add a source to the plan, and give its node."""
    builder, site = pipeline._builder, call_site("read")
    if source.named:
        # Nobody refers to this one: an engine that reads copies needs a step between, which gives names back.
        builder.add(ROOT, Files(source), False, site)
    return builder.add(ROOT, Files(source), False, site)


def _path(path: object) -> str:
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text:
        raise ValueError(f"a path has to be a text, not {path!r:.100}")
    return text
