"""Modules under a second name: importing ``other.x`` gives the module ``nestflow.x`` itself."""

from __future__ import annotations

import importlib
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_OURS = "nestflow"


def install(name: str) -> None:
    """Give all modules of nestflow a second name; installing twice is harmless.

    Example:
        >>> install("same_flow")
        >>> import sys, types
        >>> sys.modules["same_flow"] = types.ModuleType("same_flow"); sys.modules["same_flow"].__path__ = []
        >>> import same_flow.transforms
        >>> same_flow.transforms.__name__
        'nestflow.transforms'
    """
    if not any(isinstance(finder, _Finder) and finder.name == name for finder in sys.meta_path):
        # In front: in a package of ours, Python would find its files, and make a second module of each.
        sys.meta_path.insert(0, _Finder(name))


class _Finder(MetaPathFinder):
    def __init__(self, name: str) -> None:
        self.name = name

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{self.name}."):
            return None
        ours = _OURS + fullname[len(self.name) :]
        try:
            module = importlib.import_module(ours)
        except ModuleNotFoundError as error:
            if error.name == ours:
                return None
            raise
        return ModuleSpec(fullname, _Same(module), is_package=hasattr(module, "__path__"))


class _Same(Loader):
    """Gives a module that is there already, as it was."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec
