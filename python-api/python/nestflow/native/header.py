"""The C header beside a library, as Go writes it: what functions return that say nothing of it themselves."""

from __future__ import annotations

import os
import re

_COMMENTS = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_PROTOTYPE = re.compile(r"\bextern\s+([^;{}()\"]+?)\s*\b(\w+)\s*\(([^()]*)\)\s*;")


def beside(path: str) -> dict[str, str]:
    """Give what functions return that take one text or nothing: ``struct`` or ``value``, by name.

    Example:
        >>> beside("/nowhere/libpricing.so")
        {}
    """
    try:
        with open(os.path.splitext(path)[0] + ".h", encoding="utf-8") as file:
            text = _COMMENTS.sub(" ", file.read())
    except (OSError, UnicodeDecodeError):
        return {}
    found = {}
    for result, name, parameters in _PROTOTYPE.findall(text):
        takes = parameters.strip()
        if takes not in ("", "void") and ("," in takes or "char" not in takes):
            continue
        if "*" in result:
            if "char" in result:
                found[name] = "value"
        elif result.split()[-1] not in _SCALARS:
            found[name] = "struct"
    return found


_SCALARS = frozenset(
    ["void", "int", "long", "short", "char", "float", "double", "unsigned", "size_t", "_Bool", "bool"]
    + [f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    + ["GoInt", "GoUint", "GoUint8", "GoInt32", "GoInt64", "GoFloat64", "GoString", "uintptr_t"]
)
