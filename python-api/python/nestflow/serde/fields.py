"""The serde of records with named fields, which the schema layer works on."""

from __future__ import annotations

from typing import Any

from .base import CppSerde, DefaultSerde, Serde
from .containers import _each, _joined, _read, fits


class FieldsDictSerde(CppSerde):
    """Dicts with certain fields: the names are not stored, a missing field is None, others are dropped.

    Example:
        >>> person = FieldsDictSerde({"name": str, "age": int})
        >>> person.deserialize(person.serialize({"name": "ann", "town": "Omsk"}))
        {'name': 'ann', 'age': None}
    """

    name = "fields_of"

    def __init__(self, fields: Any) -> None:
        """Take names, or a dict from name to whatever ``serde.of`` makes a serde of.

        Raises:
            ValueError: no fields, or names that are no texts.
        """
        from .infer import of
        from .wrapped import Optional

        if isinstance(fields, dict):
            kinds = {name: Optional(of(kind)) for name, kind in fields.items()}
        else:
            kinds = {name: Optional(DefaultSerde()) for name in fields}
        if not kinds or not all(isinstance(name, str) for name in kinds):
            raise ValueError(f"fields have to be names, or a dict from name to type, not {fields!r:.100}")
        self.fields: dict[str, Serde] = dict(kinds)

    def get_fields(self) -> list[str]:
        """Give the names."""
        return list(self.fields)

    def get_fields_serde(self) -> dict[str, Serde]:
        """Give the serde of each field."""
        return dict(self.fields)

    def fits(self, obj: Any) -> bool:
        """Whether it is a dict whose fields fit."""
        return isinstance(obj, dict) and all(fits(kind, obj.get(name)) for name, kind in self.fields.items())

    def conformed(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Give the record with these fields only."""
        return {name: obj.get(name) for name in self.fields}

    def _bytes_of(self, obj: Any) -> bytes:
        return _joined(_each(self.fields.values(), self.conformed(obj).values()))

    def deserialize(self, buf: bytes) -> dict[str, Any]:
        """Give the record."""
        return dict(zip(self.fields, _read(tuple(self.fields.values()), buf), strict=True))

    def __str__(self) -> str:
        """Show how it is made."""
        inner = ", ".join(f"{name!r}: {kind}" for name, kind in self.fields.items())
        return f"{self.name}({{{inner}}})"
