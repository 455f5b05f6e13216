"""Operators of PObjects: each is a map, with a PObject on the right as a side input."""

from __future__ import annotations

import operator
from functools import partial
from typing import TYPE_CHECKING, Any

from ..plan.nodes import Map
from ..pobject import PObject
from ..ptype import PType
from .call import Call
from .lowered import LeftOperand, RightOperand

if TYPE_CHECKING:
    from collections.abc import Callable


def unary(name: str, function: Callable[[Any], Any], operand: PObject) -> PObject:
    """Give ``function(value)``; an empty PObject gives an empty one."""
    call = Call(name, {}, [operand])
    return call.object(Map(call.input(operand), call.function(function)))


def binary(name: str, function: Callable[[Any, Any], Any], left: PObject, right: object) -> PObject:
    """Give ``function(left value, right)``.

    Args:
        name: the operator as it is written.
        function: from the two values.
        left: an empty PObject gives an empty one.
        right: a constant or a PObject; an empty PObject fails the run if the left has a value.

    Raises:
        ValueError: a PCollection or PTable on the right.
    """
    if not isinstance(right, PType):
        return unary(name, RightOperand(function, right), left)
    if not isinstance(right, PObject):
        raise ValueError(f"{name} works on PObjects and constants, not on a {type(right).__name__}")
    call = Call(name, {}, [left], [right])
    return call.object(Map(call.input(left), call.function(function), call.sides))


def reflected(name: str, function: Callable[[Any, Any], Any], right: PObject, left: object) -> PObject:
    """Give ``function(left, right value)`` for a constant on the left."""
    if isinstance(left, PType):
        raise ValueError(f"{name} works on PObjects and constants, not on a {type(left).__name__}")
    return unary(name, LeftOperand(function, left), right)


def rounded(operand: PObject, digits: int | None) -> PObject:
    """Give Python's ``round`` of the value.

    Raises:
        ValueError: the number of digits is not a whole number.
    """
    if digits is None:
        return unary("round", round, operand)
    try:
        digits = operator.index(digits)
    except TypeError:
        raise ValueError(f"round needs a whole number of digits, not {digits!r:.100}") from None
    return unary("round", partial(round, ndigits=digits), operand)
