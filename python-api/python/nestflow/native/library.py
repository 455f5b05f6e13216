"""Shared libraries in this process: each is opened once, and says which functions it has.

Must not be imported before there is a library: it loads the compiled module.
"""

from __future__ import annotations

import difflib
import json
import os
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InvalidConfException
from . import elf, header, resources
from .compiled import host
from .resources import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from .function import Description, NativeBatchFunction, NativeFunction

VERSION = 1
"""Of ``nestflow_function.h``."""

JSON, ARROW, SCHEMA = "nestflow_json_", "nestflow_arrow_", "nestflow_schema_"
_FORMS = {"struct": "pair", "value": "value", "envelope": "envelope"}
_SIDES = (("Input", "Output"), ("Request", "Response"), ("Argument", "Result"))

_opened: dict[tuple[str, Options], NativeLibrary] = {}
_lock = threading.Lock()


class Options(NamedTuple):
    """What a program says of a library that does not say it itself; travels with its functions."""

    free: str | None = None
    returns: str | tuple[tuple[str, str], ...] | None = None
    schemas: tuple[tuple[str, tuple[str | None, str | None]], ...] = ()
    integer_keys: bool = False


def opened(path: str, options: Options, package: str | None = None) -> NativeLibrary:
    """Give the library at a path, opened if this process has not opened it before.

    Raises:
        OSError: the system cannot load it.
        InvalidConfException: it is not of a form that can be called.
    """
    return _open(path, Resource(path, resources.digest(path), package), options)


def packed(package: str, path: str, options: Options) -> NativeLibrary:
    """Give the library of an installed package, for the modules that `pack` makes."""
    return opened(path, options, package)


def reopen(resource: Resource, options: Options, declared: dict[str, str], name: str | None = None) -> Any:
    """Give a library, or a function of it, from its pickle.

    Args:
        resource: the library.
        options: what the program said of it.
        declared: what the header beside it said, which may not have come with it.
        name: of the function.

    Raises:
        InvalidConfException: the library is not on this machine, or another file is in its place.
    """
    library = _opened.get((resource.digest, options))
    if library is None:
        library = _open(resources.locate(resource), resource, options, declared)
    return library if name is None else getattr(library, name)


def needed_by(plan: bytes) -> dict[str, str]:
    """Give the libraries whose functions a plan holds: where workers look for each, and its path here."""
    return {
        resources.place(library._resource): library._path
        for library in list(_opened.values())  # other threads may open some
        if library._resource.digest.encode() in plan
    }


def _open(
    path: str, resource: Resource, options: Options, declared: dict[str, str] | None = None
) -> NativeLibrary:
    with _lock:
        key = (resource.digest, options)
        if key not in _opened:
            _opened[key] = NativeLibrary(path, resource, options, declared)
        return _opened[key]


