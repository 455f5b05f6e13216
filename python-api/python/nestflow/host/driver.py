"""Writes one Python function for a chain of steps and compiles it.

One function per chain, so that a record meets all steps without leaving the interpreter's loop.
Every call of a user function, and every expression in place of one, stands on a line of its own: the line
of a traceback is how an error finds its step. Must not call a user function itself, nor know cells.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from nestflow.host import comprehension, loops
from nestflow.host.functions import load_for
from nestflow.host.inlined import expression
from nestflow.host.program import FILENAME, Driver, Side, Step, Unloadable
from nestflow.host.source import Line, Names, indent, named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nestflow.host.inlined import Expression


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
    body, tail = _body(steps, emit, order, keep_from)
    loaded = {name: load_for(step, number) for name, (step, number) in named(body).items()}
    names = Names(body, sides, _inlined(body, loaded))
    lines, layout = _write(names, tail, keep_from)
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
        run=scope["make"](**names.values(loaded)),
        layout=layout,
        parts=tuple(parts),
        source=text,
        steps=body if len(body) > len(steps) else tuple(steps),
        made_by=tuple(made_by),
        lines={
            number: (line.step, line.record, loaded.get(line.inlined))
            for number, line in enumerate(lines, 1)
            if line.step >= 0
        },
    )


def source(
    steps: Sequence[Step],
    emit: str,
    order: Step | None,
    keep_from: int | None,
    sides: Sequence[Side],
) -> str:
    """The source of a driver for people: what its names stand for, and the code."""
    # Side inputs are not known yet, but will have a value.
    known = [side if side.records is None else side._replace(records=[None]) for side in sides]
    body, tail = _body(steps, emit, order, keep_from)
    loaded = {}
    for name, (step, number) in named(body).items():
        # A function may be one for other machines only: it is shown as a call.
        with suppress(Unloadable):
            loaded[name] = load_for(step, number)
    lines, _ = _write(Names(body, known, _inlined(body, loaded)), tail, keep_from)
    legend = []
    for index, step in enumerate(body):
        which = ("k", "v") if step.kind == "key_by" else ("",)
        legend_of = [f"f{index}{part}: {it.name}" for part, it in zip(which, step.functions, strict=False)]
        legend_of += [f"s{side}: a side input" for side in step.sides]
        legend.append(f"# {', '.join(legend_of)} in {step}")
    # The function that binds the names is of no interest.
    inner = [line._replace(text=line.text[4:]) for line in lines[1:-1]]
    return "\n".join(legend) + "\n" + _text(inner)


def _inlined(body: Sequence[Step], loaded: dict[str, Any]) -> dict[str, Expression]:
    """The expressions of functions that are called with nothing but the record, and have one."""
    found = {}
    for name, (step, _) in named(body).items():
        if name in loaded and step.kind != "foreach" and not step.sides:
            found[name] = expression(loaded[name])
    return {name: it for name, it in found.items() if it is not None}


def _text(lines: Sequence[Line]) -> str:
    return "\n".join(line.text for line in lines) + "\n"


def _body(
    steps: Sequence[Step], emit: str, order: Step | None, keep_from: int | None
) -> tuple[tuple[Step, ...], str]:
    """The steps that the driver itself does, and what a row ends with."""
    if emit == "nothing":
        # Where markers are kept, a value has to tell a record from a marker.
        return tuple(steps), "nothing" if keep_from is None else "present"
    if emit == "value" and steps and steps[-1].kind == "split":
        return tuple(steps[:-1]), "split"
    if emit == "ordered" and order is not None:
        return (*steps, order), emit
    return tuple(steps), emit


def _write(names: Names, tail: str, keep_from: int | None) -> tuple[list[Line], str]:
    """The lines of the driver, in a function that binds its names; and its layout."""
    body = names.steps
    levels = sum(step.kind in ("key_by", "split") for step in body)
    # The record stands in the row wherever it is needed, and where there is nothing else.
    with_record = tail != "nothing" or levels == 0
    keep = len(body) if keep_from is None else keep_from
    writer = comprehension if comprehension.fits(body) else loops
    statements, layout = writer.write(names, keep, with_record)
    inputs = ["records", *(["room"] if layout == "ends" else []), *names.columns()]
    lines = [
        Line(f"def make({', '.join(names.bound())}):"),
        *indent([Line(f"def driver({', '.join(inputs)}):"), *indent(statements)]),
        Line("    return driver"),
    ]
    return lines, layout
