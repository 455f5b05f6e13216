"""Sources of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..serde import DefaultSerde

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..pcollection import PCollection
    from ..pipeline import Pipeline
    from ..ptable import PTable
    from ..ptype import PType
    from ..serde import Serde


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
        """Give the records of a part; called where the data are needed, for each attempt at a task."""
        raise NotImplementedError("load() of a UserInputBase has to be overridden")

    def post_process(self, ptable: PTable) -> PType:
        """Give what ``read`` gives, from a table of part → records; without keys unless overridden."""
        return ptable.flatten_values()

    def get_serde(self) -> Serde:
        """Give the serde of the records; the one for any value unless overridden."""
        return DefaultSerde()

    def get_size(self) -> int:
        """Give the size of the data in bytes, a hint; -1: it is not known."""
        return -1

    def _read(self, pipeline: Pipeline) -> PType:
        splits = list(self.split())
        serde = self.get_serde()
        if type(self).post_process is UserInputBase.post_process:
            parts: PCollection = pipeline.parallelize(splits)
            return parts.flat_map(self.load, serde=serde)
        named: PCollection = pipeline.parallelize([(split, split) for split in splits])
        loaded = named.group_by_key().apply_values(lambda split: split.flat_map(self.load, serde=serde))
        return self.post_process(loaded)


def user_define_format(source: UserInputBase) -> UserInputBase:
    """Give the source itself: `Pipeline.read` takes it as it is.

    Raises:
        ValueError: not an instance of a subclass of `UserInputBase`.

    Example:
        >>> user_define_format("numbers")
        Traceback (most recent call last):
        ValueError: user_define_format needs an instance of UserInputBase, not 'numbers'
    """
    if not isinstance(source, UserInputBase):
        raise ValueError(f"user_define_format needs an instance of UserInputBase, not {source!r:.100}")
    return source
