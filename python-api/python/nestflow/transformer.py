"""The base class of `transform`'s second form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class Transformer:
    """Walks through the records of a dataset, or of each group, in order; each method gives outputs.

    Each group gets a copy of its own. Return iterables; ``None`` is an error.

    Example:
        >>> import nestflow as nf
        >>> class Pairs(nf.Transformer):
        ...     def begin_process(self):
        ...         self.last = None
        ...         return []
        ...     def process(self, record):
        ...         pair, self.last = (self.last, record), record
        ...         return [pair]
        >>> nf.Pipeline.create("local").parallelize([1, 2]).transform(Pairs()).get()
        [(None, 1), (1, 2)]
    """

    def begin_process(self, *side_inputs: Any) -> Iterable[Any]:
        """Give what comes out before the first record."""
        return []

    def process(self, record: Any, *side_inputs: Any) -> Iterable[Any]:
        """Give what comes out for a record."""
        return []

    def end_process(self, *side_inputs: Any) -> Iterable[Any]:
        """Give what comes out after the last record."""
        return []
