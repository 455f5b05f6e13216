"""Every case, on a whole dataset and in the groups of tables of depth 1 to 3, on every engine."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import oracle
import pytest
from cases import ALL, Case

import nestflow as nf

Shape = Callable[[nf.Pipeline, Case], Any]


def whole(p: nf.Pipeline, case: Case) -> Any:
    """A whole dataset."""
    return _applied(case, p.parallelize(case.records), p)


def nothing(p: nf.Pipeline, case: Case) -> Any:
    """A whole dataset without records."""
    return _applied(case, p.parallelize([]), p)


def depth_1(p: nf.Pipeline, case: Case) -> Any:
    """A table that is given, one of its groups empty; outer data are passed."""
    groups = p.parallelize(dict(enumerate(_groups(case.records))))
    return groups.apply_values(case.fn, *_outer(case, p))


def depth_2(p: nf.Pipeline, case: Case) -> Any:
    """Nested tables that are given, one of them without groups; outer data are captured."""
    groups = _groups(case.records)
    data = {"all": dict(enumerate(groups)), "one": {"only": groups[0]}, "none": {}, "empty": {"only": []}}
    outer = _outer(case, p)
    return p.parallelize(data).apply_values(lambda t: t.apply_values(lambda v: case.fn(v, *outer)))


def depth_3(p: nf.Pipeline, case: Case) -> Any:
    """Three levels."""
    first, second, *rest = map(_numbered, _groups(case.records))
    data = {
        1: {"a": {None: case.records}, "b": {"x": second["x"]}},
        2: {"a": {"x": [], **first}},
    }
    data[2]["c"] = rest[0]
    outer = _outer(case, p)
    return p.parallelize(data).apply_values(
        lambda t, *o: t.apply_values(lambda u, *o: u.apply_values(case.fn, *o), *o), *outer
    )


def _numbered(records: list[Any]) -> dict[str, list[Any]]:
    return {"x": records, "y": records[::2]}


def grouped(p: nf.Pipeline, case: Case) -> Any:
    """Groups made by a grouping, none of them empty."""
    records = [
        (key, record) for key in ("all", "one") for record in case.records[: None if key == "all" else 1]
    ]
    return p.parallelize(records).group_by_key().apply_values(case.fn, *_outer(case, p))


def emptied_1(p: nf.Pipeline, case: Case) -> Any:
    """Groups made by a grouping, some of which a filter empties."""
    table = p.parallelize(list(_flagged(case.records))).group_by_key()
    return table.apply_values(lambda v, *o: case.fn(_kept(v), *o), *_outer(case, p))


def emptied_2(p: nf.Pipeline, case: Case) -> Any:
    """Two levels of groupings, emptied inside."""
    records = [
        (outer, row)
        for row in _flagged(case.records)
        for outer in ("u", "v")
        if (outer, row[1][0]) != ("u", True)
    ]
    table = p.parallelize(records).group_by_key().apply_values(lambda v: v.group_by_key())
    outer = _outer(case, p)
    return table.apply_values(lambda t: t.apply_values(lambda v: case.fn(_kept(v), *outer)))


def _flagged(records: list[Any]) -> Iterator[tuple[Any, tuple[bool, Any]]]:
    """Three groups: one keeps all of its records, one some, one none."""
    for index, record in enumerate(records):
        yield "kept", (True, record)
        yield "some", (index % 3 == 1, record)
        yield "none", (False, record)


def _kept(v: nf.PCollection) -> nf.PCollection:
    return v.filter(lambda row: row[0]).map(lambda row: row[1])


def _groups(records: list[Any]) -> list[list[Any]]:
    return [records, records[:1], [], records[1::2], records[::-1]]


def _outer(case: Case, p: nf.Pipeline) -> list[nf.PCollection]:
    wanted = [q for q in inspect.signature(case.fn).parameters.values() if q.default is q.empty]
    return [p.parallelize(case.outer)] if len(wanted) == 2 else []


def _applied(case: Case, v: nf.PCollection, p: nf.Pipeline) -> Any:
    return case.fn(v, *_outer(case, p))


ALONE: list[Shape] = [whole, nothing, depth_1, depth_2, grouped, emptied_2]

IN_ONE_RUN: dict[Shape, str] = {
    whole: "itself, pairs and keys",
    nothing: "itself, pairs and keys",
    depth_1: "itself and pairs",
    depth_2: "itself",
    depth_3: "pairs and keys",
    emptied_1: "itself and keys",
    emptied_2: "itself and pairs",
}
"""What is looked at of each shape where an engine has to do all of them: each of the ways at some depth."""


@pytest.mark.parametrize("shape", ALONE, ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("case", ALL, ids=str)
def test_case_alone(case: Case, shape: Shape) -> None:
    """Each dataset in a run of its own gives what the oracle gives."""
    with nf.Pipeline.create("local", host="in_process", progress=False) as p:
        for name, dataset in _seen(shape(p, case)):
            expected = _expected(case, shape, name, dataset)
            if isinstance(expected, oracle.Fails):
                with pytest.raises(nf.errors.NestflowRuntimeException):
                    dataset.get()
            else:
                oracle.check(dataset.get(), expected)


@pytest.mark.parametrize("case", ALL, ids=str)
def test_case_in_one_run(p: nf.Pipeline, case: Case) -> None:
    """All datasets of a case in one run, where work is shared, give what the oracle gives.

    Those that have to fail do so alone.
    """
    together: list[tuple[Any, Any]] = []
    failing: list[Any] = []
    for shape, looks in IN_ONE_RUN.items():
        for name, dataset in _seen(shape(p, case), looks):
            expected = _expected(case, shape, name, dataset)
            if isinstance(expected, oracle.Fails):
                failing.append(dataset)
            else:
                together.append((dataset.cache(), expected))
    p.run()
    for dataset, expected in together:
        oracle.check(dataset.get(), expected)
    for dataset in failing:
        with pytest.raises(nf.errors.NestflowRuntimeException):
            dataset.get()


def _seen(result: Any, looks: str = "itself, pairs and keys") -> Iterator[tuple[str, Any]]:
    """What can be seen of a result, by name: its datasets, and what comes out of those that are tables."""
    for index, dataset in enumerate(_parts(result)):
        if not isinstance(dataset, nf.PTable):
            yield f"{index}", dataset
            continue
        if "itself" in looks:
            yield f"{index}", dataset
        if "pairs" in looks:
            yield f"pairs of {index}", dataset.flatten()
        if "keys" in looks:
            yield f"keys of {index}", dataset.extract_keys()


_known: dict[tuple[str, Shape, str], Any] = {}


def _expected(case: Case, shape: Shape, name: str, dataset: Any) -> Any:
    """What the oracle says, the same for every engine; its `Fails` where the run has to fail."""
    place = (case.name, shape, name)
    if place not in _known:
        undefined: set[str] = set()
        try:
            _known[place] = oracle.get(dataset, undefined)
        except oracle.Fails as failure:
            _known[place] = failure
        assert case.any_order or not undefined, f"the case looks at an order that is open: {undefined}"
    return _known[place]


def _parts(result: Any) -> list[Any]:
    """The datasets of a result; those of a table of tuples as tables of their own."""
    if isinstance(result, tuple):
        return list(result)
    width = _width(result)
    return [result] if width is None else [_member(result, index) for index in range(width)]


def _width(result: Any) -> int | None:
    while isinstance(result, nf.PTable):
        if isinstance(result._value, tuple):
            return len(result._value)
        result = result._value
    return None


def _member(table: nf.PTable, index: int) -> nf.PTable:
    if isinstance(table._value, tuple):
        return table.apply_values(lambda *parts: parts[index])
    return table.apply_values(lambda inner: _member(inner, index))
