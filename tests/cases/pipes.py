"""Records through commands."""

from __future__ import annotations

from nestflow import transforms as T

from .case import PAIRS, WORDS, Case


def _table(v):
    return v.group_by(lambda x: x % 3)


def _few(v):
    # A process for each group takes its time.
    return v.group_by(lambda x: x % 2).apply_values(lambda g: g.group_by(lambda x: x % 3))


CASES = [
    Case("pipe of lines, empty ones dropped", lambda v: T.pipe(v, "cat"), WORDS),
    Case("pipe of fields", lambda v: T.pipe(v, "cat", input_fields_num=2, output_fields_num=2), PAIRS),
    Case("pipe of a PObject", lambda v: T.pipe(v.count(), "cat")),
    Case(
        "pipe with other delimiters",
        lambda v: T.pipe(
            v, "cat", input_fields_num=2, output_fields_num=2, field_delimiter="::", line_delimiter=";"
        ),
        PAIRS,
    ),
    Case("pipe in groups", lambda v: _table(v).apply_values(T.pipe, "sort -n | head -n 2")),
    Case(
        "pipe of a table, keys together",
        lambda v: T.pipe(_table(v), "cut -f1 | uniq").sort(),
        any_order=True,
    ),
    Case(
        "pipe of a table of objects",
        lambda v: T.pipe(_table(v).apply_values(T.sum), "sort").count(),
        any_order=True,
    ),
    Case(
        "pipe of nested tables",
        lambda v: T.pipe(_few(v), "cut -f1,2 | uniq", output_fields_num=2).sort(),
        any_order=True,
    ),
    Case(
        "pipe in binary form",
        lambda v: T.pipe(_table(v), "cat", type="bistreaming", output_fields_num=2).count(),
        any_order=True,
    ),
]
