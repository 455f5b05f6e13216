"""Columns chosen and computed: of every record by itself, or of the whole collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from ..options import TRANSFORM_OPTIONS, warn_unknown
from ..pcollection import PCollection, SchemaPCollection
from ..plan.callsite import call_site
from ..ptype import Dataset, PType
from ..serde import FieldsDictSerde, TupleSerde
from ..transforms.call import kept_to, need
from ..transforms.elementwise import map
from ..transforms.serdes import UNSEEN
from ..transforms.sets import cartesian
from .per_record import datasets_of, per_record
from .records import Chosen, fields_of, names_of, width

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..pobject import PObject

D = TypeVar("D", "PCollection", "PObject")


def select(pvalue: PCollection, columns: Any, *args: Any, **options: Any) -> PCollection:
    """Give records of chosen or computed columns.

    Args:
        pvalue: a PCollection of dicts or tuples; empty gives empty.
        columns: names (a list, a tuple, or a text with commas): these fields, None where they are absent.
            A dict from field to what it is to be: a function of the field, which arrives as a PObject; a
            tuple of a transform and its arguments; or a constant. A function: of a dict from name to
            PObject, giving such a dict; for tuples, of a PObject for each element, giving a tuple, in
            which constants come last. Columns may be PCollections too: a record then gives a record for
            each combination.
        args: further arguments of the function; datasets among them are seen as a whole.
        options: hints, without effect on the result.

    Raises:
        ValueError: operands or results of other types.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> people = p.parallelize([{"name": "ann", "age": 30}]).as_schema(["name", "age"])
        >>> select(people, lambda cols: {"next": cols["age"] + 1, "name": cols["name"]}).get()
        [{'next': 31, 'name': 'ann'}]
        >>> select(people, "name").get()
        [{'name': 'ann'}]
    """
    need(PCollection, pvalue, "select")
    warn_unknown(options, TRANSFORM_OPTIONS, "select")
    return kept_to(_selected(pvalue, columns, args), options, call_site("select"))


def _selected(pvalue: PCollection, columns: Any, args: tuple[Any, ...]) -> PCollection:
    if width(pvalue) is not None and not callable(columns):
        raise ValueError(f"select of tuples needs a function of their elements, not {columns!r:.100}")
    if isinstance(columns, (str, list, tuple)):
        names = names_of(columns)
        known = getattr(pvalue._serde, "fields", {})
        kinds = {name: known.get(name, pvalue.pipeline().default_objector()) for name in names}
        return map(pvalue, Chosen(names), serde=FieldsDictSerde(kinds))
    if isinstance(columns, dict):
        return _computed("select", pvalue, _specified(columns), keep=False)
    if not callable(columns):
        raise ValueError(f"select needs names, a dict or a function, not {columns!r:.100}")
    if width(pvalue) is not None:
        return _computed_tuples(pvalue, columns, args)
    return _computed("select", pvalue, lambda cols: columns(cols, *args), keep=False)


def update(pvalue: PCollection, columns: Any, *args: Any, **options: Any) -> PCollection:
    """Give the records with some columns computed anew, or added.

    Args:
        pvalue: a PCollection of dicts; empty gives empty.
        columns: a dict or a function, as for `select`. Where the fields of the records are not known, a dict
            from field to a function of the value, a tuple of such a function and its arguments, or a
            constant.
        args: further arguments of the function.
        options: hints, without effect on the result.

    Raises:
        ValueError: operands or results of other types.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> people = p.parallelize([{"name": "ann", "age": 30}]).as_schema(["name", "age"])
        >>> update(people, {"age": lambda age: age + 1}).get()
        [{'name': 'ann', 'age': 31}]
    """
    need(PCollection, pvalue, "update")
    warn_unknown(options, TRANSFORM_OPTIONS, "update")
    if not isinstance(columns, dict) and not callable(columns):
        raise ValueError(f"update needs a dict or a function, not {columns!r:.100}")
    if width(pvalue) is not None:
        raise ValueError("update works on a PCollection of dicts, not of tuples")
    if isinstance(columns, dict) and fields_of(pvalue) is None:
        return map(pvalue, _Updated(columns), serde=options.get("serde"))
    fn = _specified(columns) if isinstance(columns, dict) else lambda cols: columns(cols, *args)
    return kept_to(_computed("update", pvalue, fn, keep=True), options, call_site("update"))


def agg(pvalue: PCollection, fn: Callable[..., Any], *args: Any, **options: Any) -> PCollection:
    """Give columns that are computed of the columns of all records.

    Args:
        pvalue: a PCollection of dicts or tuples.
        fn: as for `select`, but each column is a PCollection of the values of all records. PObjects give one
            record; constants alone give a record for each record.
        args: further arguments of the function.
        options: hints, without effect on the result.

    Raises:
        ValueError: operands or results of other types.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> people = p.parallelize([{"age": 30}, {"age": 5}]).as_schema(["age"])
        >>> agg(people, lambda cols: {"oldest": cols["age"].max(), "people": cols["age"].count()}).get()
        [{'oldest': 30, 'people': 2}]
    """
    need(PCollection, pvalue, "agg")
    warn_unknown(options, TRANSFORM_OPTIONS, "agg")
    if not callable(fn):
        raise ValueError(f"agg needs a function of columns, not {fn!r:.100}")
    return kept_to(_aggregated(pvalue, fn, args), options, call_site("agg"))


def _aggregated(pvalue: PCollection, fn: Callable[..., Any], args: tuple[Any, ...]) -> PCollection:
    elements = width(pvalue)
    if elements is not None:
        parts = _parts("agg", fn(*(_column(pvalue, index) for index in range(elements)), *args))
        found, make = datasets_of(parts), _Appended([part for part in parts if not isinstance(part, PType)])
        if found:
            made = map(cartesian(*found), make, **UNSEEN)
        else:
            made = map(pvalue, _Constantly(make(())), **UNSEEN)
        return _as_collection(made, TupleSerde(*[made.pipeline().default_objector()] * len(parts)))
    columns = fn(_Columns(fields_of(pvalue), lambda name: _column(pvalue, name)), *args)
    _check_dict("agg", columns)
    named, fixed = _split(columns)
    assembled = _Assembled(list(columns), list(named), fixed, keep=False)
    if named:
        made = map(cartesian(*named.values()), assembled, **UNSEEN)
    else:
        made = map(pvalue, _Constantly(assembled(())), **UNSEEN)
    return _as_collection(made, FieldsDictSerde(list(columns)))


def _computed(name: str, pvalue: PCollection, fn: Callable[[Any], Any], keep: bool) -> PCollection:
    """Give what a function of columns makes of every record, with the other columns if ``keep``."""
    given: list[str] = []

    def build(record: PObject) -> tuple[list[Dataset], Callable[[tuple[Any, ...]], Any]]:
        columns = fn(_Columns(fields_of(pvalue), lambda field: _column(record, field)))
        _check_dict(name, columns)
        given.extend(columns)
        named, fixed = _split(columns)
        make = _Assembled(list(columns), list(named), fixed, keep)
        return [*([record] if keep else []), *named.values()], make

    made = per_record(name, pvalue, build)
    before = (fields_of(pvalue) if keep else None) or []
    if keep and not before:
        return made
    return _as_collection(
        made, FieldsDictSerde([*before, *(field for field in given if field not in before)])
    )


def _computed_tuples(pvalue: PCollection, fn: Callable[..., Any], args: tuple[Any, ...]) -> PCollection:
    """Give what a function of elements makes of every tuple."""
    width_made: list[int] = []

    def build(record: PObject) -> tuple[list[Dataset], Callable[[tuple[Any, ...]], Any]]:
        elements = [_column(record, index) for index in range(width(pvalue) or 0)]
        parts = _parts("select", fn(*elements, *args))
        width_made.append(len(parts))
        return datasets_of(parts), _Appended([part for part in parts if not isinstance(part, PType)])

    made = per_record("select", pvalue, build)
    return _as_collection(made, TupleSerde(*[made.pipeline().default_objector()] * width_made[0]))


def _as_collection(made: Any, serde: Any) -> PCollection:
    plain = PCollection(made._pipeline, made._scope, made._node, serde)
    return SchemaPCollection(plain)


def _specified(columns: dict[str, Any]) -> Callable[[Any], dict[str, Any]]:
    """Give the function that a dict of columns stands for."""

    def build(cols: Any) -> dict[str, Any]:
        made = {}
        for name, what in columns.items():
            if callable(what):
                made[name] = what(cols[name])
            elif isinstance(what, tuple) and what and callable(what[0]):
                made[name] = what[0](cols[name], *what[1:])
            else:
                made[name] = what
        return made

    return build


def _parts(name: str, made: object) -> tuple[Any, ...]:
    """Give what a function of a tuple's elements gave as a tuple."""
    holders = made.values() if isinstance(made, dict) else made if isinstance(made, (list, set)) else ()
    if any(isinstance(part, PType) for part in holders):
        raise ValueError(
            f"the function given to {name} of tuples has to give a tuple of datasets, not {made!r:.100}"
        )
    return made if isinstance(made, tuple) else (made,)


