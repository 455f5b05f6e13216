"""Random nested programs on random records, compared with the oracle."""

from __future__ import annotations

from typing import Any

import oracle
import programs
from conftest import ENGINES, scattered
from hypothesis import assume, given, note
from hypothesis import strategies as st

import nestflow as nf

records = st.lists(programs.plain, max_size=10)
mixed_records = st.lists(programs.mixed, max_size=10)


@given(steps=programs.programs, data=records, other=records)
def test_programs(engine: str, steps: tuple[programs.Step, ...], data: list[Any], other: list[Any]) -> None:
    _compare(engine, steps, data, other, exact=True)


@given(steps=programs.programs, data=mixed_records, other=mixed_records)
def test_programs_with_equal_keys(
    engine: str, steps: tuple[programs.Step, ...], data: list[Any], other: list[Any]
) -> None:
    """Numbers that are equal across types, zeros with signs, not-a-numbers: what is one group stays one."""
    _compare(engine, steps, data, other, exact=False)


@given(steps=programs.programs, more=programs.programs, data=records, other=records)
def test_programs_on_what_is_kept(
    engine: str,
    steps: tuple[programs.Step, ...],
    more: tuple[programs.Step, ...],
    data: list[Any],
    other: list[Any],
) -> None:
    """A second program on the results of a first one, which the engine has kept."""
    _compare(engine, steps, data, other, exact=True, more=more)


def _compare(
    engine: str,
    steps: tuple[programs.Step, ...],
    data: list[Any],
    other: list[Any],
    exact: bool,
    more: tuple[programs.Step, ...] = (),
) -> None:
    with nf.Pipeline.create("local", progress=False, **ENGINES[engine]) as pipeline:
        if "tiny" in engine:
            scattered(pipeline)
        outer = [pipeline.parallelize(other)]
        result = programs.run(steps, pipeline.parallelize(data), outer)
        _check(result, exact)
        result = programs.run(more, result, outer)
        seen = (
            [result, result.flatten(), result.extract_keys()] if isinstance(result, nf.PTable) else [result]
        )
        for dataset in seen:
            note(f"{dataset!r} of {steps!r} and {more!r}")
            _check(dataset, exact)


def _check(dataset: Any, exact: bool) -> None:
    undefined: set[str] = set()
    try:
        expected = oracle.get(dataset, undefined)
    except oracle.Fails:
        expected = None
        try:
            got = dataset.get()
        except nf.errors.NestflowRuntimeException:
            return
        raise AssertionError(f"the run has to fail, but gave {got!r}") from None
    assume(not undefined)
    oracle.check(dataset.get(), expected, exact)
