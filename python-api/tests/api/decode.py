"""Reads plan bytes back: written from the description of the format, not from the encoder."""

from __future__ import annotations

import struct
import types
import typing
from dataclasses import fields, is_dataclass
from enum import IntEnum
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from nestflow.plan.nodes import LogicalPlan

WIDTHS = {"u32": "<I", "u64": "<Q", "i64": "<q"}


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def bytes(self, size: int) -> bytes:
        self.at += size
        assert self.at <= len(self.data)
        return self.data[self.at - size : self.at]

    def number(self, form: str) -> int:
        return struct.unpack(form, self.bytes(struct.calcsize(form)))[0]

    def value(self, kind: Any) -> Any:
        origin, args = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self.number(WIDTHS[args[1]])
        if origin is tuple:
            return tuple(self.value(args[0]) for _ in range(self.number("<Q")))
        if origin in (typing.Union, types.UnionType):
            if type(None) in args:
                flag = self.number("<B")
                assert flag in (0, 1)
                return self.value(next(a for a in args if a is not type(None))) if flag else None
            return self.value(args[self.number("<I")])
        if kind is bool:
            return [False, True][self.number("<B")]
        if kind in (str, bytes):
            raw = self.bytes(self.number("<Q"))
            return raw.decode() if kind is str else raw
        if issubclass(kind, IntEnum):
            return kind(self.number("<I"))
        assert is_dataclass(kind), kind
        hints = get_type_hints(kind, include_extras=True)
        return kind(**{field.name: self.value(hints[field.name]) for field in fields(kind)})


def decode_plan(data: bytes) -> LogicalPlan:
    assert data[:4] == b"NFP\x01"
    reader = Reader(data[4:])
    plan = reader.value(LogicalPlan)
    assert reader.at == len(reader.data), "bytes after the plan"
    return plan