def _check_dict(name: str, columns: object) -> None:
    if not isinstance(columns, dict) or not columns or not all(isinstance(field, str) for field in columns):
        raise ValueError(f"the function given to {name} has to give a dict of columns, not {columns!r:.100}")
    datasets_of(columns.values())


def _split(columns: dict[str, Any]) -> tuple[dict[str, Dataset], dict[str, Any]]:
    named = {name: value for name, value in columns.items() if isinstance(value, Dataset)}
    return named, {name: value for name, value in columns.items() if name not in named}


class _Columns(dict[str, Any]):
    """Columns by name; where the fields are not known, any name is one."""

    def __init__(self, names: list[str] | None, make: Callable[[str], Any]) -> None:
        super().__init__({name: make(name) for name in names or ()})
        self._make = make
        self._open = names is None

    def __missing__(self, name: str) -> Any:
        if not self._open:
            raise KeyError(f"there is no column {name!r}, only {', '.join(self)}")
        self[name] = self._make(name)
        return self[name]


def _column(records: D, which: str | int) -> D:
    return map(records, Element(which), **UNSEEN)


class Element:
    """From a record to one field or element; a missing field is None."""

    def __init__(self, which: str | int) -> None:
        """Keep the name or the number."""
        self.which = which
        self.__name__ = f"column {which!r}"

    def __call__(self, record: Any) -> Any:
        """Give the value."""
        return record.get(self.which) if isinstance(self.which, str) else record[self.which]


