"""What a JSON Schema says of a type, as far as it is used: the only place that understands JSON Schema.

Used are ``type``, ``properties``, ``required``, ``additionalProperties``, ``patternProperties``, ``items``,
``enum`` of strings, ``contentEncoding: base64``, ``$ref`` into ``$defs`` or ``definitions``, and
``anyOf``/``oneOf`` of one type and null. Whatever else a schema says is left to the library to check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ..errors import InvalidConfException

KINDS = {"null": 1, "boolean": 2, "integer": 4, "number": 8, "string": 16, "array": 32, "object": 64}
"""The types of JSON, as the compiled host has them."""

_INTEGERS = re.compile(r"\^?\(?-?(\\?-\??)?\)?(\(?0\|)?(\[0-9\]|\[1-9\]|\\d)(\[0-9\]|\\d)?[+*]?\)?\$?")


@dataclass
class Shape:
    """The type of a value. Shapes may contain themselves."""

    kinds: frozenset[str] = frozenset()
    """Types of JSON; none of them: anything."""
    items: Shape | None = None
    fields: dict[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    rest: Shape | None = None
    """Of values besides the fields."""
    closed: bool = False
    """Whether there is nothing besides the fields."""
    integer_keys: bool = False
    base64: bool = False
    choices: tuple[str, ...] = ()
    name: str = ""
    """What the schema calls the type."""
    unsigned: bool = False
    """Whether integers are those of 64 bits without a sign."""

    @property
    def nullable(self) -> bool:
        """Whether there may be null."""
        return not self.kinds or "null" in self.kinds

    @property
    def only(self) -> str | None:
        """The one type that values have unless they are null."""
        kinds = self.kinds - {"null"}
        return next(iter(kinds)) if len(kinds) == 1 else None


def shape_of(schema: Any, pointers: bool = False) -> Shape:
    """Give the type that a JSON Schema describes.

    Args:
        schema: the schema, as JSON has it.
        pointers: whether objects and arrays may be null although the schema does not say so: schemas
            that are made of Go's types by reflection say nothing of null pointers.

    Raises:
        InvalidConfException: a reference leads nowhere, or it is no schema at all.

    Example:
        >>> shape = shape_of({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
        >>> shape.only, shape.fields["n"].only, sorted(shape.required)
        ('object', 'integer', ['n'])
    """
    compiler = _Compiler(schema, pointers)
    shape = compiler.shape(schema, "")
    compiler.finish()
    return shape


def numbered(shape: Shape | None) -> list[dict[str, Any]] | None:
    """Give a shape and all that it refers to as the compiled host takes them: the first is the whole."""
    if shape is None:
        return None
    order: list[Shape] = []
    numbers: dict[int, int] = {}

    def number(shape: Shape | None) -> int | None:
        if shape is None:
            return None
        if id(shape) not in numbers:
            numbers[id(shape)] = len(order)
            order.append(shape)
        return numbers[id(shape)]

    number(shape)
    made = []
    for each in order:  # grows on the way
        fields = [
            {"name": name, "key": name, "shape": number(inner), "required": name in each.required}
            for name, inner in each.fields.items()
        ]
        made.append(
            {
                "kinds": sum(KINDS[kind] for kind in each.kinds),
                "items": number(each.items),
                "fields": fields,
                "rest": number(each.rest),
                "closed": each.closed,
                "integer_keys": each.integer_keys,
                "base64": each.base64,
                "choices": list(each.choices),
            }
        )
    return made


class _Compiler:
    def __init__(self, root: Any, pointers: bool) -> None:
        self._root = root
        self._pointers = pointers
        self._named: dict[str, Shape] = {}
        # Types that are others or null; the others may not be known before the end.
        self._or_null: list[tuple[Shape, Shape]] = []

    def finish(self) -> None:
        meant = {id(made): other for made, other in self._or_null}
        for made, other in self._or_null:
            seen = {id(made)}
            while id(other) in meant and id(other) not in seen:
                seen.add(id(other))
                other = meant[id(other)]
            made.__dict__.update(other.__dict__)
            made.kinds = other.kinds | {"null"} if other.kinds else other.kinds

    def shape(self, schema: Any, name: str) -> Shape:
        if schema is True or schema == {}:
            return Shape()
        if not isinstance(schema, dict):
            raise InvalidConfException(f"no JSON Schema: {schema!r:.100}")
        if "$ref" in schema:
            return self._referred(schema["$ref"])
        for word in ("anyOf", "oneOf", "allOf"):
            if word in schema and "type" not in schema:
                return self._either(schema[word], name)
        made = Shape(name=str(schema.get("title") or name))
        self._fill(made, schema)
        return made

    def _referred(self, reference: Any) -> Shape:
        if reference in self._named:
            return self._named[reference]
        place = self._root
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise InvalidConfException(f"a JSON Schema refers to {reference!r}, which is not inside of it")
        for step in reference[1:].split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(place, dict) or step not in place:
                raise InvalidConfException(f"a JSON Schema refers to {reference!r}, which is not there")
            place = place[step]
        # Known before it is looked into: it may refer to itself.
        made = self._named[reference] = Shape()
        found = self.shape(place, reference.rsplit("/", 1)[-1])
        made.__dict__.update(found.__dict__)
        self._or_null += [(made, other) for pending, other in self._or_null if pending is found]
        return made

    def _either(self, schemas: list[Any], name: str) -> Shape:
        shapes = [self.shape(each, name) for each in schemas]
        others = [each for each in shapes if each.kinds != {"null"}]
        if len(others) != 1:
            return Shape(name=name)
        if len(others) == len(shapes):
            return others[0]
        made = Shape()
        self._or_null.append((made, others[0]))
        return made

    def _fill(self, made: Shape, schema: dict[str, Any]) -> None:
        kinds = schema.get("type", ())
        kinds = {kinds} if isinstance(kinds, str) else set(kinds)
        if unknown := kinds - KINDS.keys():
            raise InvalidConfException(f"a JSON Schema has the type {unknown.pop()!r}")
        if not kinds and ("properties" in schema or "patternProperties" in schema):
            kinds = {"object"}
        choices = schema.get("enum", ())
        if choices and all(isinstance(choice, str) or choice is None for choice in choices):
            made.choices = tuple(choice for choice in choices if choice is not None)
            kinds = kinds or {"string"} | ({"null"} if None in choices else set())
        if self._pointers and kinds & {"object", "array"}:
            kinds = kinds | {"null"}
        made.kinds = frozenset(kinds)
        made.base64 = schema.get("contentEncoding") == "base64"
        made.unsigned = schema.get("format") == "uint64"
        if "items" in schema:
            made.items = self.shape(schema["items"], f"{made.name}Item")
        for key, inner in schema.get("properties", {}).items():
            made.fields[key] = self.shape(inner, f"{made.name}{key[:1].upper()}{key[1:]}")
        made.required = frozenset(schema.get("required", ())) & made.fields.keys()
        patterns = schema.get("patternProperties", {})
        additional = schema.get("additionalProperties", True)
        if len(patterns) == 1:
            pattern, inner = next(iter(patterns.items()))
            made.rest = self.shape(inner, f"{made.name}Value")
            made.integer_keys = bool(_INTEGERS.fullmatch(pattern))
        elif isinstance(additional, dict):
            made.rest = self.shape(additional, f"{made.name}Value")
        elif additional is False and not patterns:
            made.closed = True
        names = schema.get("propertyNames", {})
        if isinstance(names, dict) and _INTEGERS.fullmatch(str(names.get("pattern", ""))):
            made.integer_keys = True
