"""The logical plan as frozen dataclasses: a tree of scopes that own their nodes.

The Python twin of the Rust module ``runtime/src/plan/logical.rs``, field by field and variant by
variant, in the same order: ``encode.py`` derives the wire form from these classes alone. Plain
data; nothing here knows handles, engines or the compiled module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated

U32 = Annotated[int, "u32"]
U64 = Annotated[int, "u64"]
I64 = Annotated[int, "i64"]

NodeId = U32
ScopeId = U32
FunctionId = U32
SiteId = U32


@dataclass(frozen=True)
class Function:
    """A pickled user function, or a pickled constant where a function or a value may stand."""

    name: str
    pickled: bytes


class StatefulFunction(Function):
    """One that holds what calls may change; each run has it anew, as it was pickled."""


@dataclass(frozen=True)
class CallSite:
    """The line of the user's program that made a node."""

    file: str
    line: U32
    function: str
    transform: str

    def __str__(self) -> str:
        """How messages name it: ``map at jobs/visits.py:12``."""
        return f"{self.transform} at {self.file}:{self.line}"


@dataclass(frozen=True)
class SideInput:
    """A side input of a node: its value if ``single``, otherwise a sequence."""

    node: NodeId
    single: bool


@dataclass(frozen=True)
class TextForm:
    """Lines, decoded unless there is no encoding."""

    encoding: str | None


@dataclass(frozen=True)
class SequenceForm:
    """Hadoop sequence files: pairs of bytes."""


@dataclass(frozen=True)
class NamesForm:
    """Nothing of what stands in them: a pair of its path and None for each file, empty ones too."""


SourceForm = TextForm | SequenceForm | NamesForm


@dataclass(frozen=True)
class FileSource:
    """Files to read; ``named``: records are pairs of the file's path and what stands in it."""

    paths: tuple[str, ...]
    form: SourceForm
    named: bool


@dataclass(frozen=True)
class SinkSort:
    """How the records of a part are sorted."""

    key: FunctionId | None
    reverse: bool


@dataclass(frozen=True)
class TextSinkForm:
    """The text of each record, by ``encode(record)`` if given, and what follows it."""

    delimiter: bytes
    gzip: bool
    encode: FunctionId | None


@dataclass(frozen=True)
class SequenceSinkForm:
    """Hadoop sequence files of what ``encode(record)`` gives, pairs of bytes."""

    encode: FunctionId


SinkForm = TextSinkForm | SequenceSinkForm


@dataclass(frozen=True)
class FileSink:
    """A directory of files."""

    path: str
    overwrite: bool
    form: SinkForm
    parts: U32 | None
    partition: FunctionId | None
    sort: SinkSort | None
    behind: bool = True
    """Write by threads beside those of tasks."""


class JoinKind(IntEnum):
    """Which rows of a join survive."""

    INNER = 0
    LEFT = 1
    RIGHT = 2
    FULL = 3


class CompareKind(IntEnum):
    """Multiset operations on two datasets."""

    SUBTRACT = 0
    INTERSECTION = 1
    INTERSECTION_ALL = 2
    DIFF = 3


@dataclass(frozen=True)
class Files:
    """What files hold."""

    source: FileSource


@dataclass(frozen=True)
class Literal:
    """Records that the client holds, as encoded blocks."""

    blocks: tuple[bytes, ...]
    names: U64 | None = None
    """The bytes of what they name, where that is yet to be loaded."""


@dataclass(frozen=True)
class Map:
    """``f(x, *sides)``."""

    input: NodeId
    function: FunctionId
    sides: tuple[SideInput, ...] = ()


@dataclass(frozen=True)
class FlatMap:
    """Each element of ``f(x, *sides)``."""

    input: NodeId
    function: FunctionId
    sides: tuple[SideInput, ...] = ()


@dataclass(frozen=True)
class Filter:
    """Records for which ``f(x, *sides)`` is true."""

    input: NodeId
    function: FunctionId
    sides: tuple[SideInput, ...] = ()


@dataclass(frozen=True)
class Foreach:
    """Calls ``f(x, *sides)`` for its effect."""

    input: NodeId
    function: FunctionId
    sides: tuple[SideInput, ...] = ()


@dataclass(frozen=True)
class KeyBy:
    """Pairs ``(key(x), value(x))``; without ``value``, ``(key(x), x)``."""

    input: NodeId
    key: FunctionId
    value: FunctionId | None


@dataclass(frozen=True)
class Group:
    """Opens a child scope: one group per key of the pairs of all inputs.

    ``concurrency``: into how many parts the groups are dealt, or as the engine likes.
    """

    inputs: tuple[NodeId, ...]
    scope: ScopeId
    concurrency: U32 | None = None


@dataclass(frozen=True)
class Member:
    """In a child scope: the group's values from one input of the `Group` that opened it."""

    side: U32


@dataclass(frozen=True)
class Key:
    """In a child scope: the group's key."""


@dataclass(frozen=True)
class Import:
    """In a child scope: a dataset of any enclosing scope."""

    node: NodeId


@dataclass(frozen=True)
class Flatten:
    """From ``levels`` scopes further in: ``(k0, (k1, … v))``."""

    node: NodeId
    levels: U32


@dataclass(frozen=True)
class Values:
    """From ``levels`` scopes further in: the values."""

    node: NodeId
    levels: U32


