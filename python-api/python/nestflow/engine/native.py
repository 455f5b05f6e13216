"""The way to the compiled module: imported with the first use, so that plans can be built without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import NestflowRuntimeException, redacted

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

FORMS = ("text", "logical", "stages", "mermaid")
"""The forms of an explanation."""

UNMEASURED = ("logical", "code")
"""Those that do not depend on the data and the machine."""


def native() -> ModuleType:
    """Give the compiled module.

    Raises:
        NestflowRuntimeException: it is not there.
    """
    try:
        from nestflow import _native
    except ImportError as error:
        raise NestflowRuntimeException(
            f"the compiled module nestflow._native is missing ({error}); build it with 'maturin develop'"
        ) from error
    return _native


def encode(records: list[Any]) -> list[bytes]:
    """Store records as blocks, now.

    Args:
        records: any values that Python can pickle; without any there may be no block.

    Raises:
        NestflowRuntimeException: the compiled module is not there.
    """
    if not records:
        return []
    blocks: list[bytes] = native().encode(records)
    return blocks


def describe(plan: bytes, form: str, by: Callable[[], tuple[object, ...]]) -> str:
    """Explain an encoded plan.

    Args:
        plan: the plan.
        form: one of `FORMS`, or ``code``.
        by: what the engine's planning goes by, as ``_native.explain`` takes it; asked for where it matters.

    Raises:
        ValueError: a form that does not exist.
        NestflowPlanningException: a plan that cannot be planned.

    Example:
        >>> describe(b"", "haiku", tuple)
        Traceback (most recent call last):
        ValueError: explain has no form 'haiku': it is one of text, logical, stages, mermaid
    """
    if form not in (*FORMS, "code"):
        raise ValueError(f"explain has no form {form!r}: it is one of {', '.join(FORMS)}")
    text: str = answer(native().explain, plan, form, *(() if form in UNMEASURED else by()))
    return redacted(text)


def answer(function: Callable[..., Any], *args: object) -> Any:
    """Call a function of the compiled module; its errors become the exceptions that the user is to see.

    Example:
        >>> answer(len, [1, 2])
        2
    """
    try:
        return function(*args)
    except native().RunError as error:
        from .failure import rebuilt

        failure, cause = rebuilt(error.args[0])
    raise failure from cause