class _Assembled:
    """From values of columns to a record, after the record itself if it is kept."""

    def __init__(self, order: list[str], names: list[str], fixed: dict[str, Any], keep: bool) -> None:
        self.order = order
        self.names = names
        self.fixed = fixed
        self.keep = keep

    def __call__(self, values: tuple[Any, ...]) -> dict[str, Any]:
        before = dict(values[0]) if self.keep else {}
        found = dict(zip(self.names, values[1:] if self.keep else values, strict=True))
        found.update(self.fixed)
        return {**before, **{name: found[name] for name in self.order}}


class _Appended:
    """From values of columns to a tuple that ends with constants."""

    def __init__(self, constants: list[Any]) -> None:
        self.constants = tuple(constants)

    def __call__(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values) + self.constants


class _Constantly:
    """The same for every record."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, record: Any) -> Any:
        return self.value


class _Updated:
    """From a dict to one with new values, by functions of the old ones."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.columns = columns

    def __call__(self, record: Any) -> dict[str, Any]:
        made = dict(record)
        for name, what in self.columns.items():
            if callable(what):
                made[name] = what(record.get(name))
            elif isinstance(what, tuple) and what and callable(what[0]):
                made[name] = what[0](record.get(name), *what[1:])
            else:
                made[name] = what
        return made
