"""Writes one Python function for a chain of steps and compiles it.

One function per chain, so that a record meets all steps without leaving the interpreter's loop.
Every call of a user function stands on a line of its own: the line of a traceback is how an error
finds its step. Must not call a user function itself, and must not know cells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nestflow.host import comprehension, loops
from nestflow.host.program import FILENAME, Driver, Side, Step
from nestflow.host.source import Line, Names, indent

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    values = names.values()
    inputs = ["records", *(["room"] if layout == "ends" else []), *names.columns()]
    lines = [
        Line(f"def make({', '.join(values)}):"),
        *indent([Line(f"def driver({', '.join(inputs)}):"), *indent(statements)]),
        Line("    return driver"),
    ]
    source = "\n".join(line.text for line in lines) + "\n"
    scope: dict[str, Any] = {}
    exec(compile(source, FILENAME, "exec"), scope)
    parts = ["level"] * levels
    made_by = [index for index, step in enumerate(body) if step.kind in ("key_by", "split")]
    last = len(steps) - 1
    if with_record:
        ordered = bool(body) and body[-1].kind == "order"
        parts += ["value", "order"] if ordered else [tail]
        made_by += [last, last + 1] if ordered else [last]
    return Driver(
        run=scope["make"](**values),
        layout=layout,
        parts=tuple(parts),
        source=source,
        steps=body if len(body) > len(steps) else tuple(steps),
        made_by=tuple(made_by),
        lines={number: (line.step, line.record) for number, line in enumerate(lines, 1) if line.step >= 0},
    )
