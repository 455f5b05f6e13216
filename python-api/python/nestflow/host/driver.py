"""Writes one Python function for a chain of steps and compiles it.

One function per chain, so that a record meets all steps without leaving the interpreter's loop.
Every call of a user function stands on a line of its own: the line of a traceback is how an error
finds its step. Must not call a user function itself, and must not know cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from nestflow.host import comprehension, loops
from nestflow.host.program import FILENAME, Driver, Side, Step
from nestflow.host.source import Line, Names, indent

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Written(NamedTuple):
    """A driver before its functions are loaded."""

    lines: list[Line]
    layout: str
    names: Names
    body: tuple[Step, ...]
    tail: str


def build(
    steps: Sequence[Step],
    emit: str,
    order: Step | None,
    keep_from: int | None,
    sides: Sequence[Side],
) -> Driver:
    """The driver of a chain; `keep_from` is the first step whose drops leave a row of nulls.

    A split at the end is left to the host, which stores both halves of the pair itself.
    """
    lines, layout, names, body, tail = _write(steps, emit, order, keep_from, sides)
    text = _text(lines)
    scope: dict[str, Any] = {}
    exec(compile(text, FILENAME, "exec"), scope)
    made_by = [index for index, step in enumerate(body) if step.kind in ("key_by", "split")]
    parts = ["level"] * len(made_by)
    last = len(steps) - 1
    if tail != "nothing" or not made_by:
        ordered = bool(body) and body[-1].kind == "order"
        parts += ["value", "order"] if ordered else [tail]
        made_by += [last, last + 1] if ordered else [last]
    return Driver(
        run=scope["make"](**names.values()),
        layout=layout,
        parts=tuple(parts),
        source=text,
        steps=body if len(body) > len(steps) else tuple(steps),
        made_by=tuple(made_by),
        lines={number: (line.step, line.record) for number, line in enumerate(lines, 1) if line.step >= 0},
    )


def source(
    steps: Sequence[Step],
    emit: str,
    order: Step | None,
    keep_from: int | None,
    sides: Sequence[Side],
) -> str:
    """The source of a driver for people: what its names stand for, and the code. Loads nothing."""
    # Side inputs are not known yet, but will have a value.
    known = [side if side.records is None else side._replace(records=[None]) for side in sides]
    written = _write(steps, emit, order, keep_from, known)
    legend = []
    for index, step in enumerate(written.body):
        parts = ("k", "v") if step.kind == "key_by" else ("",)
        named = [f"f{index}{part}: {it.name}" for part, it in zip(parts, step.functions, strict=False)]
        named += [f"s{side}: a side input" for side in step.sides]
        legend.append(f"# {', '.join(named)} in {step}")
    # The function that binds the names is of no interest.
    inner = [line._replace(text=line.text[4:]) for line in written.lines[1:-1]]
    return "\n".join(legend) + "\n" + _text(inner)


def _text(lines: Sequence[Line]) -> str:
    return "\n".join(line.text for line in lines) + "\n"


def _write(
    steps: Sequence[Step],
    emit: str,
    order: Step | None,
    keep_from: int | None,
    sides: Sequence[Side],
) -> _Written:
    body = tuple(steps)
    tail = emit
    if emit == "nothing":
        # Where markers are kept, a value has to tell a record from a marker.
        tail = "nothing" if keep_from is None else "present"
    elif emit == "value" and body and body[-1].kind == "split":
        tail, body = "split", body[:-1]
    elif emit == "ordered" and order is not None:
        body = (*body, order)
    levels = sum(step.kind in ("key_by", "split") for step in body)
    # The record stands in the row wherever it is needed, and where there is nothing else.
    with_record = tail != "nothing" or levels == 0
    names = Names(body, sides)
    keep = len(body) if keep_from is None else keep_from
    writer = comprehension if comprehension.fits(body) else loops
    statements, layout = writer.write(names, keep, with_record)
    inputs = ["records", *(["room"] if layout == "ends" else []), *names.columns()]
    lines = [
        Line(f"def make({', '.join(names.bound())}):"),
        *indent([Line(f"def driver({', '.join(inputs)}):"), *indent(statements)]),
        Line("    return driver"),
    ]
    return _Written(lines, layout, names, body, tail)
