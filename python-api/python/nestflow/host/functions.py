"""User functions and constants from their pickles.

Must not look inside a function, and must not import anything of nestflow that a worker lacks.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import lru_cache
from typing import Any

# Values of exactly these types cannot change, so every group may share one.
_UNCHANGEABLE = frozenset({type(None), bool, int, float, complex, str, bytes})


@lru_cache(maxsize=512)
def load(pickled: bytes) -> Any:
    """The function, the same object for the same bytes as long as the cache remembers it."""
    return pickle.loads(pickled)


def copies(pickled: bytes) -> Callable[[], Any]:
    """A maker of independent copies of the pickled value: one for each group."""
    value = pickle.loads(pickled)
    if type(value) in _UNCHANGEABLE:
        return lambda: value
    return lambda: pickle.loads(pickled)
