"""The three handles: shapes, types of literals, operators, what they refuse."""

from __future__ import annotations

import collections
import copy
import math
import operator
import pickle
import types
import warnings

import pytest

import nestflow as nf
from nestflow import transforms as T
from nestflow.errors import (
    BigflowPlanningException,
    InvalidDataException,
    InvalidLogicalPlanException,
    NestflowPlanningException,
)


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        ([], "[...]"),
        ([1], "[...]"),
        (None, "o"),
        ((1, 2), "o"),
        ({1}, "o"),
        ("text", "o"),
        ({}, "{k0: [...]}"),
        ({"a": []}, "{k0: [...]}"),
        ({"a": 1}, "{k0: o}"),
        ({"a": {"b": [1]}}, "{k0: {k1: [...]}}"),
        ({"a": {}}, "{k0: {k1: [...]}}"),
        (collections.OrderedDict(a=[1]), "{k0: [...]}"),
        (collections.defaultdict(list, {"a": [1]}), "{k0: [...]}"),
        (collections.UserDict({"a": collections.OrderedDict(b=1)}), "{k0: {k1: o}}"),
        ({"a": (1, 2)}, "{k0: o}"),
        (range(3), "o"),
        (frozenset([1]), "o"),
        (collections.deque([1]), "o"),
        (types.SimpleNamespace(a=1), "o"),
    ],
)
def test_types_of_literals(p, data, shape):
    dataset = p.parallelize(data)
    assert repr(dataset) == str(dataset) == shape
    assert dataset.get() == data or not data or data == {"a": []} or data == {"a": {}}


@pytest.mark.parametrize(
    ("data", "shown", "keys"),
    [
        ({}, {}, []),
        ({"a": [], "b": [1, 2]}, {"b": [1, 2]}, ["a", "b"]),
        ({"a": {"x": []}, "b": {"y": [1]}, "c": {}}, {"b": {"y": [1]}}, ["a", "b", "c"]),
        ({None: None}, {None: None}, [None]),
        ({"a": {"b": {"c": 3}}, "d": {}}, {"a": {"b": {"c": 3}}}, ["a", "d"]),
    ],
)
def test_literal_tables(p, data, shown, keys):
    table = p.parallelize(data)
    assert table.get() == shown
    assert table.extract_keys().get() == keys or sorted(table.extract_keys().get()) == keys


def test_empty_groups_of_literals_count_zero(p):
    table = p.parallelize({"a": {"x": [1], "y": []}, "b": {}})
    counts = table.apply_values(lambda inner: inner.apply_values(lambda v: v.count()))
    assert counts.get() == {"a": {"x": 1, "y": 0}}
    assert table.apply_values(lambda inner: inner.extract_keys().count()).get() == {"a": 2, "b": 0}


@pytest.mark.parametrize("data", [{"a": [1], "b": 2}, {"a": {"b": 1}, "c": 2}, {"a": {"b": [1]}, "c": []}])
def test_literal_tables_of_several_forms_are_refused(p, data):
    with pytest.raises(ValueError, match="one form"):
        p.parallelize(data)


def test_literals_with_equal_keys(p):
    nan = float("nan")
    with pytest.raises(ValueError, match="equal"):
        p.parallelize({nan: 1, float("nan"): 2})
    table = p.parallelize({nan: [1], float("nan"): [2]}).get()
    assert list(table.values()) == [[1, 2]]


def test_literals_are_stored_at_the_call(p):
    data = [1]
    dataset = p.parallelize(data)
    data.append(2)
    assert dataset.get() == [1]
    with pytest.raises(ValueError, match="PCollection"):
        p.parallelize(dataset)


def test_shapes_of_tables(p):
    table = p.parallelize([(1, 2)]).cogroup(p.parallelize([(1, 3)]))
    assert repr(table) == "{k0: ([...], [...])}"
    assert (
        repr(table.apply_values(lambda a, b: (a.count(), b, a.group_by(len))))
        == "{k0: (o, [...], {k1: [...]})}"
    )
    assert table.inner_most_type() is tuple and table.nested_level() == 0
    nested = p.parallelize({"a": {"b": 1}})
    assert (
        nested.nested_level() == 1
        and nested.inner_most_type() is nf.PObject
        and len(nested.key_serdes()) == 2
    )


def test_str_shows_data_where_the_environment_asks(p, monkeypatch):
    monkeypatch.setenv("BIGFLOW_PTYPE_GET_ON_STR", "true")
    assert str(p.parallelize([1])) == "PCollection: [1]"
    assert str(p.parallelize("a")) == "PObject: a"
    assert str(p.parallelize({"a": {"b": [1]}})) == "PTable: {'a': {'b': [1]}}"
    assert str(p.parallelize([{"a": 1}]).as_schema(["a", "b"])) == "SchemaPCollection(a,b)"
    assert "PCollection" in p.parallelize([1])._repr_html_()


BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
    operator.lshift, operator.rshift, operator.and_, operator.xor, operator.or_, operator.lt, operator.le,
    operator.gt, operator.ge, operator.eq, operator.ne,
]  # fmt: skip


@pytest.mark.parametrize("function", BINARY)
def test_binary_operators(p, function):
    seven, two = p.parallelize(7), p.parallelize(2)
    results = function(seven, two), function(seven, 2), function(7, two)
    assert [type(r) for r in results] == [nf.PObject] * 3
    assert [r.get() for r in results] == [function(7, 2)] * 3


def test_unary_operators(p):
    x = p.parallelize(-2.567)
    assert [(-x).get(), (+x).get(), abs(x).get(), (~p.parallelize(5)).get()] == [2.567, -2.567, 2.567, -6]
    assert [x.ceil().get(), x.floor().get(), x.round().get(), x.round(1).get()] == [-2, -3, -3, -2.6]
    assert type(x.ceil().get()) is type(x.round().get()) is int
    assert p.parallelize(0).not_().get() is True


def test_objects_have_no_truth_but_a_hash(p):
    x = p.parallelize(1)
    assert {x: 1}[x] == 1
    for use in (bool, lambda x: x and 1, lambda x: not x, lambda x: 1 if x == 1 else 0):
        with pytest.raises(TypeError, match="not known"):
            use(x)
    with pytest.raises(ValueError):
        x + p.parallelize([1])


def test_operators_on_empty_objects(p):
    empty = p.parallelize([]).sum()
    with pytest.raises(InvalidDataException, match="aggregate"):
        (empty + 1).get()
    assert (empty + 1).as_pcollection().get() == []
    assert T.make_tuple(p.parallelize(1), empty).as_pcollection().get() == []


def test_captured_datasets_are_named(p):
    words = p.parallelize(["a"])

    def known(x):
        return x in words

    with pytest.raises(
        InvalidLogicalPlanException, match="known holds a PCollection in its variable 'words'"
    ):
        words.filter(known)
    with pytest.raises(InvalidLogicalPlanException):
        words.accumulate(p.parallelize(1), lambda a, b: a)
    for dataset in (words, words.count(), words.group_by(len), words.as_schema((str,))):
        for copied in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(InvalidLogicalPlanException, match="side input"):
                copied({"a": [dataset]} if copied is not copy.copy else dataset)


def test_what_cannot_be_shipped_is_named(p):
    import threading

    class Tool:
        def __init__(self):
            self.lock = threading.Lock()

    tool = Tool()
    with pytest.raises(NestflowPlanningException, match="variable 'tool', the attribute 'lock'"):
        p.parallelize([1]).map(lambda x: (tool, x))


class Nothing(nf.input.UserInputBase):
    """Gives no dataset."""

    def split(self):
        return ["a"]

    def load(self, split):
        return [split]

    def post_process(self, ptable):
        return 3


def test_pipelines_pickle_to_a_shell(p):
    class Job:
        def __init__(self):
            self.pipeline = p

        def double(self, x):
            return 2 * x

    assert p.parallelize([1]).map(Job().double).get() == [2]
    shell = pickle.loads(pickle.dumps(p))
    assert type(shell) is nf.Pipeline
    assert "pickled" in repr(shell)
    for use in (lambda shell: shell.parallelize([1]), lambda shell: shell.run(), lambda shell: shell.id()):
        with pytest.raises(InvalidLogicalPlanException, match="side input"):
            use(shell)
    assert not hasattr(p, "nonsense")


