"""What the three handles have in common: a pipeline, a scope, and no data.

A handle is a name for a dataset of the plan. It must not travel with a record function.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from typing import TYPE_CHECKING

from .errors import InvalidLogicalPlanException

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, TypeVar

    from .pipeline import Pipeline
    from .plan.nodes import CallSite
    from .serde import Serde

    Self = TypeVar("Self", bound="PType")
    D = TypeVar("D", bound="Dataset")


class PType:
    """Base of `PCollection`, `PObject` and `PTable`."""

    __slots__ = ("__weakref__", "_pipeline", "_scope")

    def __init__(self, pipeline: Pipeline, scope: int) -> None:
        """Handles are made by transforms, not by users."""
        self._pipeline = pipeline
        self._scope = scope

    def apply(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call ``fn(self, *args, **kwargs)`` at once and give its result unchanged.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([1, 2, 3]).apply(nf.transforms.count).get()
            3
        """
        return fn(self, *args, **kwargs)

    def cache(self: Self) -> Self:
        """Keep the data of this dataset at the next run, for all later runs; gives the handle itself.

        Raises:
            NestflowPlanningException: a table whose values are a tuple.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> kept = p.parallelize([1, 2]).map(lambda x: x + 1).cache()
            >>> p.run()
            >>> kept.get()
            [2, 3]
        """
        self._pipeline._mark(self)
        return self

    @abstractmethod
    def get(self) -> Any:
        """Run what is pending and give the data as plain Python values."""

    def pipeline(self) -> Pipeline:
        """Give the pipeline that the dataset belongs to.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize([1]).pipeline() is p
            True
        """
        return self._pipeline

    @abstractmethod
    def node(self) -> int:
        """Give the id of the plan's node behind the handle; opaque."""

    @abstractmethod
    def serde(self) -> Serde:
        """Give the serde of the records: the default, which any value fits, unless more is known."""

    def explain(self, form: str = "text", code: bool = False) -> str:
        """Describe how the engine would compute this dataset.

        Args:
            form: ``"text"``, ``"logical"``, ``"stages"`` or ``"mermaid"``.
            code: show instead the Python code that is written around the functions of each stage.

        Raises:
            ValueError: another form.

        Example:
            >>> import nestflow as nf
            >>> dataset = nf.Pipeline.create("local").parallelize([1]).map(str)
            >>> "stage" in dataset.explain("stages")
            True
        """
        return self._pipeline._explain("code" if code else form, [self])

    @abstractmethod
    def __repr__(self) -> str:
        """Show the shape of the data, never the data."""

    def __str__(self) -> str:
        """Show the shape, or the data where the environment asks for it."""
        if os.environ.get("BIGFLOW_PTYPE_GET_ON_STR", "").lower() == "true":
            return f"{type(self).__name__}: {self.get()}"
        return repr(self)

    def _repr_html_(self) -> str:
        """Show the shape and the line that made the dataset, for notebooks."""
        from html import escape

        return (
            f"<b>{type(self).__name__}</b> <code>{escape(repr(self))}</code> "
            f"<small>{escape(str(self._made_at()))}</small>"
        )

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        """Refuse to be pickled: a record function that captures a dataset is a mistake."""
        raise InvalidLogicalPlanException(
            f"a {type(self).__name__} ({self._made_at()}) cannot be used inside a function that works on "
            "records: pass it to the transform as a side input"
        )

    @abstractmethod
    def _made_at(self) -> CallSite:
        """The user's line that made the dataset."""

    @abstractmethod
    def _leaf(self, what: str) -> Dataset:
        """The dataset that holds the data; ``what`` is being done, for messages."""


class Dataset(PType):
    """A handle on one node: a `PCollection` or a `PObject`."""

    __slots__ = ("_node", "_serde")

    def __init__(self, pipeline: Pipeline, scope: int, node: int, serde: Serde | None = None) -> None:
        """Handles are made by transforms, not by users."""
        super().__init__(pipeline, scope)
        self._node = node
        self._serde = serde

    def get(self) -> Any:
        """Run what is pending and give the data as plain Python values."""
        return self._pipeline.get(self)

    def node(self) -> int:
        """Give the id of the plan's node behind the handle; opaque.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> isinstance(p.parallelize([1]).node(), int)
            True
        """
        return self._node

    def serde(self) -> Serde:
        """Give the serde of the records: the default, which any value fits, unless more is known.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize([1, 2]).count().serde()
            int_()
        """
        return self._pipeline.default_objector() if self._serde is None else self._serde

    def _moved(self: D, scope: int, node: int) -> D:
        """The same dataset at another place of the plan."""
        moved = type(self).__new__(type(self))
        Dataset.__init__(moved, self._pipeline, scope, node, self._serde)
        return moved

    @abstractmethod
    def __repr__(self) -> str:
        """Show the shape of the data, never the data."""

    def _made_at(self) -> CallSite:
        return self._pipeline._builder.site_of(self._node)

    def _leaf(self, what: str) -> Dataset:
        return self
