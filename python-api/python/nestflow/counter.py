"""Counters: sums that user functions add to while they run, and that the program reads after the run.

A run adds what its tasks counted when it has succeeded, each task once: attempts that failed, were
repeated or were given up do not count. Totals are of this process: they grow over runs and pipelines
until they are reset. Must not count anything itself.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .errors import NestflowPlanningException, NestflowRuntimeException
from .host import counting

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_GROUP = "Flume"
"""The group of counters that are named without one."""

_MOST = 2**63 - 1
_totals: dict[str, int] = {}
_lock = threading.Lock()


def increase(name: object, increment: int = 1) -> None:
    """Add to a counter, in a user function that a pipeline runs.

    Args:
        name: its name, made a text; ``"group|name"`` puts it into a group.
        increment: a whole number of at most 63 bits; may be negative.

    Raises:
        NestflowPlanningException: no pipeline runs the calling function.
        ValueError: the increment is not such a number.

    Example:
        >>> import nestflow as nf
        >>> from nestflow import counter
        >>> def parse(line):
        ...     if not line.isdigit():
        ...         counter.increase("bad lines")
        ...         return 0
        ...     return int(line)
        >>> p = nf.Pipeline.create("local")
        >>> p.parallelize(["1", "x", "2"]).map(parse).sum().get()
        3
        >>> counter.get("bad lines")
        1
    """
    if type(increment) is not int:
        increment = _whole(increment)
    if not -_MOST <= increment <= _MOST:
        raise ValueError(f"a counter takes numbers of at most 63 bits, not {increment}")
    if not counting.add(name if type(name) is str else str(name), increment):
        raise NestflowPlanningException(
            f"counter.increase({name!r:.100}) was called outside of a user function: only functions that "
            "a pipeline runs can count"
        )


def get(name: object, group: str | None = None) -> int | None:
    """Give the total of a counter; None if nothing was counted under that name.

    Args:
        name: as it was counted: ``"name"`` or ``"group|name"``.
        group: the group, where the name does not say it.

    Example:
        >>> get("never counted") is None
        True
    """
    name = str(name)
    with _lock:
        return _totals.get(_full(name if group is None else f"{group}|{name}"))


def get_all(grouped: bool = False) -> dict[str, int] | dict[str, dict[str, int]]:
    """Give all totals by name, as they were counted.

    Args:
        grouped: as one dict for each group instead.

    Example:
        >>> reset_all()
        >>> get_all(), get_all(grouped=True)
        ({}, {})
    """
    if grouped:
        return _groups()
    with _lock:
        return {_shown(name): total for name, total in _totals.items()}


def get_group_counter(group: str = DEFAULT_GROUP, *others: str) -> dict[str, Any]:
    """Give the totals of a group by name; of several groups, a dict from group to such a dict.

    Example:
        >>> reset_all()
        >>> get_group_counter("requests"), get_group_counter("requests", "answers")
        ({}, {'requests': {}, 'answers': {}})
    """
    groups = _groups()
    wanted = {name: groups.get(name, {}) for name in (group, *others)}
    return wanted if others else wanted[group]


def reset(name: object) -> None:
    """Forget a counter: it starts from nothing again.

    Raises:
        NestflowRuntimeException: called by a user function.

    Example:
        >>> reset("bad lines")
    """
    _refuse_remote("reset")
    with _lock:
        _totals.pop(_full(str(name)), None)


def reset_all() -> None:
    """Forget all counters.

    Raises:
        NestflowRuntimeException: called by a user function.

    Example:
        >>> reset_all()
    """
    _refuse_remote("reset_all")
    with _lock:
        _totals.clear()


def _record(counts: Mapping[str, int]) -> None:
    """Add what a run counted; in a user function that ran a pipeline of its own, count it there."""
    if counting.hand_up(counts):
        return
    with _lock:
        for name, count in counts.items():
            full = _full(name)
            _totals[full] = _totals.get(full, 0) + count


def _groups() -> dict[str, dict[str, int]]:
    groups: dict[str, dict[str, int]] = {}
    with _lock:
        for full, total in _totals.items():
            group, _, name = full.partition("|")
            groups.setdefault(group, {})[name] = total
    return groups


def _full(name: str) -> str:
    return name if "|" in name else f"{DEFAULT_GROUP}|{name}"


def _shown(full: str) -> str:
    return full.removeprefix(f"{DEFAULT_GROUP}|")


def _whole(increment: object) -> int:
    import operator

    try:
        return operator.index(increment)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"a counter takes whole numbers, not {increment!r:.100}") from None


def _refuse_remote(what: str) -> None:
    if counting.is_running():
        raise NestflowRuntimeException(f"counter.{what} cannot be called by a user function")


# The names under which Bigflow programs read counters.
_get, _get_group_counter = get, get_group_counter


def _get_all(grouped: bool = False) -> dict[str, int] | dict[str, dict[str, int]]:
    """Give all totals as `get_all` does, but each with its group in front of its name."""
    if grouped:
        return _groups()
    with _lock:
        return dict(_totals)
