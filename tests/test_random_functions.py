"""One random function of a dataset, applied to a whole dataset and in groups of depth 1 to 3.

The selling point of nested datasets, as a law: a function gives for each group what it gives for a dataset
with the records of that group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import oracle
import programs
import test_cases
from cases import Case
from hypothesis import assume, example, given, note, settings
from hypothesis import strategies as st

import nestflow as nf

if TYPE_CHECKING:
    from conftest import Lender

SHAPES: list[test_cases.Shape] = [
    test_cases.whole,
    test_cases.nothing,
    test_cases.depth_1,
    test_cases.depth_2,
    test_cases.depth_3,
    test_cases.emptied_1,
    test_cases.emptied_2,
]

FEW = settings(max_examples=max(2, settings.default.max_examples // 5))
"""An example in every shape is twenty datasets, so a fifth of what is tried elsewhere."""

OF_OUTER_DATA = (
    programs.Step("replace", 0),
    programs.Step("group", 0),
    programs.Step("inside", 0, (programs.Step("pair", 0),)),
)
"""A table of outer data alone."""

WIDE = (
    programs.Step("group_by_key", 0),
    programs.Step(
        "inside",
        0,
        (
            programs.Step("group", 0),
            programs.Step(
                "inside",
                0,
                (
                    programs.Step("group", 0),
                    programs.Step("inside_with_key", 0, (programs.Step("sort_by_weight", 0),)),
                ),
            ),
        ),
    ),
)
"""Few rows of many columns, in tables in tables: they need little memory."""

records = st.lists(programs.plain, max_size=6)
mixed_records = st.lists(programs.mixed, max_size=6)


@FEW
@example(steps=WIDE, data=[0], other=[])
@given(steps=programs.programs, data=records, other=records)
def test_a_function_in_every_shape(
    lender: Lender, steps: tuple[programs.Step, ...], data: list[Any], other: list[Any]
) -> None:
    _compare(lender, _case(steps, data, other), exact=True)


@FEW
@given(steps=programs.programs, data=mixed_records, other=mixed_records)
def test_a_function_of_equal_keys_in_every_shape(
    lender: Lender, steps: tuple[programs.Step, ...], data: list[Any], other: list[Any]
) -> None:
    _compare(lender, _case(steps, data, other), exact=False)


@example(steps=OF_OUTER_DATA, groups=[[]], other=[0])
@given(steps=programs.programs, groups=st.lists(records, min_size=1, max_size=4), other=records)
def test_a_group_is_a_dataset(
    lender: Lender, steps: tuple[programs.Step, ...], groups: list[list[Any]], other: list[Any]
) -> None:
    """What the engine gives for each group is what the function gives for its records alone."""
    p = lender.lend()
    case = _case(steps, [], other)
    outer = p.parallelize(other)
    tables = {
        1: p.parallelize(dict(enumerate(groups))).apply_values(case.fn, outer),
        2: p.parallelize({"in": dict(enumerate(groups))}).apply_values(
            lambda table, o: table.apply_values(case.fn, o), outer
        ),
    }
    alone = [_alone(case, p.parallelize(group), outer, tables[1]._value) for group in groups]
    answers = [_expected(dataset) for dataset in alone]
    assume(not any(answer is None or isinstance(answer, oracle.Fails) for answer in answers))
    for table in tables.values():
        table.cache()
    p.run()
    for depth, table in tables.items():
        note(f"{table!r} of {steps!r}")
        got = table.get() if depth == 1 else table.get().get("in", {})
        for number, answer in enumerate(answers):
            if answer is EMPTY or not (answer or isinstance(alone[number], nf.PObject)):
                assert number not in got
            else:
                oracle.check(got[number], answer)


def _alone(case: Case, records: nf.PCollection, outer: nf.PCollection, in_a_group: Any) -> Any:
    """What the function gives for a whole dataset, in the form that it gives it in a group.

    There a table of outer data alone is no result: `programs.applied` gives its pairs.
    """
    result = case.fn(records, outer)
    is_of_outer_data = isinstance(result, nf.PTable) and not isinstance(in_a_group, nf.PTable)
    return result.flatten() if is_of_outer_data else result


EMPTY = object()
"""The answer of a PObject without a value: the group is left out of the table."""


def _case(steps: tuple[programs.Step, ...], data: list[Any], other: list[Any]) -> Case:
    return Case(repr(steps), lambda v, o: programs.applied(steps, v, [o]), data, other)


def _expected(dataset: Any) -> Any:
    """What the oracle says; None where several answers are right."""
    undefined: set[str] = set()
    try:
        answer = oracle.get(dataset, undefined)
    except oracle.Fails as failure:
        if str(failure) != "no value":
            return failure
        answer = EMPTY
    return None if undefined else answer


def _compare(lender: Lender, case: Case, exact: bool) -> None:
    p = lender.lend()
    together = []
    # All of them first: what one does for its effect fails the run of all.
    seen = [(shape, dataset) for shape in SHAPES for _, dataset in test_cases._seen(shape(p, case))]
    for shape, dataset in seen:
        expected = _expected(dataset)
        if expected is not None and expected is not EMPTY and not isinstance(expected, oracle.Fails):
            together.append((shape, dataset.cache(), expected))
    assume(together)
    p.run()
    for shape, dataset, expected in together:
        note(f"{shape.__name__}: {dataset!r} of {case}")
        oracle.check(dataset.get(), expected, exact)
