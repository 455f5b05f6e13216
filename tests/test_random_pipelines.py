"""Random nested programs on random records, compared with the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import oracle
import programs
from hypothesis import assume, given, note
from hypothesis import strategies as st

import nestflow as nf

if TYPE_CHECKING:
    from conftest import Lender

records = st.lists(programs.plain, max_size=10)
mixed_records = st.lists(programs.mixed, max_size=10)


@given(steps=programs.programs, data=records, other=records)
def test_programs(
    lender: Lender, steps: tuple[programs.Step, ...], data: list[Any], other: list[Any]
) -> None:
    _compare(lender, steps, data, other, exact=True)


@given(steps=programs.programs, data=mixed_records, other=mixed_records)
def test_programs_with_equal_keys(
    lender: Lender, steps: tuple[programs.Step, ...], data: list[Any], other: list[Any]
) -> None:
    """Numbers that are equal across types, zeros with signs, not-a-numbers: what is one group stays one."""
    _compare(lender, steps, data, other, exact=False)


@given(steps=programs.programs, more=programs.programs, data=records, other=records)
def test_programs_on_what_is_kept(
    lender: Lender,
    steps: tuple[programs.Step, ...],
    more: tuple[programs.Step, ...],
    data: list[Any],
    other: list[Any],
) -> None:
    """A second program on the results of a first one, which the engine has kept."""
    _compare(lender, steps, data, other, exact=True, more=more)


def _compare(
    lender: Lender,
    steps: tuple[programs.Step, ...],
    data: list[Any],
    other: list[Any],
    exact: bool,
    more: tuple[programs.Step, ...] = (),
) -> None:
    pipeline = lender.lend()
    outer = [pipeline.parallelize(other)]
    result = programs.run(steps, pipeline.parallelize(data), outer)
    if more:
        _check(result, exact)
        result = programs.run(more, result, outer)
    seen = [result, result.flatten(), result.extract_keys()] if isinstance(result, nf.PTable) else [result]
    for dataset in seen:
        note(f"{dataset!r} of {steps!r} and {more!r}")
        _check(dataset, exact)


def _check(dataset: Any, exact: bool) -> None:
    undefined: set[str] = set()
    try:
        expected = oracle.get(dataset, undefined)
    except oracle.Fails:
        assume(not undefined)  # another of the open answers need not fail
        expected = None
        try:
            got = dataset.get()
        except nf.errors.NestflowRuntimeException:
            return
        raise AssertionError(f"the run has to fail, but gave {got!r}") from None
    assume(not undefined)
    oracle.check(dataset.get(), expected, exact)
