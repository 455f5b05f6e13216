"""`pipe`: records through the standard input and output of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..options import TRANSFORM_OPTIONS, warn_unknown
from ..plan import nodes as op
from ..ptable import PTable
from ..serde import BytesSerde, StrSerde, TupleSerde
from .call import Call
from .command import Command, Form, WithKeys
from .tables import extract_values

if TYPE_CHECKING:
    from ..pcollection import PCollection
    from ..pobject import PObject
    from ..ptype import PType
    from ..serde import Serde

_OWN = frozenset(
    {"type", "input_fields_num", "output_fields_num", "field_delimiter", "line_delimiter", "buffer_size"}
)


def pipe(pvalue: PType, command: str, **options: Any) -> PCollection:
    r"""Run a shell command on the records: what it prints are the records that come out.

    Args:
        pvalue: a PCollection or PObject: one process on this machine; on Spark one for each part that the
            dataset is cut into, none of an empty one, so the command has to do with some of the records;
            inside groups one for each group. A PTable: its keys, then its value are the fields of a
            record; records of one key come together to one of the processes, of which there may be
            several everywhere.
        command: for ``bash -c``; a status other than 0 fails the run.
        options: ``type``: ``"streaming"`` (lines of text, the default) or ``"bistreaming"`` (fields
            after their length, four bytes, little endian; bytes come out). ``input_fields_num``: if
            more than 1, records are tuples of so many fields. ``output_fields_num``: if more than 1,
            tuples come out. ``field_delimiter`` (tab), ``line_delimiter`` (newline).
            ``buffer_size``: the largest record that may come out, 64 MiB. Others are hints.

    Raises:
        ValueError: an operand or an option of another type.

    Example:
        >>> import nestflow as nf
        >>> p = nf.Pipeline.create("local")
        >>> nf.transforms.pipe(p.parallelize(["b", "a"]), "sort").get()
        ['a', 'b']
    """
    warn_unknown(options, TRANSFORM_OPTIONS | _OWN, "pipe")
    if not isinstance(command, str):
        raise ValueError(f"pipe needs a command for the shell, not {command!r:.100}")
    records: Any = pvalue
    if isinstance(pvalue, PTable):
        options["input_fields_num"] = pvalue.nested_level() + 2
        pvalue._leaf("pipe")
        records = extract_values(_with_keys(pvalue))
    call = Call("pipe", {name: options[name] for name in ("serde",) if name in options}, [records])
    walker = Command(command, _form(options))
    parts = isinstance(pvalue, PTable) or call.pipeline._engine.parts != 1
    step = op.Transformer(call.input(records), call.value(walker, "pipe"), parts=parts)
    piped = call.collection(step)
    if call.serde is None:
        piped._serde = _serde_of(walker.form)
    return piped


def _with_keys(table: PTable, *keys: PObject) -> PTable:
    """Give a table whose values are tuples of all keys and a record, group after group.

    A walk through each group keeps its records together: a mere function of records would not.
    """
    step = _with_keys if isinstance(table._value, PTable) else _walk
    return table.apply_key_values(lambda key, value, *outer: step(value, *outer, key), *keys)


def _walk(value: PCollection | PObject, *keys: PObject) -> PCollection:
    call = Call("pipe", {}, [value], keys)
    return call.collection(op.Transformer(call.input(value), call.value(WithKeys(), "pipe"), call.sides))


def _serde_of(form: Form) -> Serde:
    part = BytesSerde() if form.binary else StrSerde()
    return part if form.outputs == 1 else TupleSerde(*[part] * form.outputs)


def _form(options: dict[str, Any]) -> Form:
    kind = options.get("type", "streaming")
    if kind not in ("streaming", "bistreaming"):
        raise ValueError(f"the type of pipe is 'streaming' or 'bistreaming', not {kind!r}")
    return Form(
        binary=kind == "bistreaming",
        inputs=_number(options, "input_fields_num", 1),
        outputs=_number(options, "output_fields_num", 1),
        field=_delimiter(options, "field_delimiter", "\t"),
        line=_delimiter(options, "line_delimiter", "\n"),
        largest=_number(options, "buffer_size", 64 << 20),
    )


def _number(options: dict[str, Any], name: str, default: int) -> int:
    number = options.get(name, default)
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"{name} of pipe has to be a number from 1, not {number!r:.100}")
    return number


def _delimiter(options: dict[str, Any], name: str, default: str) -> bytes:
    text = options.get(name, default)
    if not isinstance(text, (str, bytes)) or not text:
        raise ValueError(f"{name} of pipe has to be a text, not {text!r:.100}")
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
