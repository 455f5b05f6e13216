"""Serdes from types and from examples, and what serdes are made of."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from ..errors import InvalidDataException
from .base import CppSerde, DefaultSerde, Serde
from .containers import DictSerde, ListSerde, SetSerde, TupleSerde
from .scalars import BoolSerde, BytesSerde, FloatSerde, IntSerde, StrSerde
from .wrapped import ChainSerde, Optional, ProtobufSerde

if TYPE_CHECKING:
    from collections.abc import Callable

_TYPES: dict[Any, Callable[[], Serde]] = {
    int: IntSerde,
    float: FloatSerde,
    bool: BoolSerde,
    str: StrSerde,
    bytes: BytesSerde,
}

_ = DefaultSerde()
"""The serde that takes any value, in short: ``serde.of((int, serde._))``."""


def any() -> Serde:
    """Give the serde that takes any value.

    Example:
        >>> any()
        any()
    """
    return DefaultSerde()


def int_() -> Serde:
    """Give a serde of whole numbers and None.

    Example:
        >>> int_().fits(None), int_().fits("a")
        (True, False)
    """
    return Optional(IntSerde())


def float_() -> Serde:
    """Give a serde of floats and None.

    Example:
        >>> float_()
        float_()
    """
    return Optional(FloatSerde())


def bool_() -> Serde:
    """Give a serde of True, False and None.

    Example:
        >>> bool_()
        bool_()
    """
    return Optional(BoolSerde())


def str_() -> Serde:
    """Give a serde of texts and None.

    Example:
        >>> str_().serialize("a")
        b'1a'
    """
    return Optional(StrSerde())


def bytes_() -> Serde:
    """Give a serde of bytes and None.

    Example:
        >>> bytes_()
        bytes_()
    """
    return Optional(BytesSerde())


def tuple_of(*elements: Any) -> Serde:
    """Give a serde of tuples with a serde for each element, and None.

    Example:
        >>> tuple_of(int, str).serialize(None)
        b''
    """
    return Optional(TupleSerde(*elements))


def list_of(*elements: Any) -> Serde:
    """Give a serde of lists with one serde for all elements, or one for each, and None.

    Example:
        >>> list_of(int).fits([1, None])
        True
    """
    return Optional(ListSerde(*elements))


def set_of(element: Any = None) -> Serde:
    """Give a serde of sets, and None.

    Example:
        >>> set_of(int)
        set_of(int_())
    """
    return Optional(SetSerde(element))


def dict_of(key: Any = None, value: Any = None) -> Serde:
    """Give a serde of dicts, and None.

    Example:
        >>> dict_of(str, int)
        dict_of(str_(), int_())
    """
    return Optional(DictSerde(key, value))


def chain_of(*serdes: Any) -> Serde:
    """Give a serde that applies several, one after the other.

    Example:
        >>> chain_of(str, bytes)
        chain_of(str_(), bytes_())
    """
    return ChainSerde(*serdes)


def proto_of(message: Any, raise_exception_when_failed: bool = True) -> Serde:
    """Give a serde of protobuf messages, and None.

    Example:
        >>> proto_of(dict)  # a class of messages instead
        proto_of(dict)
    """
    return Optional(ProtobufSerde(message, raise_exception_when_failed))


def is_serde(value: object) -> bool:
    """Whether something is a serde.

    Example:
        >>> is_serde(int_()), is_serde(int)
        (True, False)
    """
    return isinstance(value, Serde)


def of(kind: Any) -> Serde:
    """Give the serde of a type: ``int``, ``(int, str)``, ``[int]``, ``{int}``, ``{int: str}``.

    Args:
        kind: a serde stays as it is, also one that only has the two methods; one of int, float, bool, str,
            bytes; a tuple, list, set or dict of such; a class of protobuf messages.

    Raises:
        AssertionError: something else.

    Example:
        >>> of({int: [str]})
        dict_of(int_(), list_of(str_()))
    """
    if isinstance(kind, Serde) or _acts_as_one(kind):
        made: Serde = kind
        return made
    if kind is any:
        return DefaultSerde()
    if isinstance(kind, type) and kind in _TYPES:
        return Optional(_TYPES[kind]())
    if isinstance(kind, tuple):
        return tuple_of(*kind)
    if isinstance(kind, list) and kind:
        return list_of(*kind)
    if isinstance(kind, (set, dict)) and len(kind) == 1:
        return set_of(*kind) if isinstance(kind, set) else dict_of(*next(iter(kind.items())))
    if hasattr(kind, "DESCRIPTOR") and hasattr(kind, "SerializeToString"):
        return proto_of(kind)
    raise AssertionError(f"there is no serde of {kind!r:.100}")


def sample(value: Any) -> Serde:
    """Give the serde of values like this one.

    Example:
        >>> sample(("a", [1, 2])), sample([1, "a"])
        (tuple_of(str_(), list_of(int_())), any())
    """
    kind = type(value)
    if kind in _TYPES:
        return of(kind) if _is_taken(of(kind), value) else DefaultSerde()
    if kind is tuple:
        return tuple_of(*map(sample, value))
    if kind in (list, set) and value:
        element = _same(value)
        if element is not None:
            return list_of(element) if kind is list else set_of(element)
    if kind is dict and value:
        key, inner = _same(value), _same(value.values())
        if key is not None and inner is not None:
            return dict_of(key, inner)
    if hasattr(value, "DESCRIPTOR") and hasattr(value, "SerializeToString"):
        return proto_of(kind)
    return DefaultSerde()


def _is_taken(serde: Serde, value: Any) -> bool:
    """Whether it is no huge int or half of a surrogate pair, which only the default takes."""
    try:
        serde.serialize(value)
    except (InvalidDataException, UnicodeError):
        return False
    return True


def common_serde(*serdes: Serde) -> Serde | None:
    """Give the serde of the records of several collections together; None: there is none.

    Equal ones are kept, other built-in ones become the default. Of no collection there is none.

    Example:
        >>> common_serde(int_(), int_()), common_serde(int_(), str_())
        (int_(), any())
    """
    if builtins.all(serde == serdes[0] for serde in serdes):
        return serdes[0] if serdes else None
    return DefaultSerde() if builtins.all(_is_built_in(serde) for serde in serdes) else None


def origin(serde: Serde) -> Serde:
    """Give the serde without its ``Optional``.

    Example:
        >>> type(origin(int_())).__name__
        'IntSerde'
    """
    return serde.inner if isinstance(serde, Optional) else serde


def extract_elem(serde: Serde, n: int, if_not: Serde | None = None) -> Serde:
    """Give the serde of the n-th element of a tuple or list; ``if_not``, or the default, of others.

    Example:
        >>> extract_elem(tuple_of(int, str), 1)
        str_()
    """
    whole = origin(serde)
    otherwise = DefaultSerde() if if_not is None else if_not
    if isinstance(whole, ListSerde) and len(whole.elements) == 1:
        return whole.elements[0]
    if isinstance(whole, (TupleSerde, ListSerde)) and n < len(whole.elements):
        return whole.elements[n]
    return otherwise


def _acts_as_one(kind: Any) -> bool:
    return not isinstance(kind, type) and hasattr(kind, "serialize") and hasattr(kind, "deserialize")


def _is_built_in(serde: Serde) -> bool:
    inner = origin(serde)
    elements = getattr(inner, "elements", ())
    return isinstance(inner, CppSerde) and builtins.all(map(_is_built_in, elements))


def _same(values: Any) -> Serde | None:
    """The serde of all of them, if they have one."""
    found = [sample(value) for value in values]
    return found[0] if builtins.all(serde == found[0] for serde in found) else None
