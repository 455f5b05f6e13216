"""Decorators."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeVar

from .log import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    T = TypeVar("T")


def singleton(kind: Callable[..., T]) -> Callable[..., T]:
    """Make one object of a class, the first time that one is asked for.

    Example:
        >>> @singleton
        ... class Settings:
        ...     pass
        >>> Settings() is Settings()
        True
    """
    made: list[T] = []

    @functools.wraps(kind)
    def one(*args: Any, **kwargs: Any) -> T:
        if not made:
            made.append(kind(*args, **kwargs))
        return made[0]

    return one


def advance_logger(level: str = "info") -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Log the beginning and the end of each call of a function, which gives what it gives.

    Args:
        level: the name of a method of the logger.

    Example:
        >>> @advance_logger("debug")
        ... def double(x):
        ...     return 2 * x
        >>> double(4)
        8
    """

    def around(function: Callable[..., T]) -> Callable[..., T]:
        @functools.wraps(function)
        def logged(*args: Any, **kwargs: Any) -> T:
            say = getattr(logger, level)
            say("%s begins", function.__name__)
            result = function(*args, **kwargs)
            say("%s ends", function.__name__)
            return result

        return logged

    return around
