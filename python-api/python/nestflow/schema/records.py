"""Fields: how they are named, what a collection has, and from tuples to dicts and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..options import TRANSFORM_OPTIONS, warn_unknown
from ..serde import FieldsDictSerde, TupleSerde, origin, tuple_of
from ..transforms.call import need
from ..transforms.elementwise import map
from ..transforms.serdes import last_step

if TYPE_CHECKING:
    from ..pcollection import PCollection
    from ..serde import Serde


def of(fields: Any) -> FieldsDictSerde:
    """Give the serde of dicts with these fields.

    Args:
        fields: names (a list, a tuple, or a text with commas), or a dict from name to type.

    Raises:
        ValueError: something else.

    Example:
        >>> of("name, age").get_fields()
        ['name', 'age']
    """
    return FieldsDictSerde(fields if isinstance(fields, dict) else names_of(fields))


def tuple_to_dict(pvalue: PCollection, fields: Any, **options: Any) -> PCollection:
    """Give dicts of tuples.

    Args:
        pvalue: a PCollection of tuples; empty gives empty.
        fields: the names of the elements, in order, or pairs of name and type.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type, or no fields.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> tuple_to_dict(p.parallelize([("ann", 30)]), ["name", ("age", int)]).get()
        [{'name': 'ann', 'age': 30}]
    """
    kinds: dict[str, Any] = {}
    for field in [fields] if isinstance(fields, tuple) and _is_typed(fields) else _listed(fields):
        name, kind = field if _is_typed(field) else (field, None)
        kinds[name] = kind
    from ..serde import DefaultSerde

    serde = FieldsDictSerde({name: kind or DefaultSerde() for name, kind in kinds.items()})
    warn_unknown(options, TRANSFORM_OPTIONS, "tuple_to_dict")
    return map(pvalue, ToDict(list(kinds)), serde=serde)


def dict_to_tuple(pvalue: PCollection, fields: Any, **options: Any) -> PCollection:
    """Give tuples of dicts.

    Args:
        pvalue: a PCollection of dicts; empty gives empty.
        fields: the names of the elements, in order; a missing one is None.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type, a PCollection of tuples, or no fields.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> dict_to_tuple(p.parallelize([{"name": "ann", "age": 30}]), "age, town").get()
        [(30, None)]
    """
    from ..pcollection import PCollection

    need(PCollection, pvalue, "dict_to_tuple")
    if width(pvalue) is not None:
        raise ValueError("dict_to_tuple works on a PCollection of dicts, not of tuples")
    names = names_of(fields)
    known = describe(pvalue) if fields_of(pvalue) is not None else {}
    warn_unknown(options, TRANSFORM_OPTIONS, "dict_to_tuple")
    made = map(pvalue, ToTuple(names), **last_step(options))
    if options.get("serde") is None:
        made._serde = tuple_of(*(known.get(name, pvalue.pipeline().default_objector()) for name in names))
    return made


def describe(pvalue: PCollection) -> dict[str, Serde]:
    """Give the serde of each field.

    Raises:
        ValueError: the records of the collection are not known to be dicts.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> describe(p.parallelize([{"age": 30}]).as_schema({"age": int}))
        {'age': int_()}
    """
    serde = origin(pvalue.serde()) if hasattr(pvalue, "serde") else None
    if not isinstance(serde, FieldsDictSerde):
        raise ValueError(
            f"describe works on a PCollection of dicts with known fields, not on {pvalue!r:.100}"
        )
    return serde.get_fields_serde()


def fields_of(pvalue: PCollection) -> list[str] | None:
    """Give the names of the fields; None: the records are not known to be dicts.

    Example:
        >>> import nestflow as nf
        >>> fields_of(nf.Pipeline.create("local").parallelize([])) is None
        True
    """
    serde = origin(pvalue.serde())
    return serde.get_fields() if isinstance(serde, FieldsDictSerde) else None


def width(pvalue: PCollection) -> int | None:
    """Give the number of elements of tuples; None: the records are not known to be tuples.

    Example:
        >>> import nestflow as nf
        >>> width(nf.Pipeline.create("local").parallelize([(1, 2)]).as_schema((int, int)))
        2
    """
    serde = origin(pvalue.serde())
    return len(serde.elements) if isinstance(serde, TupleSerde) else None


def names_of(fields: Any) -> list[str]:
    """Give the names in a list, a tuple, or a text with commas.

    Raises:
        ValueError: something else, or no name.

    Example:
        >>> names_of(" a,b ")
        ['a', 'b']
    """
    names = _listed(fields)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"fields have to be names, not {fields!r:.100}")
    return names


def _listed(fields: Any) -> list[Any]:
    if isinstance(fields, str):
        return ["".join(name.split()) for name in fields.split(",")]
    if isinstance(fields, (list, tuple)):
        return list(fields)
    raise ValueError(f"fields have to be names, not {fields!r:.100}")


def _is_typed(field: Any) -> bool:
    return isinstance(field, tuple) and len(field) == 2 and isinstance(field[1], type)


class ToDict:
    """From a tuple to a dict."""

    def __init__(self, names: list[str]) -> None:
        """Keep the names."""
        self.names = names

    def __call__(self, record: Any) -> dict[str, Any]:
        """Give the dict."""
        return dict(zip(self.names, record, strict=False))


class ToTuple:
    """From a dict to a tuple."""

    def __init__(self, names: list[str]) -> None:
        """Keep the names."""
        self.names = names

    def __call__(self, record: Any) -> tuple[Any, ...]:
        """Give the tuple."""
        return tuple([record.get(name) for name in self.names])


class Chosen:
    """From a dict to one with certain fields."""

    def __init__(self, names: list[str]) -> None:
        """Keep the names."""
        self.names = names

    def __call__(self, record: Any) -> dict[str, Any]:
        """Give the dict."""
        return {name: record.get(name) for name in self.names}
