"""Programs for tests: built from Python functions, encoded as `nestflow_chain::wire` does it."""

from __future__ import annotations

import os
import struct
import sys
from typing import Any

import cloudpickle

from nestflow import _host
from nestflow.host.program import MISSING

# With this variable set, all programs run in worker processes.
_WORKER = [sys.executable, "-m", "nestflow.host.worker"] if os.environ.get("NESTFLOW_TEST_HOST") else None


def _try(*arguments: Any) -> list[dict[str, list[Any]]]:
    return _host.try_program(*arguments, _WORKER)


_STEPS = ["map", "flat_map", "filter", "foreach", "key_by", "split"]
_EMITS = ["nothing", "value", "key", "pair", "ordered"]


def _u32(number: int) -> bytes:
    return struct.pack("<I", number)


def _bytes(data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<Q", len(data)) + data


def _sequence(items: Any) -> bytes:
    items = list(items)
    return struct.pack("<Q", len(items)) + b"".join(items)


def _option(data: bytes | None) -> bytes:
    return b"\0" if data is None else b"\1" + data


def function(value: Any) -> bytes:
    name = getattr(value, "__name__", type(value).__name__)
    return _bytes(name) + _bytes(value if isinstance(value, bytes) else cloudpickle.dumps(value))


def site(transform: str) -> bytes:
    return _bytes("jobs/visits.py") + _u32(12) + _bytes("main") + _bytes(transform)


def step(kind: str, *functions: Any, sides: tuple[int, ...] = (), transform: str | None = None) -> bytes:
    body = _u32(_STEPS.index(kind))
    if kind == "key_by":
        body += function(functions[0]) + _option(function(functions[1]) if len(functions) > 1 else None)
    elif kind != "split":
        body += function(functions[0])
    return body + site(transform or kind) + _sequence(map(_u32, sides))


def sides(*shown: str) -> bytes:
    """Side inputs such as `"value open"` and `"sequence column 0"`."""
    encoded = []
    for text in shown:
        shape, origin, *column = text.split()
        start = _u32(["value", "sequence"].index(shape)) + _u32(["open", "column"].index(origin))
        encoded.append(start + (_u32(int(column[0])) if column else b""))
    return _sequence(encoded)


def records(
    *steps: bytes,
    emit: str = "value",
    order: Any = None,
    reverse: bool = False,
    keep: int | None = None,
    most: int | None = None,
    shown: tuple[str, ...] = (),
) -> bytes:
    body = _u32(0) + _sequence(steps) + _u32(_EMITS.index(emit))
    if emit == "ordered":
        key = _option(None if order is None else function(order))
        body += key + (b"\1" if reverse else b"\0") + site("sort_by")
    body += _option(None if keep is None else _u32(keep))
    return body + _option(None if most is None else struct.pack("<Q", most)) + sides(*shown)


def run(
    program: bytes, values: list[Any], *side_records: list[Any], **columns: list[Any]
) -> dict[str, list[Any]]:
    """The columns that come out of one batch."""
    (out,) = _try(program, list(side_records), [{"v": values, **columns}])
    return out


def objects(cells: list[bytes | None]) -> list[Any]:
    """Cells as objects, nulls as `MISSING`."""
    return [MISSING if cell is None else _host.decode([cell])[0] for cell in cells]


def values(
    program: bytes, records_in: list[Any], *side_records: list[Any], **columns: list[Any]
) -> list[Any]:
    """Column `v` as objects."""
    return objects(run(program, records_in, *side_records, **columns)["v"])


def notes(error: BaseException) -> str:
    """What an exception says of its place."""
    if sys.version_info >= (3, 11):
        return "\n".join(getattr(error, "__notes__", ()))
    return str(error.__cause__)


def zero(value: Any, *, callable_zero: bool = False) -> bytes:
    return function(value) + (b"\1" if callable_zero else b"\0")


def fold(
    step_function: Any, start: bytes | None = None, shown: tuple[str, ...] = (), used: tuple[int, ...] = ()
) -> bytes:
    body = _u32(1) + function(step_function) + _option(start) + site("aggregate")
    return body + _sequence(map(_u32, used)) + sides(*shown)


def combine(combiner: Any) -> bytes:
    return _u32(2) + function(combiner) + site("combine") + sides()


_SEQUENTIAL = ["accumulate", "reduce", "transform", "transformer", "whole"]


def sequential(
    kind: str,
    *parts: Any,
    most: int | None = None,
    shown: tuple[str, ...] = (),
    used: tuple[int, ...] = (),
) -> bytes:
    """`parts` are the encoded zero of an accumulate, and functions."""
    encoded = b"".join(part if isinstance(part, bytes) else function(part) for part in parts)
    body = _u32(3) + _u32(_SEQUENTIAL.index(kind)) + encoded
    # In any number of processes.
    body += site(kind) + _sequence(map(_u32, used)) + b"\0"
    return body + _option(None if most is None else struct.pack("<Q", most)) + sides(*shown)


def fold_groups(
    program: bytes, states: list[Any], pairs: list[tuple[int, Any]], *side_records: list[Any]
) -> list[Any]:
    """The new states; `pairs` are group numbers and values."""
    batch = {"g": [*range(len(states)), *(g for g, _ in pairs)], "v": [*states, *(x for _, x in pairs)]}
    (out,) = _try(program, list(side_records), [batch])
    return objects(out["v"])


def walk(
    program: bytes, *batches: list[tuple[Any, ...]], side_records: tuple[list[Any], ...] = ()
) -> list[Any]:
    """All `(group, value)` that come out; rows are group, value, sides by column."""
    columns = []
    for rows in batches:
        names = ["g", "v", *(f"x{i}" for i in range(len(rows[0]) - 2))]
        columns.append(
            {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
        )
    found = []
    for out in _try(program, list(side_records), columns):
        found += zip(out["g"], objects(out["v"]), strict=True)
    return found
