"""Directions of single parts of a sort key: ``sort_by(lambda r: (ASC(r.name), DESC(r.age)))``."""

from __future__ import annotations

from typing import Any


class _Directed:
    """A part of a sort key with a direction of its own."""

    __nestflow_order__ = True
    reverse = False

    def __init__(self, key: Any) -> None:
        """Keep the part."""
        self.key = key


class ASC(_Directed):
    """Ascending, whatever the sort's own direction.

    Example:
        >>> import nestflow as nf
        >>> from nestflow.transform_impls.sort import ASC, DESC
        >>> p = nf.Pipeline.create("local")
        >>> rows = p.parallelize([(1, "a"), (1, "b"), (0, "c")])
        >>> rows.sort_by(lambda r: (ASC(r[0]), DESC(r[1]))).get()
        [(0, 'c'), (1, 'b'), (1, 'a')]
    """


class DESC(_Directed):
    """Descending, whatever the sort's own direction.

    Example:
        >>> DESC(3).reverse
        True
    """

    reverse = True
