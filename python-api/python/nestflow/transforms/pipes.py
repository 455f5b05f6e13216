"""`pipe`: records through the standard input and output of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..options import TRANSFORM_OPTIONS, warn_unknown
from ..plan import nodes as op
from ..ptable import PTable
from .aggregation import to_list_pobject
from .call import Call
from .command import Command, Form
from .elementwise import map as map_
from .tables import extract_values

if TYPE_CHECKING:
    from ..pcollection import PCollection
    from ..pobject import PObject
    from ..ptype import PType

_OWN = frozenset(
    {"type", "input_fields_num", "output_fields_num", "field_delimiter", "line_delimiter", "buffer_size"}
)


def pipe(pvalue: PType, command: str, **options: Any) -> PCollection:
    r"""Run a shell command on the records: what it prints are the records that come out.

    Args:
        pvalue: a PCollection or PObject: one process for each group. A PTable: its keys, then its
            value are the fields of a record, records of one key come together, one process for all.
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
    grouped = isinstance(pvalue, PTable)
    records: Any = pvalue
    if isinstance(pvalue, PTable):
        options["input_fields_num"] = pvalue.nested_level() + 2
        pvalue._leaf("pipe")
        records = extract_values(_listed(pvalue))
    call = Call("pipe", {}, [records])
    walker = Command(command, _form(options), grouped)
    return call.collection(op.Transformer(call.input(records), call.value(walker, "pipe")))


def _listed(table: PTable) -> PTable:
    """Give a table with a list of the tuples of fields as the value of each group."""
    if isinstance(table._value, PTable):
        return table.apply_key_values(lambda key, inner: _listed(inner).apply_values(_with_key, key))
    return table.apply_key_values(
        lambda key, value: _with_key(to_list_pobject(map_(value, lambda x: (x,))), key)
    )


def _with_key(value: PObject | PTable, key: PObject) -> Any:
    if isinstance(value, PTable):
        return value.apply_values(_with_key, key)
    return value.map(lambda rows, k: [(k, *row) for row in rows], key)


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
