"""Transforms of the original system that have nothing to stand on here: they say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from ..ptype import PType


def window_into(pvalue: PType, window: object, **options: Any) -> NoReturn:
    """Refuse: windows belong to streams, which no engine has.

    Raises:
        NotImplementedError: always.

    Example:
        >>> window_into(None, None)
        Traceback (most recent call last):
        NotImplementedError: window_into is not available: group_by a time of the record instead
    """
    raise NotImplementedError("window_into is not available: group_by a time of the record instead")


def idl_to_str(pvalue: PType, **options: Any) -> NoReturn:
    """Refuse: the format needs a library that is not public.

    Raises:
        NotImplementedError: always.

    Example:
        >>> idl_to_str(None)
        Traceback (most recent call last):
        NotImplementedError: idl_to_str is not available: its format needs a library that is not public
    """
    raise NotImplementedError("idl_to_str is not available: its format needs a library that is not public")


def str_to_idl(pvalue: PType, **options: Any) -> NoReturn:
    """Refuse: the format needs a library that is not public.

    Raises:
        NotImplementedError: always.

    Example:
        >>> str_to_idl(None)
        Traceback (most recent call last):
        NotImplementedError: str_to_idl is not available: its format needs a library that is not public
    """
    raise NotImplementedError("str_to_idl is not available: its format needs a library that is not public")
