"""Grouping and joining by the names of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..options import TRANSFORM_OPTIONS, warn_unknown
from ..pcollection import PCollection, SchemaPCollection, collection_at
from ..plan.nodes import JoinKind
from ..ptable import PTable
from ..serde import DefaultSerde, FieldsDictSerde, TupleSerde, origin
from ..transforms import grouping, joins
from ..transforms.aggregation import first
from ..transforms.call import need
from ..transforms.elementwise import map
from ..transforms.serdes import UNSEEN, last_step
from ..transforms.tables import flatten as flatten_pairs
from ..transforms.tables import flatten_values
from .records import Chosen, ToTuple, fields_of, names_of, width

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ANY_KEY = {"key_serde": DefaultSerde()}
"""Keys are dicts or tuples of ours: no serde of the pipeline's is for them."""


def group_by(pvalue: PCollection, fields: Any, **options: Any) -> PTable:
    """Give a table from the values of some fields to the records, whole.

    Args:
        pvalue: a PCollection of dicts or tuples; empty gives a table without keys.
        fields: names; keys are dicts of these fields, so use `flatten` instead of ``get()``. Of tuples: a
            list of the numbers of elements; keys are tuples.
        options: hints, without effect on the result.

    Raises:
        ValueError: operands of other types.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> visits = p.parallelize([{"site": "a", "user": 1}, {"site": "a", "user": 2}])
        >>> table = group_by(visits.as_schema(["site", "user"]), "site")
        >>> flatten(table.apply_values(lambda rows: rows.count().map(lambda n: {"visits": n}))).get()
        [{'site': 'a', 'visits': 2}]
    """
    need(PCollection, pvalue, "group_by")
    elements = width(pvalue)
    if elements is not None:
        numbers = _numbers(fields, elements)
        table = grouping.group_by(pvalue, Elements(numbers), **{**_ANY_KEY, **options})
        values: Any = table._values()[0]
        if isinstance(origin(values.serde()), TupleSerde):
            values = SchemaPCollection(values)
        key_serde = TupleSerde(*[DefaultSerde()] * len(numbers))
        return PTable(table._pipeline, table._scope, table._inner, values, key_serde)
    names = names_of(fields)
    table = grouping.group_by(pvalue, Chosen(names), **{**_ANY_KEY, **options})
    table._key_serde = FieldsDictSerde(names)
    return table


def flatten(ptable: PTable, **options: Any) -> PCollection:
    """Give the records of a table with the fields of its keys; a record's own value of a field wins.

    Raises:
        ValueError: not a PTable.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> rows = p.parallelize([{"a": 1, "b": 2}]).as_schema(["a", "b"])
        >>> flatten(group_by(rows, ["a"])).get()
        [{'a': 1, 'b': 2}]
    """
    need(PTable, ptable, "flatten")
    warn_unknown(options, TRANSFORM_OPTIONS, "flatten")
    levels = ptable.nested_level() + 1
    serde = None
    known = [*ptable.key_serdes(), ptable.serde()]
    if all(isinstance(part, FieldsDictSerde) for part in known):
        fields: dict[str, Any] = {}
        for part in known:
            fields.update(part.fields)  # type: ignore[attr-defined]
        serde = FieldsDictSerde(fields)
    pairs: PCollection = flatten_pairs(ptable)
    if serde is None or options.get("serde") is not None:
        return map(pairs, _Merged(levels), serde=options.get("serde"))
    made = map(pairs, _Merged(levels), **UNSEEN)
    return collection_at(made._pipeline, made._scope, made._node, serde)


