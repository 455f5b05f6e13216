"""Transforms with their arguments first: ``udf.map(fn)`` is a function of a dataset.

Example:
    >>> import nestflow as nf
    >>> from nestflow import udf
    >>> numbers = nf.Pipeline.create("local").parallelize([1, 2])
    >>> numbers.apply(udf.map(lambda x: -x)).get()
    [-1, -2]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import transforms

if TYPE_CHECKING:
    from collections.abc import Callable


def __getattr__(name: str) -> Callable[..., Callable[..., Any]]:
    """Give the maker of functions of a dataset for the transform of this name."""
    if name not in transforms.__all__:
        raise AttributeError(f"there is no transform {name!r}")
    transform = getattr(transforms, name)

    def arguments(*args: Any, **known: Any) -> Callable[..., Any]:
        def call(pvalue: Any, *more: Any, **options: Any) -> Any:
            return transform(pvalue, *args, *more, **{**known, **options})

        return call

    return arguments
