"""`PTable`: a distributed dict whose values are datasets again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nestflow

from .errors import NestflowPlanningException
from .ptype import Dataset, PType

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from .pcollection import PCollection
    from .pipeline import Pipeline
    from .plan.nodes import CallSite
    from .serde import Serde

    Value: TypeAlias = "PType | tuple[PType, ...]"


class PTable(PType):
    """A dataset for each key: a PCollection, a PObject, a PTable, or a tuple of these.

    Example:
        >>> import nestflow as nf
        >>> visits = nf.Pipeline.create("local").parallelize([("a.org", 1), ("a.org", 2), ("b.org", 1)])
        >>> by_site = visits.group_by_key()
        >>> by_site
        {k0: [...]}
        >>> sorted(by_site.apply_values(lambda users: users.distinct().count()).get().items())
        [('a.org', 2), ('b.org', 1)]
    """

    __slots__ = ("_inner", "_key_serde", "_value")

    def __init__(
        self, pipeline: Pipeline, scope: int, inner: int, value: Value, key_serde: Serde | None = None
    ) -> None:
        """Handles are made by transforms, not by users; ``inner`` is the scope of the values."""
        super().__init__(pipeline, scope)
        for part in value if isinstance(value, tuple) else (value,):
            if not isinstance(part, (Dataset, PTable)):
                raise ValueError(
                    f"the value of a PTable has to be a dataset or a tuple of these, not {part!r:.100}"
                )
        self._inner = inner
        self._value = value
        self._key_serde = key_serde

    def __repr__(self) -> str:
        """Show the shape of the data, never the data."""
        return self._shape(0)

    def _shape(self, level: int) -> str:
        parts = [
            part._shape(level + 1) if isinstance(part, PTable) else repr(part) for part in self._values()
        ]
        value = f"({', '.join(parts)})" if isinstance(self._value, tuple) else parts[0]
        return f"{{k{level}: {value}}}"

    def apply_values(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> PTable:
        """Give a table with ``fn(value, *args, **kwargs)`` as its value: the function runs in each group.

        Args:
            fn: called once, now, with a handle on the value of every group (on each of a tuple).
                It gives a PCollection, a PObject, a PTable or a tuple of these.
            args: datasets from outside the groups, which every group sees as a whole, or any other
                values, which go to ``fn`` unchanged.
            kwargs: the same by name.

        Raises:
            ValueError: ``fn`` is not callable or gives something else.
            NestflowPlanningException: a PTable as an argument, or data that the groups cannot see.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> table = p.parallelize({"a": [1, 5], "b": [7]})
            >>> above = table.apply_values(nf.transforms.filter, lambda x, least: x > least, p.parallelize(4))
            >>> sorted(above.get().items())
            [('a', [5]), ('b', [7])]
        """
        return nestflow.transforms.tables.apply_in_groups(
            "apply_values", self, fn, args, kwargs, with_key=False
        )

    def apply_key_values(
        self, fn: Callable[..., Any], *args: Any, ensure_keep_group: bool = False, **kwargs: Any
    ) -> PTable:
        """Do what `apply_values` does with the group's key, a PObject, as a first argument.

        Args:
            fn: called once, now, as ``fn(key, value, *args, **kwargs)``.
            args: as for `apply_values`.
            ensure_keep_group: accepted; groups are always kept.
            kwargs: as for `apply_values`.

        Raises:
            ValueError: ``fn`` is not callable or gives something else.
            NestflowPlanningException: a PTable as an argument, or data that the groups cannot see.

        Example:
            >>> import nestflow as nf
            >>> table = nf.Pipeline.create("local").parallelize({"a": [1], "b": [2]})
            >>> texts = table.apply_key_values(lambda key, v: v.map(lambda x, k: k * x, key))
            >>> sorted(texts.get().items())
            [('a', ['a']), ('b', ['bb'])]
        """
        return nestflow.transforms.tables.apply_in_groups(
            "apply_key_values", self, fn, args, kwargs, with_key=True
        )

    def extract_keys(self, **options: Any) -> PCollection:
        """Give the outermost keys; see `transforms.extract_keys`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize({"k": [1, 2]}).extract_keys().get()
            ['k']
        """
        return nestflow.transforms.extract_keys(self, **options)

    def extract_values(self, **options: Any) -> PCollection:
        """Give the values of all groups; see `transforms.extract_values`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize({"k": [1, 2]}).extract_values().get()
            [1, 2]
        """
        return nestflow.transforms.extract_values(self, **options)

    def flatten_values(self, **options: Any) -> PCollection:
        """Give the values of all groups; see `transforms.flatten_values`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize({"k": [1, 2]}).flatten_values().get()
            [1, 2]
        """
        values: PCollection = nestflow.transforms.flatten_values(self, **options)
        return values

    def flatten(self, **options: Any) -> PCollection:
        """Give pairs of key and value; see `transforms.flatten`.

        Example:
            >>> import nestflow as nf
            >>> nf.Pipeline.create("local").parallelize({"k": [1, 2]}).flatten().get()
            [('k', 1), ('k', 2)]
        """
        pairs: PCollection = nestflow.transforms.flatten(self, **options)
        return pairs

    def get(self) -> dict[Any, Any]:
        """Run what is pending and give a (nested) dict; groups without a record are left out.

        Raises:
            InvalidDataException: a key that a dict cannot have, or the table lives inside `apply_values`.
            NestflowPlanningException: the values are a tuple.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize({"a": {"b": 1}}).get()
            {'a': {'b': 1}}
        """
        data: dict[Any, Any] = self._pipeline.get(self)
        return data

    def nested_level(self) -> int:
        """Give the number of tables inside this one; 0 if its values are not tables.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize({"a": {"b": 1}}).nested_level()
            1
        """
        return 1 + self._value.nested_level() if isinstance(self._value, PTable) else 0

    def inner_most_type(self) -> type:
        """Give the class of the innermost value: `PCollection`, `PObject` or ``tuple``.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize({"a": [1]}).inner_most_type().__name__
            'PCollection'
        """
        return self._value.inner_most_type() if isinstance(self._value, PTable) else type(self._value)

    def key_serdes(self) -> list[Serde]:
        """Give the serdes of the keys, the outermost first.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize({"a": [1]}).key_serdes()
            [any()]
        """
        own = self._pipeline.default_objector() if self._key_serde is None else self._key_serde
        return [own, *(self._value.key_serdes() if isinstance(self._value, PTable) else [])]

    def serde(self) -> Serde:
        """Give the serde of the innermost values.

        Raises:
            NestflowPlanningException: the values are a tuple.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> p.parallelize({"a": [1]}).serde()
            any()
        """
        return self._leaf("serde").serde()

    def node(self) -> int:
        """Give the id of the plan's node behind the innermost values; opaque.

        Raises:
            NestflowPlanningException: the values are a tuple.

        Example:
            >>> import nestflow as nf
            >>> p = nf.Pipeline.create("local")
            >>> isinstance(p.parallelize({"a": [1]}).node(), int)
            True
        """
        return self._leaf("node")._node

    def _values(self) -> tuple[PType, ...]:
        return self._value if isinstance(self._value, tuple) else (self._value,)

    def _made_at(self) -> CallSite:
        return self._values()[0]._made_at()

    def _leaf(self, what: str) -> Dataset:
        if isinstance(self._value, tuple):
            raise NestflowPlanningException(
                f"{what}: the values of this table {self!r} are a tuple; choose or combine members "
                "first, as in table.apply_values(lambda a, b: a)"
            )
        return self._value._leaf(what)
