"""Programs of some size, with the results that they have to give."""

from __future__ import annotations

import pytest

import nestflow as nf
from nestflow import transforms as T
from nestflow import udf
from nestflow.errors import BigflowRuntimeException
from nestflow.transform_impls.sort import DESC


def test_pagerank(p):
    pairs = [(1, 0), (2, 0), (3, 1), (4, 1), (3, 0), (4, 2), (0, 1)]
    links = p.parallelize(pairs).group_by_key()
    ranks = p.parallelize([(page, 100) for page in range(5)])
    for _ in range(2):
        spread = links.flatten().join(ranks)
        degree = links.apply_values(T.count).flatten()
        shares = spread.join(degree).map(lambda r: (r[1][0][0], r[1][0][1] // r[1][1]))
        ranks = shares.group_by_key().apply_values(T.sum).flatten()
    expected = dict.fromkeys(range(5), 100)
    for _ in range(2):
        shares = [(to, expected[of] // sum(of == o for o, _ in pairs)) for of, to in pairs if of in expected]
        expected = {to: sum(share for t, share in shares if t == to) for to, _ in shares}
    assert dict(ranks.get()) == expected


def test_unique_visitors(p):
    visits = p.parallelize([("a", 1), ("a", 1), ("b", 2), ("a", 3)])
    assert visits.group_by_key().apply_values(lambda v: v.distinct().count()).get() == {"a": 2, "b": 1}


def test_grouped_top(p):
    numbers = p.parallelize(list(range(20)))
    top = numbers.group_by(lambda x: x % 4).apply_values(udf.max_elements(3))
    assert top.get() == {0: [16, 12, 8], 1: [17, 13, 9], 2: [18, 14, 10], 3: [19, 15, 11]}


def test_black_list(p):
    clicks = p.parallelize([("good", 1), ("bad", 5), ("other", 2)])
    white, black = p.parallelize(["good", "other"]), p.parallelize(["bad"])
    flagged = clicks.cogroup(white.map(lambda w: (w, 1)), black.map(lambda w: (w, 1)))
    kept = flagged.apply_values(
        lambda clicks, white, black: clicks.filter(
            lambda _, w, b: w > 0 and b == 0, white.count(), black.count()
        )
    )
    assert kept.flatten_values().sum().get() == 3


def test_all_the_transforms(p):
    n = p.parallelize([3, 1, 2, 3])
    assert n.accumulate([], lambda s, x: [*s, x]).get() == [3, 1, 2, 3]
    assert n.accumulate(lambda k: [k], lambda s, x, k: [*s, x * k], p.parallelize(2)).get() == [2, 6, 2, 4, 6]
    assert n.combine(len, pre_combine=False).get() == 4
    assert n.reduce(lambda a, b, k: a + b + k, p.parallelize(1)).get() == 12
    assert n.take(p.parallelize(2)).get() == n.take(2).get() == [3, 1]
    assert n.take(p.parallelize(0)).get() == n.take(-1).get() == []
    assert p.parallelize([]).take(p.parallelize([]).sum()).get() == []
    assert n.min_elements(p.parallelize(2)).get() == [1, 2]
    assert n.max_elements(p.parallelize(9), lambda x: -x).get() == [1, 2, 3, 3]
    assert n.union(p.parallelize(7)).get() == [3, 1, 2, 3, 7]
    assert n.sort_by(lambda x: DESC(x)).get() == n.sort(reverse=DESC).get() == [3, 3, 2, 1]
    assert n.as_pobject(serde=int).get() == 3 and n.first().as_pcollection().get() == [3]
    assert n.intersection(p.parallelize([3, 3, 4]), output_duplicated=True).get() == [3, 3]
    assert T.cartesian(p.parallelize(1)).get() == (1,) and T.cartesian(p.parallelize([1])).get() == [(1,)]
    assert n.first().cartesian(n.take(2), p.parallelize(0)).get() == [(3, 3, 0), (3, 1, 0)]
    assert T.to_pobject(n).get() == T.to_list_pobject(n).get() == [3, 1, 2, 3]
    assert T.flatten(n) is n and T.flatten_values(n) is n
    assert p.parallelize("ab").flat_map(list).get() == ["a", "b"]
    assert p.parallelize({"a": [1]}).apply_values(udf.map(lambda x: -x)).get() == {"a": [-1]}
    assert n.apply(udf.filter(lambda x, o: x != o), n.first()).get() == [1, 2]


def test_both_forms_of_transform(p):
    class Running(nf.Transformer):
        def begin_process(self, start):
            self.total = start
            return []

        def process(self, record, start):
            self.total += record
            return [self.total]

        def end_process(self, start):
            return ["end"]

    numbers, ten = p.parallelize([1, 2]), p.parallelize(10)
    assert numbers.transform(Running, ten).get() == numbers.transform(Running(), ten).get() == [11, 13, "end"]
    assert p.parallelize([]).transform(Running, ten).get() == ["end"]

    def step(status, emitter, x):
        emitter.emit(x)
        emitter.done()
        return status

    first = numbers.transform(lambda emitter: "s", step, lambda status, emitter: emitter.emit(status))
    assert first.get() == [1, "s"]
    named = {"initializer": lambda emitter: "s", "transformer": step, "finalizer": lambda s, e: None}
    with pytest.raises(ValueError, match="needs an initializer"):
        numbers.transform(transformer=step)
    assert numbers.transform(**named).get() == [1]
    assert numbers.transform(lambda emitter: "s", transformer=step, finalizer=lambda s, e: None).get() == [1]


def test_pipe(p):
    lines = p.parallelize(["b\t1", "a\t2", ""])
    assert T.pipe(lines, "cat").get() == ["b\t1", "a\t2"]
    assert T.pipe(lines.take(2), "sort", output_fields_num=2).get() == [("a", "2"), ("b", "1")]
    assert T.pipe(p.parallelize([("x", 1)]), "cat", input_fields_num=2, field_delimiter=";").get() == ["x;1"]
    assert T.pipe(p.parallelize([]), "echo end").get() == ["end"]
    assert T.pipe(p.parallelize([f"{i:06}" for i in range(50000)]), "head -n 1").get() == ["000000"]
    many = [str(i) for i in range(50000)]
    assert T.pipe(p.parallelize(many), "cat").get() == many
    blobs = T.pipe(p.parallelize([("a\n", b"\xff")]), "cat", type="bistreaming", input_fields_num=2)
    assert blobs.get() == [b"a\n", b"\xff"]


def test_pipe_of_tables(p):
    assert T.pipe(p.parallelize({"a": [1, 2]}), "cat", output_fields_num=2).get() == [("a", "1"), ("a", "2")]
    nested = p.parallelize({"a": {"x": 1}, "b": {"y": 2}})
    assert sorted(T.pipe(nested, "cat").get()) == ["a\tx\t1", "b\ty\t2"]
    inside = p.parallelize({"a": ["2", "1"], "b": ["3"]}).apply_values(T.pipe, "sort")
    assert inside.get() == {"a": ["1", "2"], "b": ["3"]}


@pytest.mark.parametrize("fraction", [float("inf"), float("nan"), -0.1, -float("inf"), "1", None])
@pytest.mark.parametrize("replacement", [True, False])
def test_fractions_that_no_sample_has(p, replacement, fraction):
    with pytest.raises(ValueError, match="fraction"):
        p.parallelize([1]).sample(replacement, fraction)


def test_pipe_failures(p):
    one = p.parallelize(["a"])
    with pytest.raises(BigflowRuntimeException, match="status 3"):
        T.pipe(one, "cat; exit 3").get()
    with pytest.raises(BigflowRuntimeException, match="2 fields"):
        T.pipe(one, "cat", output_fields_num=2).get()
    with pytest.raises(BigflowRuntimeException, match="tuples of 2"):
        T.pipe(one, "cat", input_fields_num=2).get()
    with pytest.raises(BigflowRuntimeException, match="buffer_size"):
        T.pipe(one, "echo 123456", buffer_size=3, type="bistreaming").get()
    for command in ("printf 'aa\\naaaa\\n'", "printf 'aa\\naaaa'", "head -c 1000000 /dev/zero"):
        with pytest.raises(BigflowRuntimeException, match="more than 3 bytes; see buffer_size"):
            T.pipe(one, command, buffer_size=3).get()
    assert T.pipe(one, "printf 'aa\\nbb\\n'", buffer_size=3).get() == ["aa", "bb"]
    for wrong in ({"type": "x"}, {"output_fields_num": 0}, {"field_delimiter": ""}):
        with pytest.raises(ValueError):
            T.pipe(one, "cat", **wrong)
    with pytest.raises(ValueError):
        T.pipe(one, ["cat"])


@pytest.mark.parametrize("name", ["idl_to_str", "str_to_idl"])
def test_what_is_absent(p, name):
    with pytest.raises(NotImplementedError, match=name):
        getattr(T, name)(p.parallelize([1]))
