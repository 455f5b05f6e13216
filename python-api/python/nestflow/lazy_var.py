"""Variables that are made where they are used: once in each process, never sent to it."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_missing = object()
# By name, so that all copies of a variable in a process are one.
_known: dict[str, LazyVar[Any]] = {}
_lock = threading.Lock()


class LazyVar(Generic[T]):
    """A variable whose value a function makes when it is first asked for; see `declare`.

    Example:
        >>> declare(lambda: 3)  # doctest: +ELLIPSIS
        <nestflow.lazy_var.LazyVar object at ...>
    """

    def __init__(self, function: Callable[[], T], name: str) -> None:
        """Use `declare`."""
        self._function = function
        self._name = name
        self._value: Any = _missing
        self._making = threading.RLock()

    def get(self) -> T:
        """Give the value; the first call in a process makes it, others wait for that one.

        Example:
            >>> import nestflow as nf
            >>> from nestflow import lazy_var
            >>> lazy_var.declare(lambda: 3).get()
            3
        """
        if self._value is _missing:
            with self._making:
                if self._value is _missing:
                    self._value = self._function()
        value: T = self._value
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle to the function that makes the value."""
        return _copy, (self._function, self._name)


def declare(function: Callable[[], T]) -> LazyVar[T]:
    """Make a variable for large things such as dictionaries, models or connections.

    A function that uses it takes along only what makes the value; each process of a pipeline's
    functions makes it once, at the first `LazyVar.get`, for all functions and runs.

    Args:
        function: takes nothing and gives the value; may give None.

    Raises:
        ValueError: not a function, or one that needs arguments.

    Example:
        >>> import nestflow as nf
        >>> from nestflow import lazy_var
        >>> capitals = lazy_var.declare(lambda: {"de": "Berlin", "fr": "Paris"})
        >>> nf.Pipeline.create("local").parallelize(["fr"]).map(lambda x: capitals.get()[x]).get()
        ['Paris']
    """
    from .functions import needs_arguments

    if not callable(function) or needs_arguments(function):
        raise ValueError(f"lazy_var.declare needs a function without arguments, not {function!r:.100}")
    return _copy(function, uuid.uuid4().hex)


def _copy(function: Callable[[], T], name: str) -> LazyVar[T]:
    with _lock:
        known: LazyVar[T] = _known.setdefault(name, LazyVar(function, name))
        return known
