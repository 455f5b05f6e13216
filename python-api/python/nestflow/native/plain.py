"""Values of classes that JSON does not know, as values that it knows. Called by the compiled host."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any


def plain(value: Any) -> Any:
    """Give what stands for a value in JSON, one level deep.

    Dataclasses, named tuples, rows of Spark and mappings become dicts; other sequences become lists;
    enumerations become their values, and scalars and arrays of NumPy the Python values that they equal.

    Raises:
        TypeError: nothing in JSON stands for it.

    Example:
        >>> from fractions import Fraction
        >>> plain(Fraction(1, 3))
        Traceback (most recent call last):
        TypeError: JSON has nothing for a fractions.Fraction
    """
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        # Those of named tuples, or of a Row of Spark.
        names = getattr(value, "_fields", None) or getattr(value, "__fields__", None)
        return dict(zip(names, value, strict=True)) if names else list(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"JSON has nothing for a {type(value).__module__}.{type(value).__qualname__}")
