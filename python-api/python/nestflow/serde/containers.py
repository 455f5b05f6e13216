"""Serdes of containers: each element after its length, four bytes, little endian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidDataException
from .base import CppSerde, DefaultSerde, Serde

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class _ContainerSerde(CppSerde):
    """Keeps the serdes of the elements."""

    def __init__(self, *elements: Any) -> None:
        """Take serdes, or whatever ``serde.of`` makes serdes of."""
        from .infer import of

        self.elements = tuple(of(element) for element in elements)

    def get_fields(self) -> list[Serde]:
        """Give the serdes of the elements."""
        return list(self.elements)

    def __str__(self) -> str:
        """Show how it is made."""
        return f"{self.name}({', '.join(map(str, self.elements))})"


class TupleSerde(_ContainerSerde):
    """Tuples with a serde for each element.

    Example:
        >>> TupleSerde(int, str).deserialize(TupleSerde(int, str).serialize((1, "a")))
        (1, 'a')
    """

    name = "tuple_of"
    classes = (tuple,)

    def fits(self, obj: Any) -> bool:
        """Whether it is a tuple of so many elements that fit."""
        return isinstance(obj, tuple) and _fit_each(self.elements, obj)

    def _bytes_of(self, obj: Any) -> bytes:
        return _joined(_each(self.elements, obj))

    def deserialize(self, buf: bytes) -> tuple[Any, ...]:
        """Give the tuple."""
        return tuple(_read(self.elements, buf))


class ListSerde(_ContainerSerde):
    """Lists: of any length with one serde for all elements, or with a serde for each.

    Example:
        >>> ListSerde(int).deserialize(ListSerde(int).serialize([1, 2, 3]))
        [1, 2, 3]
    """

    name = "list_of"
    classes = (list,)

    def fits(self, obj: Any) -> bool:
        """Whether it is a list of elements that fit."""
        return isinstance(obj, list) and _fit_each(self._for(len(obj)), obj)

    def _for(self, length: int) -> tuple[Serde, ...]:
        return self.elements * length if len(self.elements) == 1 else self.elements

    def _bytes_of(self, obj: Any) -> bytes:
        return _joined(_each(self._for(len(obj)), obj))

    def deserialize(self, buf: bytes) -> list[Any]:
        """Give the list."""
        parts = list(_parts(buf))
        return [serde.deserialize(part) for serde, part in _paired(self._for(len(parts)), parts)]


class SetSerde(_ContainerSerde):
    """Sets with one serde for all elements.

    Example:
        >>> SetSerde(int).deserialize(SetSerde(int).serialize({7}))
        {7}
    """

    name = "set_of"
    classes = (set,)

    def __init__(self, element: Any = None) -> None:
        """Take the serde of the elements; None takes any."""
        super().__init__(DefaultSerde() if element is None else element)

    def fits(self, obj: Any) -> bool:
        """Whether it is a set of elements that fit."""
        return isinstance(obj, (set, frozenset)) and _fit_each(self.elements * len(obj), obj)

    def _bytes_of(self, obj: Any) -> bytes:
        return _joined(_each(self.elements * len(obj), obj))

    def deserialize(self, buf: bytes) -> set[Any]:
        """Give the set."""
        return {self.elements[0].deserialize(part) for part in _parts(buf)}


class DictSerde(_ContainerSerde):
    """Dicts with one serde for all keys and one for all values.

    Example:
        >>> DictSerde(int, str).deserialize(DictSerde(int, str).serialize({1: "a"}))
        {1: 'a'}
    """

    name = "dict_of"
    classes = (dict,)

    def __init__(self, key: Any = None, value: Any = None) -> None:
        """Take the serdes of keys and values; None takes any."""
        super().__init__(*(DefaultSerde() if serde is None else serde for serde in (key, value)))

    def fits(self, obj: Any) -> bool:
        """Whether it is a dict of keys and values that fit."""
        return isinstance(obj, dict) and _fit_each(self.elements * len(obj), _flat(obj))

    def _bytes_of(self, obj: Any) -> bytes:
        return _joined(_each(self.elements * len(obj), _flat(obj)))

    def deserialize(self, buf: bytes) -> dict[Any, Any]:
        """Give the dict."""
        parts = list(_parts(buf))
        key, value = self.elements
        pairs = zip(parts[::2], parts[1::2], strict=True)
        return {key.deserialize(k): value.deserialize(v) for k, v in pairs}


def fits(serde: Serde, value: Any) -> bool:
    """Whether a serde takes a value; one of the user's own is believed to.

    Example:
        >>> from nestflow.serde import IntSerde
        >>> fits(IntSerde(), "a")
        False
    """
    return not isinstance(serde, CppSerde) or serde.fits(value)


def _flat(mapping: dict[Any, Any]) -> list[Any]:
    return [part for item in mapping.items() for part in item]


def _fit_each(serdes: tuple[Serde, ...], values: Any) -> bool:
    return len(serdes) == len(values) and all(
        fits(serde, value) for serde, value in zip(serdes, values, strict=True)
    )


def _each(serdes: Iterable[Serde], values: Iterable[Any]) -> Iterator[bytes]:
    return (serde.serialize(value) for serde, value in zip(serdes, values, strict=True))


def _joined(parts: Iterable[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "little") + part for part in parts)


def _parts(buf: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(buf):
        size = int.from_bytes(buf[at : at + 4], "little")
        part = buf[at + 4 : at + 4 + size]
        if len(part) < size or len(buf) < at + 4:
            raise InvalidDataException("the bytes of a container end within an element")
        yield part
        at += 4 + size


def _paired(serdes: tuple[Serde, ...], parts: list[bytes]) -> Iterator[tuple[Serde, bytes]]:
    if len(serdes) != len(parts):
        raise InvalidDataException(f"a container of {len(parts)} elements where {len(serdes)} were expected")
    return zip(serdes, parts, strict=True)


def _read(serdes: tuple[Serde, ...], buf: bytes) -> Iterator[Any]:
    return (serde.deserialize(part) for serde, part in _paired(serdes, list(_parts(buf))))
