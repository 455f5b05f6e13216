"""Writes the driver of any chain as nested loops (`layout` "ends").

It is a generator that gives part after part, so that however many rows a record has, few are there
at a time: a list of rows, and how many there were after each record that ended in the part. Both
lists are empty again after it. `room` holds how many rows a part should have. Where each record
gives exactly one row, it is a function that gives only the list (`layout` "rows").
"""

from __future__ import annotations

from nestflow.host.source import Line, Names, indent

# The compiler allows 20 nested loops, and a flat_map takes two: what lies deeper continues in a
# function of its own.
_DEEPEST = 12


def write(names: Names, keep_from: int, with_record: bool) -> tuple[list[Line], str]:
    """The statements of the driver and its layout; rows end with the record if asked for."""
    one_to_one = not {"filter", "flat_map", "foreach"} & {step.kind for step in names.steps}
    return _Loops(names, keep_from, with_record).write(one_to_one), "rows" if one_to_one else "ends"


_CLEAR = Line("def clear(): gone[0] += len(rows); rows.clear(); ends.clear()")


class _Loops:
    def __init__(self, names: Names, keep_from: int, with_record: bool) -> None:
        self._names = names
        self._keep_from = keep_from
        self._with_record = with_record
        kinds = self._kinds = [step.kind for step in names.steps]
        self._levels = kinds.count("key_by") + kinds.count("split")
        self._parts = self._levels + (2 if "order" in kinds else int(with_record))
        self._functions: list[Line] = []

    def write(self, one_to_one: bool) -> list[Line]:
        columns = self._names.columns()
        source = f"zip({', '.join(['records', *columns])})" if columns else "records"
        body = self._from(0, "x0", 0)
        if not one_to_one:
            body.append(Line("end(len(rows))"))
        return [
            Line("rows, ends, gone = [], [], [0]"),
            Line("row, extend, end = rows.append, rows.extend, ends.append"),
            *([_CLEAR] if "flat_map" in self._kinds else []),
            *self._functions,
            Line(f"for {', '.join(['x0', *columns])} in {source}:"),
            *indent(body),
            Line("return rows" if one_to_one else "yield rows, ends"),
        ]

    def _from(self, index: int, record: str, depth: int) -> list[Line]:
        """What happens to the record from step `index` on."""
        steps = self._names.steps
        if index == len(steps):
            elements = [*self._keys(index), *([record] if self._with_record else [])]
            return [Line(f"row({_row(elements)})")]
        if depth >= _DEEPEST:
            return self._elsewhere(index, record)
        call = self._names.line(index, record)
        match steps[index].kind:
            case "map":
                made = self._names.fresh()
                return [_assign(made, call), *self._from(index + 1, made, depth)]
            case "filter":
                inner = indent(self._from(index + 1, record, depth + 1))
                test = call._replace(text=f"if {call.text}:")
                mark = self._mark(index)
                return [test, *inner, *([Line("else:"), *indent(mark)] if mark else [])]
            case "flat_map":
                return self._flat_map(index, record, depth)
            case "foreach":
                return [call, *self._mark(index)]
            case "key_by":
                return self._key_by(index, record, depth)
            case "split":
                made = self._names.fresh()
                check = f"if {record}.__class__ is not tuple or len({record}) != 2:"
                return [
                    Line(check),
                    Line(f"    check_pair({record})", index, record),
                    Line(f"k{index}, {made} = {record}"),
                    *self._from(index + 1, made, depth),
                ]
            case "order":
                made = self._names.fresh()
                elements = [*self._keys(index), record, made]
                return [_assign(made, call), Line(f"row({_row(elements)})")]
        raise ValueError(steps[index].kind)

    def _flat_map(self, index: int, record: str, depth: int) -> list[Line]:
        call = self._names.line(index, record)
        many, part, rest, made = (self._names.fresh() for _ in range(4))
        if index == len(self._kinds) - 1 and not self._levels:
            each = [call._replace(text=f"extend({part})")]
        else:
            inner = indent(self._from(index + 1, made, depth + 2))
            each = [call._replace(text=f"for {made} in {part}:"), *inner]
        loop = [
            _assign(many, call),
            # What is short goes as it is: the usual case is the one that has to be fast.
            Line(f"if {many}.__class__ in SIZED and len({many}) <= room[0]:"),
            Line(f"    {part}, {rest} = {many}, ()"),
            Line("else:"),
            call._replace(text=f"    {rest} = Own({many})"),
            Line(f"    {part} = islice({rest}, room[0])"),
            Line("while True:"),
            *indent(each),
            Line("    if len(rows) >= room[0]:"),
            Line("        yield rows, ends"),
            Line("        clear()"),
            call._replace(text=f"    for {part} in {rest}:"),
            Line(f"        {part} = chain(({part},), islice({rest}, room[0] - 1))"),
            Line("        break"),
            Line("    else:"),
            Line("        break"),
        ]
        mark = self._mark(index)
        if mark:
            count = "len(rows) + gone[0]"
            loop = [
                Line(f"before{index} = {count}"),
                *loop,
                Line(f"if {count} == before{index}:"),
                *indent(mark),
            ]
        return loop

    def _key_by(self, index: int, record: str, depth: int) -> list[Line]:
        lines = [_assign(f"k{index}", self._names.line(index, record, "k"))]
        if len(self._names.steps[index].functions) > 1:
            made = self._names.fresh()
            lines.append(_assign(made, self._names.line(index, record, "v")))
            record = made
        return [*lines, *self._from(index + 1, record, depth)]

    def _keys(self, index: int) -> list[str]:
        """The keys opened before step `index`."""
        before = self._names.steps[:index]
        return [f"k{i}" for i, step in enumerate(before) if step.kind in ("key_by", "split")]

    def _mark(self, index: int) -> list[Line]:
        """Leaves a row for a record that step `index` drops, where groups are to be kept."""
        if index < self._keep_from:
            return []
        known = self._keys(index)
        return [Line(f"row({_row([*known, *['GONE'] * (self._parts - len(known))])})")]

    def _elsewhere(self, index: int, record: str) -> list[Line]:
        inputs = ", ".join([record, *self._keys(index), *self._names.columns()])
        body = self._from(index, record, 0)
        self._functions += [Line(f"def from{index}({inputs}):"), *indent(body)]
        parts = "yield from " if "flat_map" in self._kinds[index:] else ""
        return [Line(f"{parts}from{index}({inputs})")]


def _assign(name: str, call: Line) -> Line:
    return call._replace(text=f"{name} = {call.text}")


def _row(elements: list[str]) -> str:
    return elements[0] if len(elements) == 1 else f"({', '.join(elements)})"
