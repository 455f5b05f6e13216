"""Records of Hadoop sequence files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidSeqSerdeException
from ..plan.nodes import SequenceForm
from ..serde import of, tuple_of
from ..transforms.serdes import UNSEEN
from .files import FileInput

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from ..pcollection import PCollection
    from ..serde import Serde


class SequenceFile(FileInput):
    """Records of Hadoop sequence files, as they are or compressed by record or block (zlib, gzip).

    Keys and values of the classes ``BytesWritable`` and ``Text`` give their bytes; of other classes,
    what they have written.

    Args:
        paths: as for `TextFile`.
        serde: makes a record of the bytes of a value; keys are dropped. None: the pipeline's default.
        key_serde: with ``value_serde``: records are pairs of both.
        value_serde: with ``key_serde``.
        options: ``partitioned=True`` gives a table from the path of each file to its records. Others are
            hints of the original system, without effect.

    Raises:
        ValueError: no path.
        InvalidSeqSerdeException: only one of ``key_serde`` and ``value_serde``.

    Example:
        >>> from nestflow import serde
        >>> SequenceFile("visits", key_serde=serde.str_(), value_serde=serde.int_())
        SequenceFile('visits')
    """

    def __init__(
        self,
        *paths: str | os.PathLike[str],
        serde: Any = None,
        key_serde: Any = None,
        value_serde: Any = None,
        **options: Any,
    ) -> None:
        """Check the arguments; files are looked at by the run."""
        super().__init__(paths, SequenceForm(), options)
        check_pair(key_serde, value_serde)
        self._serde = None if serde is None else of(serde)
        self._pair = None if key_serde is None else (of(key_serde), of(value_serde))
        self._function: Callable[[tuple[bytes, bytes]], Any] | None = None

    def as_type(self, fn: Callable[[tuple[bytes, bytes]], Any]) -> SequenceFile:
        """Make records by ``fn((key, value))``, both bytes; gives the source itself.

        Raises:
            ValueError: not callable.

        Example:
            >>> SequenceFile("visits").as_type(lambda pair: len(pair[1]))
            SequenceFile('visits')
        """
        if not callable(fn):
            raise ValueError(f"as_type needs a function of a pair of bytes, not {fn!r:.100}")
        self._function = fn
        return self

    def _decoded(self, records: PCollection) -> PCollection:
        if self._function is not None:
            return records.map(self._function, serde=self._serde)
        if self._pair is not None:
            made = records.map(_Pair(*self._pair), **UNSEEN)
            made._serde = tuple_of(*self._pair)
            return made
        serde = self._serde or records.pipeline().default_objector()
        made = records.map(_Value(serde), **UNSEEN)
        made._serde = serde
        return made


class _Pair:
    """From bytes to key and value."""

    def __init__(self, key: Serde, value: Serde) -> None:
        self.key = key
        self.value = value

    def __call__(self, pair: tuple[bytes, bytes]) -> tuple[Any, Any]:
        return self.key.deserialize(pair[0]), self.value.deserialize(pair[1])


class _Value:
    """From bytes to the value."""

    def __init__(self, serde: Serde) -> None:
        self.serde = serde

    def __call__(self, pair: tuple[bytes, bytes]) -> Any:
        return self.serde.deserialize(pair[1])


def check_pair(key_serde: object, value_serde: object) -> None:
    """Refuse one serde without the other.

    Raises:
        InvalidSeqSerdeException: there is only one.
    """
    if (key_serde is None) != (value_serde is None):
        raise InvalidSeqSerdeException("a SequenceFile needs both key_serde and value_serde, or none of them")
