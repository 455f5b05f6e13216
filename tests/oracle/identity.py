"""What is one key, and which of the equal keys is shown, from the contract's text alone."""

from __future__ import annotations

import pickle
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAN = ("nan",)


def identity(key: Any) -> Any:
    """Something hashable that is equal exactly for keys that are one group."""
    if isinstance(key, (bool, int, float, Decimal, Fraction)) and not isinstance(key, Enum):
        return _NAN if key != key else ("number", key)
    if isinstance(key, tuple):
        return ("tuple", *map(identity, key))
    if isinstance(key, list):
        return ("list", *map(identity, key))
    if isinstance(key, (set, frozenset)):
        return ("set", frozenset(map(identity, key)))
    if isinstance(key, dict):
        return ("dict", frozenset((identity(k), identity(v)) for k, v in key.items()))
    if hasattr(type(key), "__nestflow_key__"):
        return (type(key), identity(key.__nestflow_key__()))
    if type(key).__eq__ is object.__eq__ and key is not None and not isinstance(key, Enum):
        return (type(key), pickle.dumps(key))
    return ("other", key)


def least(keys: Iterable[Any]) -> Any:
    """The shown one of some equal keys."""
    return min(keys, key=rank)


_RANKS = (int, float, bool, Decimal, Fraction)


def rank(value: Any) -> tuple[Any, ...]:
    """Compared position by position; the first difference decides."""
    if isinstance(value, (tuple, list)):
        return tuple(rank(item) for item in value)
    if type(value) in _RANKS:
        return (_RANKS.index(type(value)), 0)
    for place, kind in enumerate(_RANKS):
        if isinstance(value, kind):
            return (place, 1)
    if isinstance(value, (set, frozenset)):
        return (0 if isinstance(value, frozenset) else 1,)
    return ()
