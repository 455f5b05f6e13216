"""`transform`: the walk through a dataset in order, with a status and any outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..plan import nodes as op
from ..transformer import Transformer
from .call import Call

if TYPE_CHECKING:
    from ..pcollection import PCollection
    from ..pobject import PObject


_FUNCTIONS = ("initializer", "transformer", "finalizer")


def transform(pvalue: PCollection | PObject, *args: Any, **options: Any) -> PCollection:
    """Walk through the records in order with a status, and emit any records.

    Two forms. ``transform(p, initializer, transformer, finalizer, *side_inputs)`` calls
    ``initializer(emitter, *side_inputs)`` for the status, then for each record
    ``transformer(status, emitter, record, *side_inputs)`` for the next status, then
    ``finalizer(status, emitter, *side_inputs)``; ``emitter.emit(x)`` gives a record and
    ``emitter.done()`` asks for no more input. ``transform(p, transformer, *side_inputs)`` takes a
    subclass of `Transformer` or an instance of one.

    Args:
        pvalue: a PCollection or PObject; an empty one is walked through too, from start to end.
        args: the functions or the transformer, then side inputs as for `map`. The functions may have their
            names instead: ``initializer=``, ``transformer=``, ``finalizer=``.
        options: hints, without effect on the result.

    Raises:
        ValueError: an operand of another type, or a number of functions other than three.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> def step(total, emitter, x):
        ...     emitter.emit(total + x)
        ...     return total + x
        >>> nf.transforms.transform(
        ...     p.parallelize([1, 2, 3]), lambda emitter: 0, step, lambda total, emitter: None
        ... ).get()
        [1, 3, 6]
    """
    args = (*args, *(options.pop(name) for name in _FUNCTIONS[len(args) :] if name in options))
    walker = args[0] if args else None
    if isinstance(walker, type) and issubclass(walker, Transformer):
        walker = walker()
    if isinstance(walker, Transformer):
        call = Call("transform", options, [pvalue], args[1:])
        return call.collection(
            op.Transformer(call.input(pvalue), call.value(walker, type(walker).__name__), call.sides)
        )
    if len(args) < 3 or not all(callable(fn) for fn in args[:3]):
        raise ValueError(
            "transform needs an initializer, a transformer and a finalizer, or a subclass of Transformer"
        )
    call = Call("transform", options, [pvalue], args[3:])
    init, step, done = (call.function(fn, role) for fn, role in zip(args, _FUNCTIONS, strict=False))
    return call.collection(op.Transform(call.input(pvalue), init, step, done, call.sides))
