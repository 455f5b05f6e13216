"""Plan bytes, the part of a plan that a run needs, call sites."""

from __future__ import annotations

import subprocess
import sys

import fake_native
from decode import decode_plan
from hypothesis import given, settings
from hypothesis import strategies as st

from nestflow.plan import nodes as op
from nestflow.plan.encode import encode_plan


def test_bytes_of_a_plan():
    plan = op.LogicalPlan(
        functions=(op.Function("f", b"ab"),),
        sites=(op.CallSite("a.py", 3, "main", "map"),),
        root=op.Scope(0, (op.Node(4, op.Map(2, 0, (op.SideInput(1, True),)), False, 0),), ()),
        targets=(op.Keep(4, 7),),
        materialized=(),
    )
    text, count = (lambda s: len(s).to_bytes(8, "little") + s), (lambda n: n.to_bytes(8, "little"))
    u32 = lambda n: n.to_bytes(4, "little")  # noqa: E731
    assert encode_plan(plan) == b"".join(
        [
            b"NFP\x01",
            count(1), text(b"f"), text(b"ab"),
            count(1), text(b"a.py"), u32(3), text(b"main"), text(b"map"),
            u32(0), count(1), u32(4), u32(2), u32(2), u32(0), count(1), u32(1), b"\x01", b"\x00", u32(0),
            count(0),
            count(1), u32(0), u32(4), count(7),
            count(0),
        ]
    )  # fmt: skip


def test_order_of_the_variants():
    names = [variant.__name__ for variant in op.Op.__args__]
    assert names == [
        "Files",
        "Literal",
        "Map",
        "FlatMap",
        "Filter",
        "Foreach",
        "KeyBy",
        "Group",
        "Member",
        "Key",
        "Import",
        "Flatten",
        "Values",
        "Keys",
        "Count",
        "IsEmpty",
        "Sum",
        "Reduce",
        "Aggregate",
        "Combine",
        "ToList",
        "Extreme",
        "Top",
        "First",
        "Take",
        "Distinct",
        "Sort",
        "Accumulate",
        "Transform",
        "Transformer",
        "Whole",
        "Union",
        "Join",
        "Compare",
        "Numbered",
    ]


u32s, flags = st.integers(0, 2**32 - 1), st.booleans()
sinks = st.builds(
    op.FileSink,
    path=st.text(),
    overwrite=flags,
    form=st.builds(op.TextSinkForm, delimiter=st.binary(), gzip=flags, encode=st.none() | u32s)
    | st.builds(op.SequenceSinkForm, u32s),
    parts=st.none() | u32s,
    partition=st.none() | u32s,
    sort=st.none() | st.builds(op.SinkSort, key=st.none() | u32s, reverse=flags),
    behind=flags,
)
ops = st.one_of(
    st.builds(
        op.Files,
        st.builds(
            op.FileSource,
            st.lists(st.text()).map(tuple),
            st.builds(op.TextForm, st.none() | st.text())
            | st.builds(op.SequenceForm)
            | st.builds(op.NamesForm),
            flags,
        ),
    ),
    st.builds(op.Literal, st.lists(st.binary()).map(tuple), st.none() | st.integers(0, 2**64 - 1)),
    st.builds(op.Top, u32s, st.integers(-(2**63), 2**63 - 1), flags, st.none() | u32s),
    st.builds(op.Join, st.lists(u32s).map(tuple), st.sampled_from(op.JoinKind)),
    st.builds(op.Compare, u32s, u32s, st.sampled_from(op.CompareKind)),
    st.builds(op.Key),
)
scopes = st.recursive(
    st.builds(op.Scope, u32s, st.lists(st.builds(op.Node, u32s, ops, flags, u32s)).map(tuple), st.just(())),
    lambda inner: st.builds(op.Scope, u32s, st.just(()), st.lists(inner).map(tuple)),
    max_leaves=4,
)


@settings(deadline=None)
@given(scopes, st.lists(st.one_of(st.builds(op.Write, u32s, sinks, u32s), st.builds(op.Effect, u32s))))
def test_bytes_can_be_read_back(root, targets):
    plan = op.LogicalPlan((), (), root, tuple(targets), (op.Materialized(1, 2),))
    assert decode_plan(encode_plan(plan)) == plan


def test_a_run_gets_only_what_it_needs(p):
    p.parallelize(list(range(1000))).map(lambda unused: unused).group_by(lambda unused: unused)
    p.parallelize([1]).map(lambda x: x).get()
    plan = fake_native.plans[-1]
    assert [type(node.op).__name__ for node in plan.root.nodes] == ["Literal", "Map"]
    assert plan.root.children == ()
    assert [bool(f.pickled) for f in plan.functions].count(True) == 1


def test_nested_scopes_are_shipped_with_their_openers(p):
    table = p.parallelize({"a": {"x": [1]}}).apply_values(lambda t: t.apply_values(lambda v: v.count()))
    assert table.get() == {"a": {"x": 1}}
    plan = fake_native.plans[-1]
    names = (
        [type(n.op).__name__ for n in plan.root.nodes],
        [type(n.op).__name__ for n in plan.root.children[0].nodes],
    )
    assert names == (["Literal", "Group"], ["Member", "Group"])
    assert [type(n.op).__name__ for n in plan.root.children[0].children[0].nodes] == ["Member", "Count"]


def test_call_sites_are_the_users_lines(p):
    line = sys._getframe().f_lineno + 1
    squares = p.parallelize([1]).apply(lambda numbers: numbers.map(lambda x: x * x))
    site = squares._made_at()
    assert (site.file, site.line, site.function, site.transform) == (__file__, line, "<lambda>", "map")
    assert (p.parallelize(1) + 1)._made_at().transform == "+"


def test_importing_loads_nothing_large_and_no_compiled_module():
    """What an import takes is what it loads: no other package, and little of Python's own."""
    code = (
        "import sys; before = set(sys.modules); import nestflow as nf; loaded = set(sys.modules) - before\n"
        "assert {name.split('.')[0] for name in loaded} <= {'nestflow', *sys.stdlib_module_names}, loaded\n"
        "assert not {'asyncio', 'ctypes', 'http', 'unittest', 'nestflow._native'} & loaded, loaded\n"
        "assert len(loaded) < 200, loaded\n"
        "p = nf.Pipeline.create('local'); p.read(nf.TextFile('x')).map(len).count()\n"
        "assert 'nestflow._native' not in sys.modules\n"
        "scope = {}; exec('from nestflow import *', scope)\n"
        "import builtins; assert not (set(scope) - {'__builtins__'}) & set(dir(builtins)), scope"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=__file__.rsplit("/", 3)[0] + "/python")
