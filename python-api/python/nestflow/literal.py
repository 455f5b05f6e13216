"""`parallelize`: from Python data to literals of the plan, by the type of the data.

A table is a literal of pairs and a grouping per level. Keys of empty groups come from literals of
their own, as further inputs of the groupings down to the level where they are empty.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING

from .engine.native import encode
from .errors import NestflowError
from .keys import identity
from .options import TRANSFORM_OPTIONS, warn_unknown
from .pcollection import collection_at
from .plan.builder import ROOT
from .plan.callsite import call_site
from .plan.nodes import Literal, Member
from .pobject import PObject
from .ptable import PTable
from .ptype import PType
from .serde import TupleSerde, extract_elem
from .transforms.serdes import given_serde, keeps_to

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .pcollection import PCollection
    from .pipeline import Pipeline
    from .plan.nodes import CallSite
    from .serde import Serde


def parallelized(pipeline: Pipeline, data: object, options: dict[str, Any]) -> PType:
    """Give the dataset that `Pipeline.parallelize` promises."""
    site = call_site("parallelize")
    warn_unknown(options, TRANSFORM_OPTIONS, "parallelize")
    if isinstance(data, PType):
        raise ValueError(f"parallelize needs data, not a {type(data).__name__}")
    serde = given_serde(options)
    through = keeps_to(pipeline.default_objector() if serde is None else serde)
    if isinstance(data, MutableMapping):
        return _table(pipeline, data, site, serde)
    records = data if isinstance(data, list) else [data]
    if through is not None:
        records = [through(record) for record in records]
    if isinstance(data, list):
        return collection_at(pipeline, ROOT, _literal(pipeline, records, False, site), serde)
    return PObject(pipeline, ROOT, _literal(pipeline, records, True, site), serde)


def of_splits(pipeline: Pipeline, splits: list[Any], size: int, site: CallSite) -> PCollection:
    """Give a dataset of names of data, each of which a task of its own may load.

    Args:
        pipeline: where.
        splits: the names.
        size: the bytes of what they name.
        site: the user's line.
    """
    blocks = tuple(block for split in splits for block in _stored([split], site))
    return collection_at(pipeline, ROOT, pipeline._builder.add(ROOT, Literal(blocks, size), False, site))


def _literal(pipeline: Pipeline, records: list[Any], single: bool, site: CallSite) -> int:
    return pipeline._builder.add(ROOT, Literal(_stored(records, site)), single, site)


def _stored(records: list[Any], site: CallSite) -> tuple[bytes, ...]:
    try:
        return tuple(encode(list(records)))
    except NestflowError:
        raise
    except Exception as error:
        hint = ""
        if isinstance(records[0], Iterator):
            hint = f"; use list(...) to make records of a {type(records[0]).__name__}"
        raise ValueError(f"{site}: the data cannot be stored: {error}{hint}") from error


def _table(pipeline: Pipeline, data: MutableMapping[Any, Any], site: CallSite, serde: Serde | None) -> PTable:
    """Make a table; its serde is that of tuples of all keys and the leaf."""
    levels, many = _form(data) or (_depth(data), True)
    rows = _Rows(levels, many)
    rows.walk(data, ())
    through = None if serde is None else keeps_to(serde)
    default = pipeline.default_objector()
    if serde is None and keeps_to(default) is not None:
        through = keeps_to(TupleSerde(*[default] * (levels + 1)))
    if through is not None:
        through_rows = [through(_row(pair, levels)) for pair in rows.pairs]
        rows.pairs = [_pair(keys, value) for *keys, value in through_rows]
    parts = [None if serde is None else extract_elem(serde, n) for n in range(levels + 1)]
    builder = pipeline._builder
    # Inputs of the next grouping, the data first: (node, level down to which it is grouped).
    inputs = [(_literal(pipeline, rows.pairs, False, site), levels)]
    inputs += [
        (_literal(pipeline, rows.empty[level], False, site), level)
        for level in range(1, levels + 1)
        if rows.empty[level]
    ]
    scopes = [ROOT]
    for level in range(1, levels + 1):
        scope = builder.open_scope(scopes[-1], tuple(node for node, _ in inputs), site)
        scopes.append(scope)
        single = level == levels and not many
        inputs = [
            (builder.add(scope, Member(side), single, site), down)
            for side, (_, down) in enumerate(inputs)
            if down > level or side == 0
        ]
    leaf = (collection_at if many else PObject)(pipeline, scopes[-1], inputs[0][0], parts[-1])
    table: PType = leaf
    for level, (outer, inner) in reversed(list(enumerate(itertools.pairwise(scopes)))):
        table = PTable(pipeline, outer, inner, table, parts[level])
    assert isinstance(table, PTable)
    return table


def _form(data: MutableMapping[Any, Any]) -> tuple[int, bool] | None:
    """Give the number of levels, and whether leaves are lists, by the first leaf; None: there is none."""
    for value in data.values():
        if not isinstance(value, MutableMapping):
            return 1, isinstance(value, list)
        inner = _form(value)
        if inner is not None:
            return inner[0] + 1, inner[1]
    return None


def _depth(data: MutableMapping[Any, Any]) -> int:
    """Give the number of levels of dicts that hold nothing but dicts."""
    return 1 + max(map(_depth, data.values()), default=0)


class _Rows:
    """The pairs of a table, ``(k0, (k1, … value))``, and the keys of empty groups by level."""

    def __init__(self, levels: int, many: bool) -> None:
        self.levels = levels
        self.many = many
        self.pairs: list[Any] = []
        self.empty: list[list[Any]] = [[] for _ in range(levels + 1)]

    def walk(self, value: Any, keys: tuple[Any, ...]) -> None:
        if len(keys) < self.levels:
            if not isinstance(value, MutableMapping):
                raise ValueError(
                    f"parallelize: the values of a table have to be of one form, {value!r:.100} is not a dict"
                )
            self._check_keys(value)
            if keys and not value:
                self.empty[len(keys)].append(_pair(keys, None))
            for key, inner in value.items():
                self.walk(inner, (*keys, key))
        elif not self.many:
            self.pairs.append(_pair(keys, value))
        elif not isinstance(value, list):
            raise ValueError(
                f"parallelize: the values of a table have to be of one form, {value!r:.100} is not a list"
            )
        elif value:
            self.pairs.extend(_pair(keys, item) for item in value)
        else:
            self.empty[len(keys)].append(_pair(keys, None))

    def _check_keys(self, value: MutableMapping[Any, Any]) -> None:
        if not self.many and len({identity(key) for key in value}) < len(value):
            raise ValueError("parallelize: two keys of a table of single values are equal")


def _row(pair: Any, levels: int) -> tuple[Any, ...]:
    keys = []
    for _ in range(levels):
        key, pair = pair
        keys.append(key)
    return (*keys, pair)


def _pair(keys: Sequence[Any], value: Any) -> Any:
    for key in reversed(keys):
        value = (key, value)
    return value
