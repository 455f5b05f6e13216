"""Which serde the result of a transform has, and what an explicit one does to its records.

A serde that follows from the inputs only says what records are. One that is given with the call, or
for the whole pipeline where none follows, is kept to: records that do not fit it are an error, and a
user's own is applied to them and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidDataException
from ..plan.callsite import call_site
from ..serde import (
    CppSerde,
    DefaultSerde,
    FieldsDictSerde,
    Serde,
    bool_,
    common_serde,
    int_,
    list_of,
    of,
    origin,
    tuple_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..ptype import Dataset

UNSEEN: dict[str, Any] = {"serde": DefaultSerde()}
"""The options of a step that a composite adds, or whose serde it knows: records stay what they are."""


def last_step(options: dict[str, Any]) -> dict[str, Any]:
    """Give the options of a composite's last step: the serde that the call was given, and no other.

    Example:
        >>> last_step({"serde": int, "scale": 2}), last_step({})
        ({'serde': <class 'int'>}, {'serde': any()})
    """
    return UNSEEN if options.get("serde") is None else {"serde": options["serde"]}


DEFAULTED = frozenset(
    {
        "map",
        "flat_map",
        "map_batches",
        "map_partitions",
        "transform",
        "accumulate",
        "aggregate",
        "distinct",
        "union",
    }
)
"""Transforms whose records keep to the pipeline's default serde where none is given or follows."""

_KEPT = frozenset(
    {
        "filter",
        "take",
        "top",
        "first",
        "max",
        "min",
        "max_elements",
        "min_elements",
        "sort",
        "sort_by",
        "reduce",
        "combine",
        "sum",
        "subtract",
        "substract",
        "intersection",
    }
)


def given_serde(options: dict[str, Any], name: str = "serde") -> Serde | None:
    """Give the serde among the options, made of a type if it is one; None if there is none.

    What is neither a serde nor a type that one can be made of is ignored with a warning.

    Example:
        >>> given_serde({"serde": int})
        int_()
    """
    wanted = options.get(name)
    if wanted is None:
        return None
    try:
        return of(wanted)
    except AssertionError as error:
        import warnings

        site = call_site(name)
        text = f"{name} has to be a serde or a type, it is ignored: {error}"
        warnings.warn_explicit(text, UserWarning, site.file, site.line)
        return None


def result_serde(name: str, inputs: Sequence[Dataset]) -> Serde | None:
    """Give the serde that the result of a transform has by its inputs; None: the default one.

    Example:
        >>> result_serde("count", []), result_serde("map", [])
        (int_(), None)
    """
    first = inputs[0].serde() if inputs else DefaultSerde()
    if name in _KEPT:
        return first
    if name == "count":
        return int_()
    if name == "is_empty":
        return bool_()
    if name in ("to_list_pobject", "to_pobject", "glom"):
        return list_of(first)
    if name in ("cartesian", "make_tuple"):
        return tuple_of(*(value.serde() for value in inputs))
    if name == "diff":
        return tuple_of(first, tuple_of(int, int))
    if name == "union":
        common = common_serde(*(value.serde() for value in inputs))
        return None if isinstance(common, DefaultSerde) else common
    return None


def keeps_to(serde: Serde) -> Callable[[Any], Any] | None:
    """Give the function that records of an explicit serde go through; None where any value will do.

    Example:
        >>> keeps_to(of(int))(3), keeps_to(DefaultSerde())
        (3, None)
    """
    inner = origin(serde)
    if isinstance(inner, DefaultSerde):
        return None
    if isinstance(inner, FieldsDictSerde):
        return _Conformed(serde, inner)
    if isinstance(inner, CppSerde) and _only_built_in(inner):
        return _Fitting(serde)
    return _RoundTrip(serde)


class KeyThrough:
    """A key function, and what its keys go through."""

    def __init__(self, key: Callable[[Any], Any], through: Callable[[Any], Any]) -> None:
        """Keep both."""
        self.key = key
        self.through = through
        self.__name__ = getattr(key, "__name__", "key")

    def __call__(self, record: Any) -> Any:
        """Give the key of a record."""
        return self.through(self.key(record))


class PairThrough:
    """What the keys, and the values, of pairs go through."""

    def __init__(self, key: Callable[[Any], Any] | None, value: Callable[[Any], Any] | None) -> None:
        """Keep both."""
        self.key = key
        self.value = value

    def __call__(self, pair: Any) -> Any:
        """Give the pair."""
        key, value = pair
        return (
            key if self.key is None else self.key(key),
            value if self.value is None else self.value(value),
        )


class _Fitting:
    """Passes values on that fit."""

    def __init__(self, serde: Serde) -> None:
        self.serde = serde

    def __call__(self, value: Any) -> Any:
        from ..serde.containers import fits

        if not fits(self.serde, value):
            raise InvalidDataException(f"the serde {self.serde} does not fit the value {value!r:.100}")
        return value


class _Conformed(_Fitting):
    """Gives dicts the fields of the serde."""

    def __init__(self, serde: Serde, fields: FieldsDictSerde) -> None:
        super().__init__(serde)
        self.fields = fields

    def __call__(self, value: Any) -> Any:
        value = super().__call__(value)
        return value if value is None else self.fields.conformed(value)


class _RoundTrip:
    """Applies a serde and takes it back."""

    def __init__(self, serde: Serde) -> None:
        self.serde = serde

    def __call__(self, value: Any) -> Any:
        return self.serde.deserialize(self.serde.serialize(value))


def _only_built_in(serde: Serde) -> bool:
    inner = origin(serde)
    return isinstance(inner, CppSerde) and all(map(_only_built_in, getattr(inner, "elements", ())))
