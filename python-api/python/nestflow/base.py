"""The base names of a program, under the module name that Bigflow programs import."""

from __future__ import annotations

from .pipeline import Pipeline
from .transformer import Transformer

__all__ = ["Options", "Pipeline", "Transformer"]


class Options:
    """Constants of pipeline options.

    Example:
        >>> Options.Explain.ON
        1
    """

    class Explain:
        """Whether to explain before a run; kept for programs that name it, use ``explain()``."""

        DEFAULT = 0
        ON = 1
        OFF = 2
