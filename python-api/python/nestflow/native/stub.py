"""The typed stub of a module of native functions: a ``TypedDict`` for each object that schemas describe."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING

from .function import NativeFunction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .function import NativeBatchFunction
    from .shapes import Shape

_SCALARS = {"boolean": "bool", "integer": "int", "number": "float", "string": "str"}
_HEAD = '''"""{doc}"""

from typing import Any, Literal, overload

from nestflow.native.function import NativeBatchFunction, NativeFunction
from nestflow.native.library import NativeLibrary
from typing_extensions import NotRequired, TypedDict

library: NativeLibrary
'''


def stub(functions: Iterable[NativeFunction | NativeBatchFunction], doc: str) -> str:
    """Give the text of a ``.pyi`` for a module of these functions."""
    types, parts = _Types(), []
    for function in functions:
        name = function.__name__
        if not isinstance(function, NativeFunction):
            parts.append(f"{name}: NativeBatchFunction\n")
            continue
        takes, gives = function._description.argument.shape, function._description.result.shape
        camel = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
        argument, result = types.text(takes, f"{camel}Argument"), types.text(gives, f"{camel}Result")
        calls = [f"argument: {argument}, /"]
        if takes is not None and takes.only == "object" and takes.fields and all(map(_is_name, takes.fields)):
            calls.append("*, " + ", ".join(_parameters(types, takes)))
        parts.append(_class(name, camel, calls, result, str(function.__doc__)))
    return "\n".join([_HEAD.format(doc=doc), *types.classes.values(), *parts])


def _class(name: str, camel: str, calls: list[str], result: str, doc: str) -> str:
    lines = [f"class _{camel}(NativeFunction):", f"    {_quoted(doc)}", ""]
    for call in calls:
        if len(calls) > 1:
            lines.append("    @overload")
        lines.append(f"    def __call__(self, {call}) -> {result}: ...  # type: ignore[override]")
    return "\n".join([*lines, "", f"{name}: _{camel}", ""])


def _parameters(types: _Types, shape: Shape) -> Iterable[str]:
    for field, inner in shape.fields.items():
        hint = types.text(inner, "")
        yield f"{field}: {hint}" if field in shape.required else f"{field}: {_or_none(hint)} = ..."


class _Types:
    """Names types, and keeps the classes that it takes."""

    def __init__(self) -> None:
        self.classes: dict[str, str] = {}
        self._names: dict[int, str] = {}

    def text(self, shape: Shape | None, name: str) -> str:
        if shape is None or not shape.kinds:
            return "Any"
        texts = [self._of(kind, shape, name) for kind in sorted(shape.kinds - {"null"})]
        return " | ".join([*texts, *(["None"] if "null" in shape.kinds else [])])

    def _of(self, kind: str, shape: Shape, name: str) -> str:
        if kind == "array":
            return f"list[{self.text(shape.items, f'{name}Item')}]"
        if kind == "object" and shape.fields:
            return self._dict(shape, name)
        if kind == "object":
            return f"dict[{'int' if shape.integer_keys else 'str'}, {self.text(shape.rest, f'{name}Value')}]"
        if kind == "string" and shape.choices:
            return f"Literal[{', '.join(map(repr, shape.choices))}]"
        return "bytes" if kind == "string" and shape.base64 else _SCALARS[kind]

    def _dict(self, shape: Shape, name: str) -> str:
        if id(shape) in self._names:
            return self._names[id(shape)]
        wanted = shape.name if _is_name(shape.name) else name or "Object"
        name, number = wanted, 2
        while name in self.classes:
            name, number = f"{wanted}{number}", number + 1
        self._names[id(shape)], self.classes[name] = name, ""
        fields = {}
        for field, inner in shape.fields.items():
            hint = self.text(inner, f"{name}{field[:1].upper()}{field[1:]}")
            fields[field] = hint if field in shape.required else f"NotRequired[{hint}]"
        if all(map(_is_name, fields)):
            lines = [f"class {name}(TypedDict):", *(f"    {field}: {hint}" for field, hint in fields.items())]
        else:
            inside = ", ".join(f"{field!r}: {hint}" for field, hint in fields.items())
            lines = [f"{name} = TypedDict({name!r}, {{{inside}}})"]
        self.classes[name] = "\n".join([*lines, ""])
        return name


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _or_none(hint: str) -> str:
    return hint if hint == "Any" or hint.endswith("None") else f"{hint} | None"


def _quoted(doc: str) -> str:
    return '"""' + doc.replace("\\", "\\\\").replace('"""', "'''") + '"""'
