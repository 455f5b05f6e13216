"""Functions of libraries, as users see them: callable, picklable, typed where the types are described."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InvalidConfException
from . import shapes, types
from .compiled import host
from .library import reopen

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from .library import NativeLibrary
    from .shapes import Shape

    class _Call:
        def __new__(cls, *arguments: Any) -> Self: ...
        def __call__(self, argument: Any = None, /, **fields: Any) -> Any: ...
        def on_text(self, argument: str) -> str | None: ...

    class _BatchCall:
        def __new__(cls, *arguments: Any) -> Self: ...
        def on_capsules(self, schema: Any, array: Any, argument: Any, /) -> tuple[Any, Any]: ...

else:
    _Call, _BatchCall = host.NativeCall, host.NativeBatchCall

_SCALARS: dict[str | None, type] = {"boolean": bool, "integer": int, "number": float, "string": str}


class Described(NamedTuple):
    """What a library says of a value: the JSON Schema, and what we make of it."""

    schema: Any = None
    shape: Shape | None = None

    def numbered(self) -> list[dict[str, Any]] | None:
        """Give what the compiled host takes."""
        return shapes.numbered(self.shape)


class Description(NamedTuple):
    """What a library says of a function."""

    argument: Described = Described()
    result: Described = Described()
    doc: str | None = None

    @staticmethod
    def of(argument: Any, result: Any, doc: str | None, pointers: bool = False) -> Description:
        """Give the description of a function by the JSON Schemas of its argument and its result."""
        takes, gives = (
            Described() if schema is None else Described(schema, shapes.shape_of(schema, pointers))
            for schema in (argument, result)
        )
        return Description(takes, gives, doc)


class _OfLibrary:
    """What does not concern the call, for both forms."""

    library: NativeLibrary
    __name__: str
    _description: Description

    def _belongs(self, library: NativeLibrary, description: Description) -> Self:
        self.library = library
        self._description = description
        self.__qualname__ = self.__name__
        self.__doc__ = description.doc or f"The function {self.__name__} of {library._title}."
        return self

    @property
    def argument_schema(self) -> Any:
        """The JSON Schema of the argument; None where the library does not describe it."""
        return self._description.argument.schema

    @property
    def result_schema(self) -> Any:
        """The JSON Schema of the result; None where the library does not describe it."""
        return self._description.result.schema

    @property
    def arrow_schema(self) -> Any:
        """The result as a ``pyarrow.Schema`` where it is an object, else as a ``pyarrow.DataType``.

        Raises:
            InvalidConfException: the library does not describe it, or not as one type.
            ImportError: there is no pyarrow.
        """
        return types.arrow_schema(self._result())

    @property
    def spark_schema(self) -> Any:
        """The result as a type of Spark: what ``udf(function, function.spark_schema)`` wants.

        Raises:
            InvalidConfException: the library does not describe it, or not as one type.
            ImportError: there is no pyspark.
        """
        return types.spark_schema(self._result())

    @property
    def spark_json_schema(self) -> Any:
        """The same for ``from_json``, which reads the texts of ``on_text``: keys of maps are texts there.

        Raises:
            InvalidConfException: the library does not describe it, or not as one type.
            ImportError: there is no pyspark.
        """
        return types.spark_schema(self._result(), text_keys=True)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Travel as the library's path and hash, and a name."""
        library = self.library
        return reopen, (library._resource, library._options, library._header, self.__name__)

    def _result(self) -> Shape:
        shape = self._description.result.shape
        if shape is None:
            raise InvalidConfException(
                f"{self.library._title} does not describe the result of {self.__name__}"
            )
        return shape


