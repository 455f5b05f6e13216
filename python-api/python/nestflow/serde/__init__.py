"""Serdes: between a record and bytes.

The engine stores any Python value by itself, so a serde is never needed and never loses data: one of
those here, given as an option, says what the records are, and a record that does not fit is an error
that names it. A serde of the user's own, a subclass of `Serde`, is applied to the records and back.
They are also the format of records in sequence files.

``tuple_of``, ``list_of`` and so on make serdes that take None as well.

Example:
    >>> from nestflow import serde
    >>> pair = serde.of((int, str))
    >>> pair
    tuple_of(int_(), str_())
    >>> pair.deserialize(pair.serialize((1, "a")))
    (1, 'a')
"""

from __future__ import annotations

from .absent import FastPbSerdeFactory, IdlPacketSerde
from .base import CPickleSerde, CppSerde, DefaultSerde, Serde
from .containers import DictSerde, ListSerde, SetSerde, TupleSerde
from .fields import FieldsDictSerde
from .infer import (
    _,
    any,
    bool_,
    bytes_,
    chain_of,
    common_serde,
    dict_of,
    extract_elem,
    float_,
    int_,
    is_serde,
    list_of,
    of,
    origin,
    proto_of,
    sample,
    set_of,
    str_,
    tuple_of,
)
from .scalars import BoolSerde, BytesSerde, FloatSerde, IntSerde, StrSerde
from .wrapped import ChainSerde, Optional, ProtobufSerde

__all__ = [
    "BoolSerde",
    "BytesSerde",
    "CPickleSerde",
    "ChainSerde",
    "CppSerde",
    "DefaultSerde",
    "DictSerde",
    "FastPbSerdeFactory",
    "FieldsDictSerde",
    "FloatSerde",
    "IdlPacketSerde",
    "IntSerde",
    "ListSerde",
    "Optional",
    "ProtobufSerde",
    "Serde",
    "SetSerde",
    "StrSerde",
    "TupleSerde",
    "_",
    "any",
    "bool_",
    "bytes_",
    "chain_of",
    "common_serde",
    "dict_of",
    "extract_elem",
    "float_",
    "int_",
    "is_serde",
    "list_of",
    "of",
    "origin",
    "proto_of",
    "sample",
    "set_of",
    "str_",
    "tuple_of",
]
