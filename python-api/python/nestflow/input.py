"""Sources: what `Pipeline.read` takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from .options import warn_unknown
from .pcollection import PCollection
from .plan.builder import ROOT
from .plan.callsite import call_site
from .plan.nodes import Files, FileSource, TextForm

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .pipeline import Pipeline
    from .ptable import PTable
    from .ptype import PType

_OPTIONS = frozenset(
    {"encoding", "combine_multi_file", "use_dce_combine", "partitioned", "repeatedly", "ugi"}
)
_ENCODINGS = ("utf-8", "utf-8-strict", None)


class TextFile:
    """Lines of text files, without their ends; ``.gz`` files are decompressed.

    A line may have 64 MiB; a longer one fails the run.

    Args:
        paths: files, directories (the files in them, not deeper) and globs; read in this order,
            inside a directory or glob by path. What is missing fails the run.
        encoding: ``"utf-8"`` gives str in which other bytes survive as surrogates,
            ``"utf-8-strict"`` fails the run on them, None gives bytes.
        options: hints of the original system, without effect.

    Raises:
        ValueError: no path, or an unknown encoding.
        NotImplementedError: ``partitioned=True`` or ``repeatedly=True``.

    Example:
        >>> TextFile("logs/*.txt", encoding=None)
        TextFile('logs/*.txt')
    """

    def __init__(
        self, *paths: str | os.PathLike[str], encoding: str | None = "utf-8", **options: Any
    ) -> None:
        """Check the arguments; files are looked at by the run."""
        warn_unknown(options, _OPTIONS, "TextFile")
        for name in ("partitioned", "repeatedly"):
            if options.get(name):
                raise NotImplementedError(f"TextFile({name}=True) is not available")
        if encoding not in _ENCODINGS:
            raise ValueError(
                f"the encoding of a TextFile is 'utf-8', 'utf-8-strict' or None, not {encoding!r}"
            )
        self._source = FileSource(tuple(_path(path) for path in paths), TextForm(encoding), named=False)
        if not paths:
            raise ValueError("TextFile needs at least one path")

    def __repr__(self) -> str:
        """Show the paths."""
        return f"TextFile({', '.join(map(repr, self._source.paths))})"

    def _read(self, pipeline: Pipeline) -> PCollection:
        node = pipeline._builder.add(ROOT, Files(self._source), False, call_site("read"))
        return PCollection(pipeline, ROOT, node)


class UserInputBase:
    """A source of the user's own: a list of splits, and the records of each.

    Example:
        >>> import nestflow as nf
        >>> class Numbers(nf.input.UserInputBase):
        ...     def split(self):
        ...         return ["3", "5"]
        ...     def load(self, split):
        ...         return range(int(split))
        >>> nf.Pipeline.create("local").read(Numbers()).count().get()
        8
    """

    def split(self) -> list[str]:
        """Give the names of the parts; called once, by ``read``."""
        raise NotImplementedError("split() of a UserInputBase has to be overridden")

    def load(self, split: str) -> Iterable[Any]:
        """Give the records of a part; called where the data are needed."""
        raise NotImplementedError("load() of a UserInputBase has to be overridden")

    def post_process(self, ptable: PTable) -> PType:
        """Give what ``read`` gives, from a table of part → records; without keys unless overridden."""
        return ptable.flatten_values()

    def _read(self, pipeline: Pipeline) -> PType:
        splits = list(self.split())
        if type(self).post_process is UserInputBase.post_process:
            parts: PCollection = pipeline.parallelize(splits)
            return parts.flat_map(self.load)
        named: PCollection = pipeline.parallelize([(split, split) for split in splits])
        return self.post_process(named.group_by_key().apply_values(lambda split: split.flat_map(self.load)))


def user_define_format(source: UserInputBase) -> UserInputBase:
    """Give the source itself: `Pipeline.read` takes it as it is.

    Raises:
        ValueError: not an instance of a subclass of `UserInputBase`.
    """
    if not isinstance(source, UserInputBase):
        raise ValueError(f"user_define_format needs an instance of UserInputBase, not {source!r:.100}")
    return source


def _path(path: object) -> str:
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text:
        raise ValueError(f"a path has to be a text, not {path!r:.100}")
    return text
