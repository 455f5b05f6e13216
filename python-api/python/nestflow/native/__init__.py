"""Functions in shared libraries (Go, Rust, C, C++) as Python functions: ``native("libpricing.so").price_of``.

What a library has to look like stands in ``include/nestflow_function.h``; libraries that were not made
for nestflow load too. Opened here, called in Rust. Read in this order: ``library`` finds and opens,
``function`` is what users call, ``shapes`` understands JSON Schema, ``types`` makes Arrow's and Spark's of
it; ``pack`` makes wheels. Must stay light to import: everything else comes with the first library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from .library import NativeLibrary


def native(
    path_or_name: str | os.PathLike[str],
    *,
    free: str | None = None,
    returns: str | Mapping[str, str] | None = None,
    schemas: Mapping[str, str | tuple[str | None, str | None]] | None = None,
    integer_keys: bool = False,
) -> NativeLibrary:
    """Open a shared library; its functions are attributes of what comes back.

    A function takes one value and gives one, as JSON would hold them (or a batch, in the Arrow form). It
    works in plain Python, in ``map`` and every other transform at any depth, and in a ``udf`` of PySpark: it
    is pickled as the library's path, its own name and a hash of the library's content, and each process opens
    the library once. The interpreter's lock is released during calls.

    Args:
        path_or_name: the path of the library, or a name such as ``"pricing"`` or ``"libpricing.so"``, which
            is looked for in the working directory, in the folders of ``LD_LIBRARY_PATH`` and in those of
            ``sys.path``.
        free: how texts that functions give are given back. A library with ``nestflow_function.h`` says so
            itself. Others need ``"libc"``, the name of a function of their own that takes a ``char *``, or
            ``"never"``.
        returns: for libraries without that header, what functions return: ``"struct"`` (by value, of two
            ``char *``: the JSON of the value, and an error), ``"value"`` (the JSON of the value alone) or
            ``"envelope"`` (``{"value": …, "err": …}``); or a dict of that for each function, schema functions
            included. Where it is not given, the header beside the library (``libpricing.h``, as Go writes it)
            is read; without one it is ``"struct"``.
        schemas: for libraries without that header, which functions describe the argument and the result of
            a function in JSON Schema: ``{"price_of": ("GetInputSchema", "GetOutputSchema")}``.
        integer_keys: whether objects in results whose keys are all integers become dicts with integers as
            keys, where no schema tells.

    Raises:
        FileNotFoundError: there is no such library.
        OSError: the system cannot load it.
        InvalidConfException: it is not of a form that can be called, or does not say how texts are freed.

    Example:
        >>> native("/nowhere/libpricing.so")
        Traceback (most recent call last):
        FileNotFoundError: there is no library /nowhere/libpricing.so
    """
    from .library import Options, opened
    from .resources import find

    texts = {name: (pair, None) if isinstance(pair, str) else pair for name, pair in (schemas or {}).items()}
    options = Options(
        free=free,
        returns=returns if isinstance(returns, str) or returns is None else tuple(sorted(returns.items())),
        schemas=tuple(sorted(texts.items())),
        integer_keys=integer_keys,
    )
    return opened(find(path_or_name), options)


__all__ = ["native"]
