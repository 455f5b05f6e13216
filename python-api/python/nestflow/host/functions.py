"""User functions and constants from their pickles.

Must not look inside a function, and must not import anything of nestflow that a worker lacks.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nestflow.host import free_threading
from nestflow.host.program import Step, Unloadable

if TYPE_CHECKING:
    from collections.abc import Callable

# Values of exactly these types cannot change, so every group may share one.
_UNCHANGEABLE = frozenset({type(None), bool, int, float, complex, str, bytes})


# What stands between a pickle, which ends before it, and the 16 bytes that name a run.
_OF_RUN = b" in the run "
_NAME = len(_OF_RUN) + 16
_MOST_STATEFUL = 64
# The run that a function was loaded in, and the function, by its pickle.
_stateful: OrderedDict[bytes, tuple[bytes, Any]] = OrderedDict()


def of_run(pickled: bytes, run: bytes) -> bytes:
    """The pickle of a function that is loaded again in each run: what it holds starts as it was."""
    return pickled + _OF_RUN + run


def of_run_of(pickled: bytes, other: bytes) -> bytes:
    """The pickle of a function that is part of another one, and loaded again when that is."""
    end = other[-_NAME:]
    return pickled + end if end.startswith(_OF_RUN) else pickled


def load(pickled: bytes) -> Any:
    """The function, the same object for the same bytes as long as the cache remembers it."""
    if not pickled[-_NAME:].startswith(_OF_RUN):
        return _load(pickled)
    pickled, run = pickled[:-_NAME], pickled[-16:]
    known = _stateful.pop(pickled, None)
    if known is None or known[0] != run:
        known = run, load_anew(pickled)
    _stateful[pickled] = known
    while len(_stateful) > _MOST_STATEFUL:
        _stateful.popitem(last=False)
    return known[1]


@lru_cache(maxsize=512)
def _load(pickled: bytes) -> Any:
    return load_anew(pickled)


def load_anew(pickled: bytes) -> Any:
    """A new object from a pickle."""
    try:
        return pickle.loads(pickled)
    finally:
        free_threading.look()


def load_for(step: Step, index: int) -> Any:
    """A function of a step; one that cannot be loaded is an error that names the step."""
    try:
        return load(step.functions[index].pickled)
    except Exception as error:
        raise Unloadable(step) from error


def copies_for(step: Step, index: int) -> Callable[[], Any]:
    """A maker of independent copies of a value of a step: one for each group."""
    return _copies(step, step.functions[index].pickled)


def start_of(
    step: Step, zero: bytes, callable_zero: bool, arguments: Callable[[], tuple[Any, ...]]
) -> Callable[[], Any]:
    """What gives each group of a fold its first state."""
    if not callable_zero:
        return _copies(step, zero)
    try:
        function = load(zero)
    except Exception as error:
        raise Unloadable(step) from error
    return lambda: function(*arguments())


def _copies(step: Step, pickled: bytes) -> Callable[[], Any]:
    try:
        value = pickle.loads(pickled)
    except Exception as error:
        raise Unloadable(step) from error
    if type(value) in _UNCHANGEABLE:
        return lambda: value
    return lambda: pickle.loads(pickled)
