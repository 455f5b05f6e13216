"""Targets of the user's own: their methods run where the data are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidDataException
from ..plan import nodes as op
from ..pobject import PObject
from ..transformer import Transformer
from ..transforms.call import Call
from ..transforms.elementwise import foreach, map
from ..transforms.grouping import cogroup
from ..transforms.placed import PLACE_BITS
from ..transforms.positions import numbered
from ..transforms.serdes import UNSEEN
from ..transforms.tables import flatten_values

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..pcollection import PCollection
    from ..ptype import PType


class UserOutputBase:
    """A target of the user's own: for each part, ``open``, ``sink`` for each record, ``close``.

    Each part gets a copy of the object. A task that fails may be tried again, on Spark elsewhere too: then
    ``open`` is called again for the same part, so write to a place that follows from its number, and make it
    count in the commiter.

    Example:
        >>> import nestflow as nf
        >>> class Printed(nf.output.UserOutputBase):
        ...     def sink(self, record):
        ...         print(record)
        >>> p = nf.Pipeline.create("local", host="in_process")
        >>> p.write(p.parallelize(["a", "b"]), Printed())
        >>> p.run()
        a
        b
    """

    def open(self, partition: int) -> None:
        """Begin a part, from 0; every part is opened, also one without records.

        Example:
            >>> import nestflow as nf
            >>> class Target(nf.output.UserOutputBase):
            ...     def open(self, partition):
            ...         print("part", partition)
            ...     def sink(self, record):
            ...         print(record)
            >>> p = nf.Pipeline.create("local", host="in_process")
            >>> p.write(p.parallelize(["a"]), Target())
            >>> p.run()
            part 0
            a
        """

    def sink(self, record: Any) -> None:
        """Take a record.

        Example:
            >>> import nestflow as nf
            >>> class Target(nf.output.UserOutputBase):
            ...     def sink(self, record):
            ...         print(record)
            >>> p = nf.Pipeline.create("local", host="in_process")
            >>> p.write(p.parallelize(["a"]), Target())
            >>> p.run()
            a
        """
        raise NotImplementedError("sink() of a UserOutputBase has to be overridden")

    def close(self) -> None:
        """End the part.

        Example:
            >>> import nestflow as nf
            >>> class Target(nf.output.UserOutputBase):
            ...     def sink(self, record):
            ...         print(record)
            ...     def close(self):
            ...         print("all written")
            >>> p = nf.Pipeline.create("local", host="in_process")
            >>> p.write(p.parallelize(["a"]), Target())
            >>> p.run()
            a
            all written
        """

    def partition_fn(self) -> Callable[[Any, int], int] | None:
        """Give ``fn(record, n)``, the part of a record; None deals records out in turn.

        Example:
            >>> import nestflow as nf
            >>> class Target(nf.output.UserOutputBase):
            ...     def open(self, partition):
            ...         self.partition = partition
            ...     def sink(self, record):
            ...         print(self.partition, record)
            ...     def partition_number(self):
            ...         return 2
            ...     def partition_fn(self):
            ...         return lambda record, n: record % n
            >>> p = nf.Pipeline.create("local", host="in_process")
            >>> p.write(p.parallelize([3]), Target())
            >>> p.run()
            1 3
        """
        return None

    def partition_number(self) -> int | None:
        """Give the number of parts; None is one.

        Example:
            >>> import nestflow as nf
            >>> class Target(nf.output.UserOutputBase):
            ...     def open(self, partition):
            ...         print("part", partition)
            ...     def sink(self, record):
            ...         pass
            ...     def partition_number(self):
            ...         return 2
            >>> p = nf.Pipeline.create("local", host="in_process", threads=1)
            >>> p.write(p.parallelize([]), Target())
            >>> p.run()
            part 0
            part 1
        """
        return None

    def pre_process(self, pvalue: PType) -> PType:
        """Give what is written; the dataset itself unless overridden.

        Example:
            >>> import nestflow as nf
            >>> class Target(nf.output.UserOutputBase):
            ...     def sink(self, record):
            ...         print(record)
            ...     def pre_process(self, pvalue):
            ...         return pvalue.map(str.upper)
            >>> p = nf.Pipeline.create("local", host="in_process")
            >>> p.write(p.parallelize(["a"]), Target())
            >>> p.run()
            A
        """
        return pvalue

    def get_commiter(self) -> Callable[[], object] | Any:
        """Give what is called in the program once, after the run that has written everything.

        It is a function without arguments, or an object with a method ``commit``; None: nothing. Those of all
        targets of a run are called, each once, even if one raises: the run then raises what the first one
        did, warns of the others, and what it has written is there.

        Example:
            >>> import nestflow as nf
            >>> class Target(nf.output.UserOutputBase):
            ...     def sink(self, record):
            ...         pass
            ...     def get_commiter(self):
            ...         return lambda: print("written")
            >>> p = nf.Pipeline.create("local", host="in_process")
            >>> p.write(p.parallelize(["a"]), Target())
            >>> p.run()
            written
        """
        return None

    def _effect(self, pvalue: PType) -> None:
        """Add what a run has to do for its effect."""
        values: Any = flatten_values(self.pre_process(pvalue))
        if isinstance(values, PObject):
            values = values.as_pcollection()
        parts = self.partition_number()
        parts = 1 if parts is None else parts
        if not isinstance(parts, int) or isinstance(parts, bool) or parts < 1:
            raise ValueError(f"partition_number() has to give a number from 1 or None, not {parts!r:.100}")
        by = self.partition_fn()
        pipeline = values.pipeline()
        everywhere = pipeline.parallelize([(part, None) for part in range(parts)], **UNSEEN)
        dealt = map(values, _ByFunction(by, parts), **UNSEEN) if by is not None else _in_turn(values, parts)
        walked = cogroup(dealt, everywhere).apply_key_values(_written, self)
        foreach(flatten_values(walked), _nothing)


def user_define_format(target: UserOutputBase) -> UserOutputBase:
    """Give the target itself: `Pipeline.write` takes it as it is.

    Raises:
        ValueError: not an instance of a subclass of `UserOutputBase`.

    Example:
        >>> user_define_format("numbers")
        Traceback (most recent call last):
        ValueError: user_define_format needs an instance of UserOutputBase, not 'numbers'
    """
    if not isinstance(target, UserOutputBase):
        raise ValueError(f"user_define_format needs an instance of UserOutputBase, not {target!r:.100}")
    return target


def _in_turn(values: PCollection | PObject, parts: int) -> PCollection:
    return map(numbered("write", values, {}), _InTurn(parts), **UNSEEN)


def _written(part: PObject, records: PCollection, everywhere: PCollection, target: UserOutputBase) -> Any:
    call = Call("write", {}, [records], [part])
    walker = call.value(_Walker(target), type(target).__name__)
    return call.collection(op.Transformer(call.input(records), walker, call.sides))


def _nothing(record: Any) -> None:
    """Take what never comes."""


class _InTurn:
    """A record with the part whose turn it is."""

    def __init__(self, parts: int) -> None:
        self.parts = parts

    def __call__(self, numbered: tuple[int, Any]) -> tuple[int, Any]:
        position, record = numbered
        return (position + (position >> PLACE_BITS)) % self.parts, record


class _ByFunction:
    """A record with the part that the user's function gives."""

    def __init__(self, function: Callable[[Any, int], int], parts: int) -> None:
        self.function = function
        self.parts = parts
        self.__name__ = getattr(function, "__name__", "partition")

    def __call__(self, record: Any) -> tuple[int, Any]:
        part = self.function(record, self.parts)
        if not hasattr(part, "__index__") or not 0 <= part < self.parts:
            raise InvalidDataException(
                f"the partition function returned {part!r:.100}, and the {self.parts} parts of the output "
                "are numbered from 0"
            )
        return part.__index__(), record


class _Walker(Transformer):
    """Calls the user's target for a part."""

    def __init__(self, target: UserOutputBase) -> None:
        self.target = target

    def begin_process(self, *side_inputs: Any) -> list[Any]:
        self.target.open(side_inputs[0])
        return []

    def process(self, record: Any, *side_inputs: Any) -> tuple[()]:
        self.target.sink(record)
        return ()

    def end_process(self, *side_inputs: Any) -> list[Any]:
        self.target.close()
        return []
