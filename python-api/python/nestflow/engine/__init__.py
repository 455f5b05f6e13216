"""Engines: what executes plans. Four methods, chosen by name; nothing else asks which engine runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..plan.nodes import LogicalPlan
    from ..resources import Surroundings

    Check = Callable[[], None]
    """Called again and again while an engine is at work: what it raises ends that, and is raised."""


class Engine(Protocol):
    """Executes plans and holds the datasets that they keep."""

    parts: int | None
    """Into how many parts a dataset is cut where that shows and the program does not say it: in a target
    that only has a function to choose them, in `pipe`. None: as many as there are tasks."""

    def run(self, plan: LogicalPlan, surroundings: Surroundings, check: Check) -> dict[str, object]:
        """Execute a plan and describe what was done; on an error nothing of it is kept.

        Functions find what the surroundings bring.
        """

    def explain(self, plan: LogicalPlan, form: str) -> str:
        """Describe what `run` would do with a plan, over the data and with the cores that there are.

        Raises:
            ValueError: a form that does not exist.
        """

    def fetch(self, cache: int, check: Check) -> list[tuple[Any, ...]]:
        """Give the rows ``(k1, …, kd, value)`` of a kept dataset, in order, as fresh objects."""

    def close(self) -> None:
        """Give everything back; closing twice is harmless."""


def by_name(kind: str, options: dict[str, Any]) -> Engine:
    """Make the engine of a pipeline.

    Args:
        kind: the engine's name in any case.
        options: what the user gave.

    Raises:
        ValueError: no engine of that name, or an impossible value of an option.

    Example:
        >>> by_name("Hadoop", {})
        Traceback (most recent call last):
        ValueError: unknown pipeline type 'Hadoop': it is 'local' or 'spark'
    """
    name = kind.lower() if isinstance(kind, str) else ""
    if name == "local":
        from .local import LocalEngine

        return LocalEngine(options)
    if name == "spark":
        from .spark import SparkEngine

        return SparkEngine(options)
    raise ValueError(f"unknown pipeline type {kind!r}: it is 'local' or 'spark'")