@pytest.mark.parametrize(
    "call",
    [
        lambda p, x: x.map(3),
        lambda p, x: x.map(len, 3),
        lambda p, x: x.take("3"),
        lambda p, x: x.take(1.5),
        lambda p, x: x.max_elements(None),
        lambda p, x: T.max(p.parallelize(1)),
        lambda p, x: T.max_elements(p.parallelize(1), 2),
        lambda p, x: x.sort_by("name"),
        lambda p, x: T.union(),
        lambda p, x: T.union(x, p.parallelize({})),
        lambda p, x: T.cartesian(),
        lambda p, x: T.cogroup(),
        lambda p, x: T.cogroup(x, p.parallelize(1)),
        lambda p, x: T.join(x),
        lambda p, x: T.join(x, p.parallelize(1)),
        lambda p, x: T.make_tuple(),
        lambda p, x: x.transform(len),
        lambda p, x: x.transform(len, len),
        lambda p, x: T.extract_keys(x),
        lambda p, x: T.extract_values(x),
        lambda p, x: T.to_list_pobject(p.parallelize({})),
        lambda p, x: T.flatten(3),
        lambda p, x: T.map(3, len),
        lambda p, x: x.union(nf.Pipeline.create("local").parallelize([1])),
        lambda p, x: x.as_schema([]),
        lambda p, x: x.as_schema({"a": 3}),
        lambda p, x: x.as_schema([3]),
        lambda p, x: T.cogroup(x, x, value_serdes=[int]),
        lambda p, x: p.set_init_hook("a", lambda x: x),
        lambda p, x: p.set_fini_hook("a", 3),
        lambda p, x: p.read(Nothing()),
        lambda p, x: p.parallelize({}).apply_values(3),
        lambda p, x: p.parallelize({}).apply_values(lambda v: 3),
        lambda p, x: p.parallelize({}).apply_values(lambda v: ()),
        lambda p, x: p.read("file.txt"),
        lambda p, x: p.write(x, "out"),
        lambda p, x: p.write([1], nf.output.TextFile("out")),
        lambda p, x: nf.TextFile(),
        lambda p, x: nf.TextFile(3),
        lambda p, x: nf.TextFile("a", encoding="latin-1"),
        lambda p, x: nf.output.TextFile(3),
        lambda p, x: nf.output.TextFile("a").partition(0),
        lambda p, x: p.explain("haiku"),
    ],
)
def test_wrong_arguments_fail_at_the_call(p, call):
    with pytest.raises(ValueError):
        call(p, p.parallelize([1, 2]))


def test_wrong_arguments_of_other_kinds(p):
    with pytest.raises(AssertionError):
        T.make_tuple(p.parallelize([1]))
    with pytest.raises(BigflowPlanningException):
        nf.output.TextFile("a").with_compression("zip")
    with pytest.raises(NotImplementedError):
        p.parallelize([1]).window_into(None)
    with pytest.raises(AttributeError):
        nf.udf.nonsense


def test_kinds_of_pipelines():
    assert repr(nf.Pipeline.create("LoCal")).startswith("LOCAL: ")
    assert nf.base.Pipeline is nf.Pipeline and nf.base.Options.Explain.OFF == 2
    assert repr(nf.Pipeline.create("SPARK", tmp_data_path="x")).startswith("SPARK: ")
    with pytest.raises(ValueError, match="spark_conf has to be a dict"):
        nf.Pipeline.create("spark", spark_conf="spark.master=local")
    for option in ("spark_conf", "hadoop_conf", "hadoop_job_conf"):
        with pytest.raises(ValueError, match="has to be a dict of settings, not a str") as caught:
            nf.Pipeline.create("spark", **{option: "fs.s3a.secret.key=hush"})
        assert "hush" not in str(caught.value)
    with pytest.raises(ValueError, match="spark_home_path: there is no Spark in '/no/spark'"):
        nf.Pipeline.create("spark", spark_home_path="/no/spark")
    for kind in ("hadoop", "", None, 3):
        with pytest.raises(ValueError, match="unknown pipeline type"):
            nf.Pipeline.create(kind)


def test_options_of_pipelines():
    import fake_native

    p = nf.Pipeline.create(
        "local",
        memory_limit="64MB",
        threads=2,
        host="workers",
        tmp_dir="/tmp",
        job_name="x",
        tmp_data_path="y",
    )
    assert p.parallelize(1).get() == 1
    wanted = {"memory_limit": 64 << 20, "threads": 2, "host": "workers", "tmp_dir": "/tmp"}
    assert list(fake_native.options.values())[-1] == wanted
    for wrong in ({"threads": 0}, {"memory_limit": "much"}, {"memory_limit": 0}, {"host": "mars"}):
        with pytest.raises(ValueError):
            nf.Pipeline.create("local", **wrong)


def test_unknown_options_warn_once_for_each_line(p):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(3):
            p.parallelize([1]).map(abs, concurency=3, serde=None, scale=0.5)
        p.parallelize([1]).sum(concurency=3)
        nf.Pipeline.create("local", thread=3)
        nf.output.TextFile("x", overwrit=False)
        nf.TextFile("x", encodin=None)
    texts = [str(warning.message) for warning in seen]
    assert texts == [
        "map has no option 'concurency', it is ignored; did you mean 'concurrency'?",
        "sum has no option 'concurency', it is ignored; did you mean 'concurrency'?",
        "Pipeline.create has no option 'thread', it is ignored; did you mean 'threads'?",
        "TextFile has no option 'overwrit', it is ignored; did you mean 'overwrite'?",
        "TextFile has no option 'encodin', it is ignored; did you mean 'encoding'?",
    ]
    assert {warning.filename for warning in seen} == {__file__}


def test_rounding_is_pythons(p):
    assert p.parallelize(2.5).round().get() == round(2.5)
    assert p.parallelize(2.0).ceil().get() == math.ceil(2.0)
    assert (p.parallelize(7) / 2).get() == 3.5
