"""Pickles user functions and constants at the transform call, so that later changes are not seen.

What cannot be shipped is named by its place: the variable, attribute or item that holds it.
cloudpickle is imported with the first function, to keep ``import nestflow`` fast.
"""

from __future__ import annotations

import functools
import operator
import re
import types
from typing import TYPE_CHECKING, cast

from .errors import InvalidLogicalPlanException, NestflowPlanningException
from .plan.nodes import Function, StatefulFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_DEPTH = 12
_STATELESS = (
    *(type(None), bool, int, float, complex, str, bytes, type, range, re.Pattern),
    *(types.ModuleType, types.MethodDescriptorType, types.WrapperDescriptorType, operator.itemgetter),
    *(operator.attrgetter, operator.methodcaller),
)
_ADDITION = lambda a, b: a + b  # noqa: E731 (what others are compared with has to be a lambda too)


def needs_arguments(function: Callable[..., Any]) -> bool:
    """Say whether a function cannot be called without arguments, as far as it can be told.

    Example:
        >>> needs_arguments(lambda: 3), needs_arguments(lambda x: x)
        (False, True)
    """
    import inspect

    try:
        inspect.signature(function).bind()
    except TypeError:
        return True
    except ValueError:  # one of Python's own, which does not say what it takes
        return False
    return False


def ship_function(function: Callable[..., Any], role: str = "function") -> Function:
    """Pickle a function that the engine will call.

    Args:
        function: any callable.
        role: what messages call it: ``key``, ``initializer``.

    Raises:
        ValueError: it is not callable.
        InvalidLogicalPlanException: it holds a dataset.
        NestflowPlanningException: it holds something else that cannot be pickled.

    Example:
        >>> ship_function(len).name
        'len'
    """
    if not callable(function):
        raise ValueError(f"the {role} has to be callable, not {function!r:.100}")
    kind = StatefulFunction if _holds_state(function, set()) else Function
    return kind(function_name(function), _pickle(function, function_name(function)))


def ship_value(value: object, role: str) -> Function:
    """Pickle a constant, such as the zero of a fold.

    Raises:
        InvalidLogicalPlanException: it holds a dataset.
        NestflowPlanningException: it cannot be pickled.

    Example:
        >>> ship_value([1, 2], "zero").name
        'zero'
    """
    return Function(role, _pickle(value, f"the {role}"))


def function_name(function: object) -> str:
    """Give what the user would call a function.

    Example:
        >>> function_name(lambda x: x), function_name(print)
        ('<lambda>', 'print')
    """
    inner = getattr(function, "func", None)
    if inner is not None and not hasattr(function, "__name__"):
        return function_name(inner)
    return str(getattr(function, "__name__", type(function).__name__))


def adds(function: object) -> bool:
    """Whether a function is known to be ``a + b``, which the engine does without calling it.

    Known are `operator.add` and a function of two arguments that only adds them; of others nothing is
    claimed.

    Example:
        >>> adds(lambda x, y: x + y), adds(lambda x, y: y + x)
        (True, False)
    """
    if function is operator.add:
        return True
    if not isinstance(function, types.FunctionType):
        return False
    code, known = function.__code__, _ADDITION.__code__
    return code.co_code == known.co_code and code.co_argcount == code.co_nlocals == 2


def _cloudpickle() -> types.ModuleType:
    try:
        import cloudpickle
    except ImportError as error:
        raise NestflowPlanningException(
            f"functions are shipped with cloudpickle, which is not here ({error}): pip install cloudpickle"
        ) from error
    return cast("types.ModuleType", cloudpickle)


def _pickle(value: object, name: str) -> bytes:
    _cloudpickle()
    from .host.pickles import by_value

    try:
        return by_value(value)
    except InvalidLogicalPlanException as error:
        held, where = _culprit(value)
        raise InvalidLogicalPlanException(
            f"{name} holds a {type(held).__name__}{where}. A function that works on records cannot see a "
            "dataset: pass it to the transform as a side input, and it arrives as an argument of the function"
        ) from error
    except Exception as error:
        held, where = _culprit(value)
        raise NestflowPlanningException(
            f"{name} cannot be shipped: it holds a {type(held).__name__}{where or ' itself'}: {error}"
        ) from error


def _culprit(value: object) -> tuple[object, str]:
    """Find the innermost part that does not pickle, and the way to it in words."""
    path: list[str] = []
    for _ in range(_DEPTH):
        for step, part in _parts(value):
            if not _pickles(part):
                path.append(step)
                value = part
                break
        else:
            break
    return value, f" in {', '.join(path)}" if path else ""


def _pickles(value: object) -> bool:
    try:
        _cloudpickle().dumps(value, protocol=5)
    except Exception:
        return False
    return True


def _holds_state(value: object, seen: set[int]) -> bool:
    """Whether a call might change what goes along with a function; if in doubt, it might."""
    if id(value) in seen or isinstance(value, _STATELESS):
        return False
    seen.add(id(value))
    if isinstance(value, types.BuiltinFunctionType):
        return _holds_state(value.__self__, seen)
    if isinstance(value, types.FunctionType):
        # Its module belongs to the process that imports it.
        if _cloudpickle().cloudpickle._should_pickle_by_reference(value):
            return False
    elif isinstance(value, functools.partial):
        return any(_holds_state(part, seen) for part in (value.func, *value.args, *value.keywords.values()))
    elif not isinstance(value, (tuple, frozenset, types.MethodType)) and (
        type(value).__module__.partition(".")[0] != __package__ or not hasattr(value, "__dict__")
    ):
        return True
    return any(_holds_state(part, seen) for _, part in _parts(value))


def _parts(value: object) -> Iterator[tuple[str, object]]:
    """Give what a value refers to, each with the words that say how."""
    if isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=False):
            try:
                yield f"its variable {name!r}", cell.cell_contents
            except ValueError:  # the cell is empty: nothing is bound yet
                continue
        for name in _global_names(value.__code__):
            if name in value.__globals__:
                yield f"the global {name!r}", value.__globals__[name]
        for default in value.__defaults__ or ():
            yield "a default of its arguments", default
    elif isinstance(value, types.MethodType):
        yield "the object that it is a method of", value.__self__
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield "an item", item
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"the item {key!r:.40}", item
    else:
        if hasattr(value, "func") and hasattr(value, "keywords"):
            yield "the function of the partial", value.func
            yield "the arguments of the partial", (*getattr(value, "args", ()), value.keywords)
        for name, item in getattr(value, "__dict__", {}).items():
            yield f"the attribute {name!r}", item


def _global_names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _global_names(constant)