class NativeFunction(_OfLibrary, _Call):
    """A function of the JSON form: takes a value and gives one.

    Called with one argument, or, where that is an object, with its fields by name. ``on_text`` takes and
    gives JSON texts as they are.

    Raises:
        NativeFunctionError: the library says that it failed.
        TypeError: the argument is not what the library describes, or nothing that JSON could hold.
    """

    @property
    def __signature__(self) -> inspect.Signature:
        """The parameters, for ``help`` and editors."""
        takes, gives = self._description.argument.shape, self._description.result.shape
        kinds = inspect.Parameter
        named = []
        if takes is not None and takes.only == "object":
            for name, inner in takes.fields.items():
                default = kinds.empty if name in takes.required else None
                if name.isidentifier():
                    hint = annotation(inner)
                    named.append(kinds(name, kinds.KEYWORD_ONLY, default=default, annotation=hint))
        default = None if named else kinds.empty
        first = kinds("argument", kinds.POSITIONAL_ONLY, default=default, annotation=annotation(takes))
        return inspect.Signature([first, *named], return_annotation=annotation(gives))


class NativeBatchFunction(_OfLibrary, _BatchCall):
    """A function of the Arrow form: takes a batch and gives one."""

    def __call__(self, batch: Any) -> Any:
        """Call the function.

        Args:
            batch: whatever has ``__arrow_c_array__``, such as a ``RecordBatch`` or ``Array`` of pyarrow; or a
                ``DataFrame`` or ``Series`` of pandas, or a list, for which pyarrow has to be there.

        Returns:
            The same kind of thing. For Arrow, that is one of pyarrow where pyarrow is imported, else an
            object with ``__arrow_c_array__``.

        Raises:
            NativeFunctionError: the library says that it failed.
            TypeError: it is no batch.
        """
        if hasattr(batch, "__arrow_c_array__"):
            schema, array = batch.__arrow_c_array__()
            made = ArrowResult(*self.on_capsules(schema, array, batch))
            return _imported(made) if "pyarrow" in sys.modules else made
        library = type(batch).__module__.partition(".")[0]
        if library == "pandas":
            import pyarrow  # type: ignore[import-not-found, import-untyped, unused-ignore]

            frame = hasattr(batch, "columns")
            make = pyarrow.RecordBatch.from_pandas if frame else pyarrow.Array.from_pandas
            given = make(batch, preserve_index=False) if frame else make(batch)
            return self(given).to_pandas()
        if isinstance(batch, list):
            import pyarrow

            array = pyarrow.array(batch)
            if pyarrow.types.is_struct(array.type):
                array = pyarrow.RecordBatch.from_struct_array(array)
            return self(array).to_pylist()
        raise TypeError(
            f"{self.__name__} takes batches of Arrow, data frames and lists, not a {type(batch).__name__}: "
            "call it with the batches of map_batches, or with a list of records"
        )


class ArrowResult:
    """A batch that a library gave, for whoever reads the Arrow C data interface; it can be read once."""

    def __init__(self, schema: Any, array: Any) -> None:
        """Keep the capsules."""
        self._capsules = (schema, array)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[Any, Any]:
        """Give the capsules of schema and array."""
        return self._capsules


def annotation(shape: Shape | None) -> Any:
    """Give the Python type of a value, one level deep.

    Example:
        >>> annotation(shapes.shape_of({"type": "array", "items": {"type": "number"}}))
        list[float]
    """
    if shape is None or not shape.kinds:
        return Any
    kind = shape.only
    if kind == "array":
        made: Any = list[annotation(shape.items)]  # type: ignore[misc]
    elif kind == "object":
        keys = int if shape.integer_keys and not shape.fields else str
        made = dict[keys, Any if shape.fields else annotation(shape.rest)]  # type: ignore[misc, valid-type]
    elif shape.kinds - {"null"} == {"integer", "number"}:
        made = float
    else:
        made = bytes if shape.base64 else _SCALARS.get(kind, Any)
    return made | None if shape.nullable and made is not Any else made


def _imported(made: ArrowResult) -> Any:
    import pyarrow

    array = pyarrow.array(made)
    if pyarrow.types.is_struct(array.type) and array.null_count == 0:
        return pyarrow.RecordBatch.from_struct_array(array)
    return array
