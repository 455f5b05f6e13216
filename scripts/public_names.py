"""The public names of nestflow by section: what the page of tests and the reference list.

Not run by itself; `scripts/coverage.py`, `scripts/record_tests.py` and tests load it.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

MODULES = {
    "Transforms": ["transforms", "transform_impls.sort", "transform_impls.group_by_every_record"],
    "Sources and targets": ["input", "output"],
    "Schema": ["schema", "future.fields"],
    "Serdes": ["serde"],
    "Errors": ["error"],
    "Other modules": ["base", "counter", "lazy_var", "udf", "test.magic", "test.test_base"],
    "Utilities": [f"util.{name}" for name in ("broadcast", "utils", "path_util", "decorators", "log")],
}
"""Modules below ``nestflow`` whose public names are listed."""

CLASSES = {
    "Methods": ["Pipeline", "PCollection", "PObject", "PTable", "Transformer"],
    "Methods of sources and targets": [
        "input.SequenceFile",
        "input.UserInputBase",
        "output.TextFile",
        "output.SequenceFile",
        "output.UserOutputBase",
    ],
}
"""Classes whose public methods are listed; some of them are for users to override."""

OPERATORS = (
    "add sub mul truediv floordiv mod pow lshift rshift and xor or "
    "radd rsub rmul rtruediv rfloordiv rmod rpow rlshift rrshift rand rxor ror "
    "lt le eq ne gt ge neg pos abs invert bool"
)

MORE = {
    "Other modules": [
        "NativeFunctionError",
        "compat.alias.install",
        "compat.bigflow",
        "from_spark",
        "native",
        "resources.resource",
    ],
    "Methods": [
        "Pipeline._set_before_run_hook",
        "Pipeline._set_after_run_hook",
        "Pipeline._path_exists",
        "Pipeline._force_delete_file",
    ],
    "Operators of PObjects": [f"PObject.__{name}__" for name in OPERATORS.split()],
}
"""What the lists above do not reach."""


def public() -> dict[str, list[str]]:
    """Give the names below ``nestflow``, by section."""
    sections: dict[str, list[str]] = {}
    for title, modules in MODULES.items():
        sections[title] = [f"{module}.{name}" for module in modules for name in _names(found(module))]
    for title, classes in CLASSES.items():
        sections[title] = [
            f"{path}.{name}"
            for path in classes
            for name in dir(found(path))
            if not name.startswith("_") and not hasattr(object, name)
        ]
    for title, names in MORE.items():
        sections.setdefault(title, []).extend(names)
    return {title: sorted(names) for title, names in sections.items()}


def found(name: str) -> Any:
    """Give what a name below ``nestflow`` stands for."""
    found: Any = importlib.import_module("nestflow")
    for part in name.split(".") if name else []:
        try:
            found = getattr(found, part)
        except AttributeError:
            found = importlib.import_module(f"{found.__name__}.{part}")
    return found


def _names(module: ModuleType) -> list[str]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    ]