def cogroup(*pvalues: PCollection, fields: Any = None, **options: Any) -> PTable:
    """Group several collections of dicts by the same fields: the values are a tuple of collections.

    Args:
        pvalues: PCollections of dicts.
        fields: names; keys are dicts of these fields.
        options: hints, without effect on the result.

    Raises:
        ValueError: operands of other types, or no fields.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> rows = p.parallelize([{"a": 1, "b": 2}]).as_schema(["a", "b"])
        >>> cogroup(rows, rows, fields="a")
        {k0: ([...], [...])}
    """
    names = _names("cogroup", pvalues, fields)
    keyed = [map(pvalue, _Keyed(Chosen(names)), **UNSEEN) for pvalue in pvalues]
    table = grouping.cogroup(*keyed, **options)
    for member, pvalue in zip(table._values(), pvalues, strict=True):
        member._serde = pvalue._serde  # type: ignore[attr-defined]
    values = tuple(
        collection_at(m._pipeline, m._scope, m._node, m._serde)  # type: ignore[attr-defined]
        for m in table._values()
    )
    return PTable(table._pipeline, table._scope, table._inner, values, FieldsDictSerde(names))


def join(*pvalues: PCollection, fields: Any = None, merge: bool = False, **options: Any) -> PCollection:
    """Give tuples of records that agree in some fields.

    Args:
        pvalues: at least two PCollections of dicts with known fields.
        fields: names.
        merge: of two sides: one dict instead of a tuple; the first side's values win.
        options: hints, without effect on the result.

    Raises:
        ValueError: operands of other types, no fields, or ``merge`` of more than two.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> ages = p.parallelize([{"name": "ann", "age": 30}]).as_schema(["name", "age"])
        >>> towns = p.parallelize([{"name": "ann", "town": "Omsk"}]).as_schema(["name", "town"])
        >>> join(ages, towns, fields="name", merge=True).get()
        [{'name': 'ann', 'town': 'Omsk', 'age': 30}]
    """
    return _join("join", pvalues, fields, merge, JoinKind.INNER, options)


def left_join(*pvalues: PCollection, fields: Any = None, merge: bool = False, **options: Any) -> PCollection:
    """Do what `join` does with every record of the first side; missing ones have None in all fields.

    Raises:
        ValueError: as `join`.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> left = p.parallelize([{"a": 1, "b": 2}]).as_schema("a, b".split(", "))
        >>> left_join(left, left.filter(lambda row: False), fields="a").get()
        [({'a': 1, 'b': 2}, {'a': None, 'b': None})]
    """
    return _join("left_join", pvalues, fields, merge, JoinKind.LEFT, options)


def right_join(*pvalues: PCollection, fields: Any = None, merge: bool = False, **options: Any) -> PCollection:
    """Do what `join` does with every record of the last side; with ``merge`` its values win.

    Raises:
        ValueError: as `join`.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> right = p.parallelize([{"a": 1}]).as_schema(["a"])
        >>> right_join(right.filter(lambda row: False), right, fields="a").get()
        [({'a': None}, {'a': 1})]
    """
    return _join("right_join", pvalues, fields, merge, JoinKind.RIGHT, options)


def full_join(*pvalues: PCollection, fields: Any = None, merge: bool = False, **options: Any) -> PCollection:
    """Do what `join` does with every record of every side.

    Raises:
        ValueError: as `join`.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> rows = p.parallelize([{"a": 1}]).as_schema(["a"])
        >>> full_join(rows, rows.filter(lambda row: False), fields="a", merge=True).get()
        [{'a': 1}]
    """
    return _join("full_join", pvalues, fields, merge, JoinKind.FULL, options)


def distinct(pvalue: PCollection, columns: Any, **options: Any) -> PCollection:
    """Give the first of the records that agree in some fields; no order.

    Args:
        pvalue: a PCollection of dicts or tuples; empty gives empty.
        columns: names; of tuples, a list of the numbers of elements.
        options: hints, without effect on the result.

    Raises:
        ValueError: operands of other types.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> rows = p.parallelize([{"a": 1, "b": 2}, {"a": 1, "b": 3}]).as_schema(["a", "b"])
        >>> distinct(rows, "a").get()
        [{'a': 1, 'b': 2}]
    """
    warn_unknown(options, TRANSFORM_OPTIONS, "distinct")
    table = group_by(pvalue, columns, **{**options, "serde": None})
    made: PCollection = flatten_values(table.apply_values(first), serde=options.get("serde"))
    return made