@dataclass(frozen=True)
class Keys:
    """The keys of a child scope."""

    scope: ScopeId


@dataclass(frozen=True)
class Count:
    """Number of records."""

    input: NodeId


@dataclass(frozen=True)
class IsEmpty:
    """Whether there is no record."""

    input: NodeId


@dataclass(frozen=True)
class Sum:
    """``reduce(+)``."""

    input: NodeId


@dataclass(frozen=True)
class Reduce:
    """``f(a, b)`` until one is left; nothing for an empty group. ``adds``: the function is ``a + b``."""

    input: NodeId
    function: FunctionId
    adds: bool
    sides: tuple[SideInput, ...] = ()


@dataclass(frozen=True)
class Aggregate:
    """Partial folds from ``zero`` by ``step``, folded again from it by ``merge``."""

    input: NodeId
    zero: FunctionId
    callable: bool
    step: FunctionId
    merge: FunctionId
    sides: tuple[SideInput, ...] = ()


@dataclass(frozen=True)
class Combine:
    """``f(iterable)`` over parts and again over the results."""

    input: NodeId
    function: FunctionId


@dataclass(frozen=True)
class ToList:
    """All records as one list."""

    input: NodeId


@dataclass(frozen=True)
class Extreme:
    """The largest or smallest record."""

    input: NodeId
    largest: bool
    key: FunctionId | None


@dataclass(frozen=True)
class Top:
    """The ``limit`` largest or smallest records, in that order."""

    input: NodeId
    limit: I64
    largest: bool
    key: FunctionId | None


@dataclass(frozen=True)
class First:
    """The first record."""

    input: NodeId


@dataclass(frozen=True)
class Take:
    """The first ``limit`` records."""

    input: NodeId
    limit: I64


@dataclass(frozen=True)
class Distinct:
    """Each distinct record once."""

    input: NodeId


@dataclass(frozen=True)
class Sort:
    """Stable sort."""

    input: NodeId
    key: FunctionId | None
    reverse: bool


@dataclass(frozen=True)
class Accumulate:
    """A strict left fold."""

    input: NodeId
    zero: FunctionId
    callable: bool
    step: FunctionId
    sides: tuple[SideInput, ...] = ()


@dataclass(frozen=True)
class Transform:
    """``transform`` with three functions."""

    input: NodeId
    init: FunctionId
    step: FunctionId
    done: FunctionId
    sides: tuple[SideInput, ...] = ()


@dataclass(frozen=True)
class Transformer:
    """``transform`` with a transformer instance. ``parts``: it may see a dataset part by part.

    ``instances``: in how many processes of each node it may run.
    """

    input: NodeId
    transformer: FunctionId
    sides: tuple[SideInput, ...] = ()
    parts: bool = False
    instances: U32 | None = None


@dataclass(frozen=True)
class Whole:
    """One call ``f(iterable)`` on the whole group."""

    input: NodeId
    function: FunctionId


@dataclass(frozen=True)
class Union:
    """Concatenation, first argument first."""

    inputs: tuple[NodeId, ...]


@dataclass(frozen=True)
class Join:
    """Records ``(key, (v1, …, vn))``."""

    inputs: tuple[NodeId, ...]
    kind: JoinKind
    concurrency: U32 | None = None


@dataclass(frozen=True)
class Compare:
    """Multiset operation."""

    left: NodeId
    right: NodeId
    kind: CompareKind


@dataclass(frozen=True)
class Numbered:
    """Pairs ``(position, record)``; positions grow in the order of the dataset, with gaps.

    ``text``: they are hexadecimal texts.
    """

    input: NodeId
    text: bool = False


# The order of the variants on the wire.
Op = (
    Files
    | Literal
    | Map
    | FlatMap
    | Filter
    | Foreach
    | KeyBy
    | Group
    | Member
    | Key
    | Import
    | Flatten
    | Values
    | Keys
    | Count
    | IsEmpty
    | Sum
    | Reduce
    | Aggregate
    | Combine
    | ToList
    | Extreme
    | Top
    | First
    | Take
    | Distinct
    | Sort
    | Accumulate
    | Transform
    | Transformer
    | Whole
    | Union
    | Join
    | Compare
    | Numbered
)


@dataclass(frozen=True)
class Node:
    """What one call of a transform produces."""

    id: NodeId
    op: Op
    single: bool
    site: SiteId


@dataclass(frozen=True)
class Scope:
    """One level of nesting and the nodes that live in it."""

    id: ScopeId
    nodes: tuple[Node, ...]
    children: tuple[Scope, ...]


@dataclass(frozen=True)
class Keep:
    """Keep the dataset's blocks under a name: serves ``get`` and ``cache``."""

    node: NodeId
    cache: U64


@dataclass(frozen=True)
class Write:
    """Write the dataset's values as a directory of files."""

    node: NodeId
    sink: FileSink
    site: SiteId


@dataclass(frozen=True)
class Effect:
    """Run a `Foreach` node."""

    node: NodeId


Target = Keep | Write | Effect


@dataclass(frozen=True)
class Materialized:
    """A dataset held by the engine from an earlier run."""

    node: NodeId
    cache: U64


@dataclass(frozen=True)
class LogicalPlan:
    """Everything that one run executes."""

    functions: tuple[Function, ...]
    sites: tuple[CallSite, ...]
    root: Scope
    targets: tuple[Target, ...]
    materialized: tuple[Materialized, ...]
