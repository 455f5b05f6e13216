"""Sources of the user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..literal import of_splits
from ..plan.callsite import call_site
from ..ptype import PType
from ..serde import DefaultSerde

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..pipeline import Pipeline
    from ..ptable import PTable
    from ..serde import Serde


_LARGE = 32 << 20
"""Bytes of a split whose size nobody knows: as many as a task of text has."""


class UserInputBase:
    """A source of the user's own: a list of splits, and the records of each.

    Each split is loaded by a task of its own, up to two for each core; there, several share one.

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
        """Give the names of the parts; called once, by ``read``, on the client.

        There, so that what it raises comes at the call, and that the plan knows how many there are.
        """
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
        """Give the size of all data in bytes; -1: it is not known, and the splits are taken for large.

        By it, what follows is cut into more or fewer tasks: data of less than 256 KiB into one.
        """
        return -1

    def _read(self, pipeline: Pipeline) -> PType:
        splits = list(self.split())
        size = self.get_size()
        if not isinstance(size, int):
            raise ValueError(f"get_size() has to give a number of bytes or -1, not {size!r:.100}")
        size = size if size >= 0 else len(splits) * _LARGE
        serde, site = self.get_serde(), call_site("read")
        if type(self).post_process is UserInputBase.post_process:
            return of_splits(pipeline, splits, size, site).flat_map(self.load, serde=serde)
        named = of_splits(pipeline, [(split, split) for split in splits], size, site)
        loaded = named.group_by_key().apply_values(lambda split: split.flat_map(self.load, serde=serde))
        made = self.post_process(loaded)
        if not isinstance(made, PType):
            raise ValueError(
                f"post_process() has to give a PCollection, PObject or PTable, not {made!r:.100}"
            )
        return made


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
