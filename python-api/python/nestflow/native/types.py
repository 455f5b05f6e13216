"""Types of Arrow and of Spark for what a JSON Schema describes; neither library is imported before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidConfException

if TYPE_CHECKING:
    from collections.abc import Callable

    from .shapes import Shape


def arrow_schema(shape: Shape) -> Any:
    """Give a ``pyarrow.Schema`` for an object, and a ``pyarrow.DataType`` for anything else.

    Raises:
        ImportError: there is no pyarrow.
        InvalidConfException: the schema does not say which one type something has.
    """
    import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]

    maker = _Maker(
        {
            "boolean": pyarrow.bool_(),
            "integer": pyarrow.int64(),
            "unsigned": pyarrow.uint64(),
            "number": pyarrow.float64(),
            "string": pyarrow.string(),
            "binary": pyarrow.binary(),
        },
        struct=pyarrow.struct,
        field=pyarrow.field,
        list=lambda items, nullable: pyarrow.list_(pyarrow.field("item", items, nullable)),
        map=lambda keys, values, nullable: pyarrow.map_(keys, pyarrow.field("value", values, nullable)),
    )
    made = maker.type(shape, "", ())
    return pyarrow.schema(list(made)) if shape.only == "object" and shape.fields else made


def spark_schema(shape: Shape, text_keys: bool = False) -> Any:
    """Give the type of Spark: a ``StructType`` for an object.

    Args:
        shape: of the values.
        text_keys: whether the keys of maps are texts, as ``from_json`` wants them.

    Raises:
        ImportError: there is no pyspark.
        InvalidConfException: the schema does not say which one type something has.
    """
    from pyspark.sql import types  # type: ignore[import-not-found, import-untyped, unused-ignore]

    maker = _Maker(
        {
            "boolean": types.BooleanType(),
            "integer": types.LongType(),
            "unsigned": types.DecimalType(20, 0),
            "number": types.DoubleType(),
            "string": types.StringType(),
            "binary": types.BinaryType(),
        },
        struct=types.StructType,
        field=types.StructField,
        list=types.ArrayType,
        map=lambda keys, values, nullable: types.MapType(
            types.StringType() if text_keys else keys, values, nullable
        ),
    )
    return maker.type(shape, "", ())


@dataclass
class _Maker:
    """Makes the types of one library; `field`, `list` and `map` are told whether there may be nulls."""

    scalars: dict[str, Any]
    struct: Callable[[list[Any]], Any]
    field: Callable[[str, Any, bool], Any]
    list: Callable[[Any, bool], Any]
    map: Callable[[Any, Any, bool], Any]

    def type(self, shape: Shape, place: str, above: tuple[int, ...]) -> Any:
        if id(shape) in above:
            raise InvalidConfException(f"{place} contains itself, which no column can")
        above = (*above, id(shape))
        kind = _kind(shape)
        if kind == "array" and shape.items is not None:
            return self.list(self.type(shape.items, f"{place}[]", above), shape.items.nullable)
        if kind == "object" and shape.fields:
            fields = []
            for name, inner in shape.fields.items():
                made = self.type(inner, f"{place}.{name}", above)
                fields.append(self.field(name, made, inner.nullable or name not in shape.required))
            return self.struct(fields)
        if kind == "object" and shape.rest is not None:
            keys = self.scalars["integer" if shape.integer_keys else "string"]
            return self.map(keys, self.type(shape.rest, f"{place}{{}}", above), shape.rest.nullable)
        if kind not in self.scalars:
            known = " or ".join(sorted(shape.kinds)) or "anything"
            raise InvalidConfException(f"{place or 'the whole'} is {known}, which is no type of a column")
        return self.scalars[kind]


def _kind(shape: Shape) -> str:
    if shape.kinds - {"null"} == {"integer", "number"}:
        return "number"
    if shape.only == "string" and shape.base64:
        return "binary"
    if shape.only == "integer" and shape.unsigned:
        return "unsigned"
    return shape.only or ""