def _join(
    name: str,
    pvalues: tuple[PCollection, ...],
    fields: Any,
    merge: bool,
    kind: JoinKind,
    options: dict[str, Any],
) -> PCollection:
    names = _names(name, pvalues, fields)
    if merge and len(pvalues) != 2:
        raise ValueError(f"{name} can merge two sides, not {len(pvalues)}")
    sides = [fields_of(pvalue) for pvalue in pvalues]
    known = [side for side in sides if side is not None]
    if len(known) < len(sides):
        raise ValueError(f"{name} works on PCollections of dicts with known fields: see as_schema")
    keyed = [map(pvalue, _Keyed(ToTuple(names)), **UNSEEN) for pvalue in pvalues]
    rows = joins._join(name, keyed, kind, {**options, "serde": None})
    make = _MergedSides(known, kind != JoinKind.RIGHT) if merge else _Filled(known)
    made = map(rows, make, **last_step(options))
    if options.get("serde") is not None:
        return made
    if not merge:
        serde = TupleSerde(*(FieldsDictSerde(side) for side in known))
        return SchemaPCollection(PCollection(made._pipeline, made._scope, made._node, serde))
    together = dict.fromkeys([*known[0], *known[1]])
    return collection_at(made._pipeline, made._scope, made._node, FieldsDictSerde(list(together)))


def _names(name: str, pvalues: Sequence[PCollection], fields: Any) -> list[str]:
    if fields is None:
        raise ValueError(f"{name} needs the fields to go by: {name}(…, fields=[…])")
    for pvalue in pvalues:
        need(PCollection, pvalue, name)
        if width(pvalue) is not None:
            raise ValueError(f"{name} works on PCollections of dicts, not of tuples")
    return names_of(fields)


def _numbers(fields: Any, elements: int) -> list[int]:
    numbers = list(fields) if isinstance(fields, (list, tuple)) else [fields]
    if not numbers or not all(isinstance(number, int) for number in numbers):
        raise ValueError(f"the fields of tuples are the numbers of elements, not {fields!r:.100}")
    if not all(-elements <= number < elements for number in numbers):
        raise ValueError(f"the tuples have {elements} elements, numbered from 0, and not {fields!r:.100}")
    return numbers


class Elements:
    """From a tuple to some of its elements."""

    def __init__(self, numbers: list[int]) -> None:
        """Keep their numbers."""
        self.numbers = numbers

    def __call__(self, record: Any) -> tuple[Any, ...]:
        """Give the tuple."""
        return tuple([record[number] for number in self.numbers])


class _Keyed:
    """A record with its key in front."""

    def __init__(self, key: Callable[[Any], Any]) -> None:
        self.key = key

    def __call__(self, record: Any) -> tuple[Any, Any]:
        return self.key(record), record


class _Merged:
    """Keys and a value as one record."""

    def __init__(self, levels: int) -> None:
        self.levels = levels

    def __call__(self, pair: Any) -> Any:
        keys = []
        for _ in range(self.levels):
            key, pair = pair
            keys.append(key)
        if isinstance(pair, dict):
            merged: dict[str, Any] = {}
            for key in keys:
                merged.update(key)
            return {**merged, **pair}
        return tuple(part for key in keys for part in key) + tuple(pair)


class _Filled:
    """The sides of a joined row, dicts of None where there is none."""

    def __init__(self, sides: list[list[str]]) -> None:
        self.sides = sides

    def __call__(self, row: Any) -> tuple[dict[str, Any], ...]:
        return tuple(
            {name: (record or {}).get(name) for name in side}
            for record, side in zip(row[1], self.sides, strict=True)
        )


class _MergedSides:
    """The two sides of a joined row as one record; a side that is missing hides nothing."""

    def __init__(self, sides: list[list[str]], first_wins: bool) -> None:
        self.names = list(dict.fromkeys([*sides[1], *sides[0]]))
        self.sides = sides
        self.first_wins = first_wins

    def __call__(self, row: Any) -> dict[str, Any]:
        merged: dict[str, Any] = dict.fromkeys(self.names)
        order = (1, 0) if self.first_wins else (0, 1)
        for side in order:
            if row[1][side] is not None:
                merged.update({name: row[1][side].get(name) for name in self.sides[side]})
        return merged
