"""Writes the driver of a simple chain as one comprehension: the fastest loop that Python has.

Fits where each record gives at most one row (`layout` "rows"). What does not fit, `loops` writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nestflow.host.source import Line, Names, indent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nestflow.host.program import Step

# Nested brackets and nested calls of the compiler both have limits.
_LONGEST = 24


def fits(steps: Sequence[Step]) -> bool:
    """Whether the chain can be written so."""
    kinds = [step.kind for step in steps]
    if len(kinds) > _LONGEST or {"foreach", "split", "flat_map"} & set(kinds):
        return False
    return "key_by" not in kinds or "filter" not in kinds[kinds.index("key_by") :]


def write(names: Names, keep_from: int, with_record: bool) -> tuple[list[Line], str]:
    """The statements of the driver and its layout; rows end with the record if asked for."""
    return _Comprehension(names, keep_from, with_record).write()


class _Comprehension:
    def __init__(self, names: Names, keep_from: int, with_record: bool) -> None:
        self._names = names
        self._keep_from = keep_from
        self._with_record = with_record
        # The record at this point: an expression, evaluated where it is written, or just a name.
        self._record = [Line("x0")]
        self._elements: list[list[Line]] = []
        # Conditions whose failure drops the record, and those whose failure leaves a marker.
        self._drops: list[list[Line]] = []
        self._marks: list[list[Line]] = []

    def write(self) -> tuple[list[Line], str]:
        steps = self._names.steps
        for index, step in enumerate(steps):
            if step.kind == "filter":
                (self._marks if index >= self._keep_from else self._drops).append(self._call(index))
            elif step.kind == "key_by":
                self._elements.append(self._call(index, "k"))
                if len(step.functions) > 1:
                    self._record = self._call(index, "v")
            elif step.kind == "order":
                name, value = self._named()
                self._elements += [value, [self._names.line(index, name)]]
                self._with_record = False
            else:
                self._record = self._call(index)
        if self._with_record:
            self._elements.append(self._record)
        mark = "GONE" if len(self._elements) == 1 else f"({'GONE, ' * len(self._elements)})"
        return self._loop(_tuple(self._elements), mark), "rows"

    def _loop(self, body: list[Line], mark: str) -> list[Line]:
        for conditions, otherwise in ((self._marks, mark), (self._drops, "DROP")):
            if conditions:
                body = [*_bracket(body), *_all(conditions), Line(f"else {otherwise}")]
        columns = self._names.columns()
        source = f"zip({', '.join(['records', *columns])})" if columns else "records"
        loop = Line(f"for {', '.join(['x0', *columns])} in {source}")
        return [Line("return ["), *indent([*body, loop]), Line("]")]

    def _call(self, step: int, which: str = "") -> list[Line]:
        """The call of a step on the record, which goes by a name from then on."""
        name, argument = self._named()
        if len(argument) == 1 and argument[0].text == name:
            return [self._names.line(step, name, which)]
        head, tail = self._names.call(step, name, which)
        return [head, *argument[1:-1], tail]

    def _named(self) -> tuple[str, list[Line]]:
        """A name for the record and the expression that gives it the name."""
        first, *rest = self._record
        if first.step < 0:
            return first.text, [first]
        name = self._names.fresh()
        self._record = [Line(name)]
        return name, _bracket([first._replace(text=f"{name} := {first.text}"), *rest])


def _bracket(lines: list[Line]) -> list[Line]:
    return [Line("("), *indent(lines), Line(")")]


def _tuple(elements: list[list[Line]]) -> list[Line]:
    if len(elements) == 1:
        return elements[0]
    lines = [line for element in elements for line in (*element, Line(","))]
    return _bracket(lines)


def _all(conditions: list[list[Line]]) -> list[Line]:
    lines: list[Line] = []
    for number, condition in enumerate(conditions):
        first, *rest = condition
        lines += [first._replace(text=f"{'and' if number else 'if'} {first.text}"), *rest]
    return lines
