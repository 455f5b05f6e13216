"""Hadoop sequence files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidDataException
from ..functions import ship_function
from ..input.sequence import check_pair
from ..plan.nodes import SequenceSinkForm
from ..serde import of
from .files import FileOutput

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan.builder import PlanBuilder
    from ..ptype import Dataset
    from ..serde import Serde


class SequenceFile(FileOutput):
    """A directory of Hadoop sequence files, keys and values being ``BytesWritable``.

    Args:
        path: the directory.
        serde: makes the bytes of a value of a record; keys are empty. None: the serde of the records, or
            the pipeline's default.
        key_serde: with ``value_serde``: records are pairs of key and value.
        value_serde: with ``key_serde``.
        overwrite: False fails the run if the path exists.
        async_mode: whether parts are written, and compressed, by threads beside those of tasks; what is
            written is the same. None: as the variable ``BIGFLOW_FILE_OUTPUT_FORMAT_ASYNC_MODE`` says
            (``true`` or ``false``), or True.
        options: hints of the original system, without effect.

    Raises:
        ValueError: the path is not a text.
        InvalidSeqSerdeException: only one of ``key_serde`` and ``value_serde``.

    Example:
        >>> import nestflow as nf
        >>> nf.output.SequenceFile("out/visits", key_serde=str, value_serde=int).partition(2)
        SequenceFile('out/visits')
    """

    def __init__(
        self,
        path: str,
        serde: Any = None,
        key_serde: Any = None,
        value_serde: Any = None,
        overwrite: bool = True,
        async_mode: bool | None = None,
        **options: Any,
    ) -> None:
        """Check the arguments; the target is looked at by the run."""
        super().__init__(path, overwrite, async_mode, options)
        check_pair(key_serde, value_serde)
        self._serde = None if serde is None else of(serde)
        self._pair = None if key_serde is None else (of(key_serde), of(value_serde))
        self._function: Callable[[Any], tuple[bytes, bytes]] | None = None

    def as_type(self, fn: Callable[[Any], tuple[bytes, bytes]]) -> SequenceFile:
        """Write ``fn(record)``, a tuple of the bytes of key and value; gives the target itself.

        Raises:
            ValueError: not callable.

        Example:
            >>> SequenceFile("visits").as_type(lambda text: (b"", text.encode()))
            SequenceFile('visits')
        """
        if not callable(fn):
            raise ValueError(f"as_type needs a function that gives a pair of bytes, not {fn!r:.100}")
        self._function = fn
        return self

    def _form(self, builder: PlanBuilder, leaf: Dataset) -> SequenceSinkForm:
        encode: Callable[[Any], tuple[bytes, bytes]]
        if self._function is not None:
            encode = self._function
        elif self._pair is not None:
            encode = _Pair(*self._pair)
        else:
            encode = _Value(self._serde or leaf.serde())
        return SequenceSinkForm(builder.function(ship_function(encode, "SequenceFile")))


class _Pair:
    """From key and value to bytes."""

    def __init__(self, key: Serde, value: Serde) -> None:
        self.key = key
        self.value = value

    def __call__(self, record: Any) -> tuple[bytes, bytes]:
        if not isinstance(record, (tuple, list)) or len(record) != 2:
            raise InvalidDataException("a SequenceFile with key_serde and value_serde takes pairs")
        return self.key.serialize(record[0]), self.value.serialize(record[1])


class _Value:
    """From a record to bytes."""

    def __init__(self, serde: Serde) -> None:
        self.serde = serde

    def __call__(self, record: Any) -> tuple[bytes, bytes]:
        return b"", self.serde.serialize(record)
