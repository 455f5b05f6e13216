"""Plan bytes: bincode's legacy form, derived from the classes of ``nodes.py``.

The twin of ``runtime/src/plan/wire.rs``. Little endian, fixed width: ``u32``, ``u64``, ``i64``;
``u64`` before strings, bytes and tuples; one byte for bools and before options; ``u32`` variant
index for enums and unions, in declaration order; fields in declaration order.
"""

from __future__ import annotations

import struct
import types
import typing
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable

    from .nodes import LogicalPlan

MAGIC = b"NFP\x01"
"""First bytes of every encoded plan: a name and the format's version."""

_FORMATS = {"u32": struct.Struct("<I"), "u64": struct.Struct("<Q"), "i64": struct.Struct("<q")}
_LENGTH = _FORMATS["u64"]
_VARIANT = _FORMATS["u32"]
_BOOLS = (b"\x00", b"\x01")


def encode_plan(plan: LogicalPlan) -> bytes:
    r"""Give the bytes that the engine reads.

    Args:
        plan: the plan; its root scope may be empty.

    Raises:
        struct.error: a number does not fit its width.

    Example:
        >>> from nestflow.plan.nodes import LogicalPlan, Scope
        >>> encode_plan(LogicalPlan((), (), Scope(0, (), ()), (), ()))[:4] == MAGIC
        True
    """
    from .nodes import LogicalPlan

    # Pieces, joined once: a plan may hold as much literal data as memory does.
    out = [MAGIC]
    _writer(LogicalPlan)(plan, out)
    return b"".join(out)


@cache
def _writer(kind: Any) -> Callable[[Any, list[bytes]], None]:
    """Give the function that appends the bytes of a value of this type to what is written."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _number(_FORMATS[get_args(kind)[1]])
    if origin is tuple:
        return _vector(get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        members = get_args(kind)
        if type(None) in members:
            return _option(next(m for m in members if m is not type(None)))
        return _variant(members)
    if kind is bool:
        return lambda value, out: out.append(_BOOLS[bool(value)])
    if kind is str:
        return lambda value, out: _put_bytes(value.encode("utf-8", "replace"), out)
    if kind is bytes:
        return _put_bytes
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        return _number(_VARIANT)
    if is_dataclass(kind):
        return _struct(kind)
    raise TypeError(f"no wire form for {kind}")


def _put_bytes(value: bytes, out: list[bytes]) -> None:
    out.append(_LENGTH.pack(len(value)))
    out.append(value)


def _number(form: struct.Struct) -> Callable[[Any, list[bytes]], None]:
    def write(value: Any, out: list[bytes]) -> None:
        out.append(form.pack(value))

    return write


def _vector(item: Any) -> Callable[[Any, list[bytes]], None]:
    def write(values: Any, out: list[bytes]) -> None:
        put = _writer(item)
        out.append(_LENGTH.pack(len(values)))
        for value in values:
            put(value, out)

    return write


def _option(item: Any) -> Callable[[Any, list[bytes]], None]:
    put = _writer(item)

    def write(value: Any, out: list[bytes]) -> None:
        out.append(_BOOLS[value is not None])
        if value is not None:
            put(value, out)

    return write


def _variant(members: tuple[Any, ...]) -> Callable[[Any, list[bytes]], None]:
    writers = {member: (_VARIANT.pack(index), _writer(member)) for index, member in enumerate(members)}

    def write(value: Any, out: list[bytes]) -> None:
        head, put = writers[type(value)]
        out.append(head)
        put(value, out)

    return write


def _struct(kind: Any) -> Callable[[Any, list[bytes]], None]:
    # Filled on first use: `Scope` contains itself.
    parts: list[tuple[str, Callable[[Any, list[bytes]], None]]] = []

    def write(value: Any, out: list[bytes]) -> None:
        if not parts:
            hints = get_type_hints(kind, include_extras=True)
            parts.extend((field.name, _writer(hints[field.name])) for field in fields(kind))
        for name, put in parts:
            put(getattr(value, name), out)

    return write
