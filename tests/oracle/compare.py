"""Which answers are the same: open orders are open, types are exact, NaN is NaN, zero has no sign."""

from __future__ import annotations

import math
from typing import Any

from .identity import identity
from .rows import Bag, View


def check(got: Any, expected: Any, exact: bool = True) -> None:
    """Assert that an answer is the expected one."""
    found = difference(got, expected, exact)
    assert found is None, f"{found}\n     got {got!r}\nexpected {expected!r}"


def same(got: Any, expected: Any, exact: bool = True) -> bool:
    """Whether an answer is the expected one."""
    return difference(got, expected, exact) is None


def difference(got: Any, expected: Any, exact: bool = True, where: str = "answer") -> str | None:
    """What differs first, in words.

    Args:
        got: what the engine gave.
        expected: what the oracle gave.
        exact: equal is not enough: ``1`` is not ``True``. Otherwise any of the values of one key will do.
        where: what is compared.
    """
    if isinstance(expected, View):
        expected = expected.as_list()
    if isinstance(expected, dict):
        return _of_dicts(got, expected, exact, where)
    if isinstance(expected, (list, tuple)):
        if isinstance(expected, Bag):
            got = sorted(got, key=_sort_key) if isinstance(got, list) else got
            expected = sorted(expected, key=_sort_key)
            where = f"sorted {where}"
        if type(got) is not type(expected) or len(got) != len(expected):
            return f"{where}: {got!r} is not {expected!r}"
        for index, (one, other) in enumerate(zip(got, expected, strict=True)):
            found = difference(one, other, exact, f"{where}[{index}]")
            if found:
                return found
        return None
    if not exact:
        return None if identity(got) == identity(expected) else f"{where}: {got!r} is not {expected!r}"
    return (
        None
        if type(got) is type(expected) and _equal(got, expected)
        else f"{where}: {got!r} is not {expected!r}"
    )


def _equal(got: Any, expected: Any) -> bool:
    if isinstance(got, float):
        return got == expected or (math.isnan(got) and math.isnan(expected))
    return identity(got) == identity(expected)


def _of_dicts(got: Any, expected: dict[Any, Any], exact: bool, where: str) -> str | None:
    if type(got) is not type(expected):
        return f"{where}: {got!r} is not {expected!r}"
    by_identity = {identity(key): (key, value) for key, value in got.items()}
    wanted = {identity(key): (key, value) for key, value in expected.items()}
    for key in by_identity.keys() ^ wanted.keys():
        return f"{where}: the key {key!r} is {'missing' if key in wanted else 'too much'}"
    for key, (shown, value) in wanted.items():
        found = difference(by_identity[key][0], shown, exact, f"a key of {where}")
        found = found or difference(by_identity[key][1], value, exact, f"{where}[{shown!r}]")
        if found:
            return found
    return None


def _sort_key(value: Any) -> tuple[str, str]:
    """Puts equal records of two bags at equal places, those of equal types too."""
    return _plain(value), _types(value)


def _plain(value: Any) -> str:
    if isinstance(value, (bool, int, float)):
        if value != value or value in (math.inf, -math.inf):
            return str(float(value))
        return str(int(value)) if value == int(value) else repr(float(value))
    if isinstance(value, (list, set, frozenset)):
        return str(sorted(map(_plain, value)))
    if isinstance(value, tuple):
        return f"({', '.join(map(_plain, value))})"
    if isinstance(value, dict):
        return str(sorted((_plain(key), _plain(item)) for key, item in value.items()))
    return repr(value)


def _types(value: Any) -> str:
    if isinstance(value, dict):
        return str(sorted((_plain(key), _types(key), _types(item)) for key, item in value.items()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"{type(value).__name__}{sorted((_plain(item), _types(item)) for item in value)}"
    return type(value).__name__