class NativeLibrary:
    """An open library: its functions are its attributes, and `dir` lists them.

    Example:
        >>> import nestflow as nf
        >>> pricing = nf.native("libpricing.so")  # doctest: +SKIP
        >>> pricing.price_of({"base": 2.0, "quantity": 3})  # doctest: +SKIP
        {'total': 6.0}
    """

    def __init__(
        self, path: str, resource: Resource, options: Options, declared: dict[str, str] | None
    ) -> None:
        """Open the library; `nestflow.native` is what programs call."""
        self._path = path
        self._resource = resource
        self._options = options
        self._file = host.NativeFile(path)
        self._title = os.path.basename(path)
        self._ours = self._file.has("nestflow_function_version")
        self._functions: dict[str, NativeFunction | NativeBatchFunction] = {}
        self._elf = elf.read(path)
        self._header = {} if self._ours else header.beside(path) if declared is None else declared
        self._free = self._checked()
        if self._file.has("crosscall2"):  # Go, whose threads are not forked
            os.register_at_fork(after_in_child=self._file.lose)

    def __getattr__(self, name: str) -> Any:
        """Give the function of this name: a `NativeFunction` or a `NativeBatchFunction`."""
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._functions:
            self._functions[name] = self._function(name)
        return self._functions[name]

    def __dir__(self) -> list[str]:
        """Give the names of the functions, as far as the library can be read."""
        if not self._ours:
            return self._names_of_others()
        if self._file.has("nestflow_functions"):
            return sorted(json.loads(self._file.text("nestflow_functions", False, self._free)))
        names = self._elf.functions if self._elf is not None else ()
        return sorted(name[len(p) :] for name in names for p in (JSON, ARROW) if name.startswith(p))

    def __repr__(self) -> str:
        return f"<native library {self._path}>"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Travel as a path and a hash."""
        return reopen, (self._resource, self._options, self._header)

    def _names_of_others(self) -> list[str]:
        free = {self._options.free}
        if self._header:
            return sorted(self._header.keys() - free)
        names = self._elf.functions if self._elf is not None else ()
        return [name for name in names if not name.startswith(("_", "crosscall")) and name not in free]

    def _checked(self) -> str | None:
        """The function that texts are given back with."""
        free, title = self._options.free, self._title
        if self._ours:
            version = self._file.number("nestflow_function_version")
            if version != VERSION:
                raise InvalidConfException(
                    f"{title} was made for version {version} of nestflow_function.h, not for {VERSION}"
                )
            if not self._file.has("nestflow_free"):
                raise InvalidConfException(
                    f"{title} has no nestflow_free, which its texts are given back with"
                )
            if self._options != Options(integer_keys=self._options.integer_keys):
                raise InvalidConfException(
                    f"{title} has nestflow_function.h: it says itself what is said here"
                )
            return "nestflow_free"
        if free is None:
            names = [name for name in self._names_of_others() if "free" in name.lower()]
            raise InvalidConfException(
                f"{title} does not say how its texts are freed. Say free='libc', free='never' or the name of "
                f"its function for that{', such as ' + ', '.join(names) if names else ''}"
            )
        if free not in ("libc", "never") and not self._file.has(free):
            raise InvalidConfException(f"{title} has no function {free} to free texts with")
        return None if free == "never" else free

    def _function(self, name: str) -> NativeFunction | NativeBatchFunction:
        from .function import NativeBatchFunction, NativeFunction

        if self._ours and self._file.has(ARROW + name):
            batches = NativeBatchFunction(self._file, ARROW + name, self._free, name, self._title)
            return batches._belongs(self, self._description(name))
        symbol = JSON + name if self._ours else name
        if not self._file.has(symbol):
            near = difflib.get_close_matches(name, dir(self), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise AttributeError(f"{self._title} has no function {name}{hint}")
        form = "envelope" if self._ours else _FORMS[self._returns(name)]
        description = self._description(name)
        made = NativeFunction(
            self._file,
            symbol,
            form,
            self._free,
            name,
            self._title,
            description.argument.numbered(),
            description.result.numbered(),
            self._options.integer_keys,
        )
        return made._belongs(self, description)

    def _returns(self, name: str) -> str:
        given = self._options.returns
        form = given if isinstance(given, str) else dict(given or ()).get(name)
        form = form or self._header.get(name, "struct")
        if form not in _FORMS:
            raise InvalidConfException(f"returns has to be one of {', '.join(_FORMS)}, not {form!r}")
        return form

    def _description(self, name: str) -> Description:
        from .function import Description

        if self._ours:
            if not self._file.has(SCHEMA + name):
                return Description()
            told = json.loads(self._file.text(SCHEMA + name, False, self._free) or "{}")
            return Description.of(told.get("argument"), told.get("result"), told.get("doc"))
        takes, gives = dict(self._options.schemas).get(name) or self._guessed(name)
        return Description.of(self._schema(takes), self._schema(gives), None, pointers=True)

    def _guessed(self, name: str) -> tuple[str | None, str | None]:
        """The functions that describe one, by their names. Only a header tells that they can be called."""
        pairs = [(f"Get{of}{a}Schema", f"Get{of}{b}Schema") for of in (name, "") for a, b in _SIDES]
        for takes, gives in pairs:
            if takes in self._header or gives in self._header:
                return takes if takes in self._header else None, gives if gives in self._header else None
        return None, None

    def _schema(self, name: str | None) -> Any:
        if name is None:
            return None
        text = self._file.text(name, self._returns(name) == "struct", self._free)
        return None if text is None else json.loads(text)
