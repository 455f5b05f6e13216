"""Sources and targets of files and of users, on every engine."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING, Any

import oracle
import pytest
from oracle.files import pairs

import nestflow as nf
from nestflow import serde
from nestflow import transforms as T

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Lender

    Create = Callable[..., nf.Pipeline]


@pytest.fixture
def p(lender: Lender) -> nf.Pipeline:
    return lender.lend()


def wrote(p: nf.Pipeline, data: Any, target: Any) -> None:
    p.write(data, target)
    p.run()


def parts(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if not name.startswith("."))


def texts(folder: Path) -> list[str]:
    return [(folder / name).read_text() for name in parts(folder)]


def test_two_outputs_of_one_path(p: nf.Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "out"
    p.write(p.parallelize([1]), nf.output.TextFile(str(path)))
    with pytest.raises(
        nf.errors.NestflowPlanningException, match=r"two outputs .* the first at .*test_files"
    ):
        p.write(p.parallelize([2]), nf.output.TextFile(f"{path}/"))
    p.run()
    assert (path / "part-00000").read_text() == "1\n"
    p.write(p.parallelize([3]), nf.output.TextFile(str(path)))
    p.run()
    assert (path / "part-00000").read_text() == "3\n"


def test_text_by_file(p: nf.Pipeline, tmp_path: Path) -> None:
    """A table from file to lines; a file without lines is an empty group."""
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.txt").write_text("three")
    (tmp_path / "empty.txt").write_text("")
    with gzip.open(tmp_path / "c.gz", "wt") as file:
        file.write("four\n")
    table = p.read(nf.TextFile(str(tmp_path), partitioned=True))
    expected = {str(tmp_path / "a.txt"): ["one", "two"], str(tmp_path / "b.txt"): ["three"]}
    expected[str(tmp_path / "c.gz")] = ["four"]
    assert table.get() == expected
    counts = {path: len(lines) for path, lines in expected.items()}
    counts[str(tmp_path / "empty.txt")] = 0
    assert table.apply_values(T.count).get() == counts
    assert sorted(table.extract_keys().get()) == sorted(counts)
    only = p.read(nf.TextFile(str(tmp_path / "empty.txt"), partitioned=True))
    assert only.apply_values(T.to_list_pobject).get() == {str(tmp_path / "empty.txt"): []}
    oracle.check(table.flatten().get(), oracle.get(table.flatten()))


def test_a_function_of_parts_without_their_number(create: Callable[..., nf.Pipeline], tmp_path: Path) -> None:
    """One part here; on Spark what `default_concurrency` says, and without it an error that names it."""
    p = create(default_concurrency=3)
    p.write(
        p.parallelize(list(range(20))),
        nf.output.TextFile(str(tmp_path / "out")).partition(partition_fn=lambda record, n: record % n).sort(),
    )
    p.run()
    parts = [path.read_text().split() for path in sorted((tmp_path / "out").glob("part-*"))]
    assert len(parts) == (p._engine.parts or 0) == (1 if str(p).startswith("LOCAL") else 3)
    assert parts == [[str(x) for x in range(n, 20, len(parts))] for n in range(len(parts))]
    unsaid = create()
    if unsaid._engine.parts is None:
        target = nf.output.TextFile(str(tmp_path / "none")).partition(partition_fn=lambda record, n: 0)
        with pytest.raises(ValueError, match="default_concurrency"):
            unsaid.write(unsaid.parallelize([1]), target)


def test_a_large_file_is_one_group(p: nf.Pipeline, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("".join(f"{n}\n" for n in range(50_000)))
    (tmp_path / "b").write_text("x\n")
    table = p.read(nf.TextFile(str(tmp_path / "*"), partitioned=True))
    assert table.apply_values(T.count).get() == {str(tmp_path / "a"): 50_000, str(tmp_path / "b"): 1}
    firsts = table.apply_values(lambda lines: lines.take(2)).get()
    assert firsts == {str(tmp_path / "a"): ["0", "1"], str(tmp_path / "b"): ["x"]}


COLUMNS = [
    (["name", "age"], {}, [{"name": "ann", "age": "30"}, {"name": "", "age": "5"}]),
    ([("name", str), ("age", int)], {}, [{"name": "ann", "age": 30}, {"name": "", "age": 5}]),
    ([str, float], {}, [("ann", 30.0), ("", 5.0)]),
    (2, {}, [("ann", "30"), ("", "5")]),
    (1, {}, [("ann",), ("",)]),
    (["name"], {"ignore_overflow": True}, [{"name": "ann"}, {"name": ""}]),
    ([str, str, str], {"ignore_illegal_line": True}, []),
]


@pytest.mark.parametrize(("columns", "options", "expected"), COLUMNS)
def test_columns(
    p: nf.Pipeline, tmp_path: Path, columns: Any, options: dict[str, bool], expected: list[Any]
) -> None:
    path = tmp_path / "a"
    path.write_text("ann||30\n||5\n")
    read = p.read(nf.input.SchemaTextFile(str(path), columns=columns, separator="||", **options))
    assert read.get() == expected


def test_what_columns_are_shown_as(tmp_path: Path) -> None:
    p = nf.Pipeline.create("local")
    shown = {
        "SchemaPCollection(a,b)": ["a", "b"],
        "SchemaPCollection(a)": [("a", int)],
        "SchemaPCollection(str_(),str_())": 2,
        "[...]": [int, str],
    }
    for text, columns in shown.items():
        assert str(p.read(nf.input.SchemaTextFile("x", columns=columns))) == text


def test_paths_are_taken_literally(p: nf.Pipeline, tmp_path: Path) -> None:
    """A comma is a comma; of a directory, hidden files and those further down are not read."""
    (tmp_path / "a,b").write_text("comma\n")
    (tmp_path / "in" / "deeper").mkdir(parents=True)
    for name in ("x", ".hidden", "_SUCCESS", "deeper/y"):
        (tmp_path / "in" / name).write_text(f"{name}\n")
    assert p.read(nf.TextFile(str(tmp_path / "a,b"), str(tmp_path / "in") + "/")).get() == ["comma", "x"]
    assert p.read(nf.TextFile(str(tmp_path / "in" / ".hidden"))).get() == [".hidden"]
    twice = p.read(nf.TextFile(str(tmp_path / "a,b"), str(tmp_path / "a,b"), use_dce_combine=False, ugi="u"))
    assert twice.get() == ["comma", "comma"]
    assert p.read(nf.TextFile(str(tmp_path / "a,b"), combine_multi_file=False)).get() == ["comma"]


def test_empty_fields_are_kept(p: nf.Pipeline, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("|a||\n")
    read = p.read(nf.input.SchemaTextFile(str(tmp_path / "a"), columns=4, separator="|"))
    assert read.get() == [("", "a", "", "")]


@pytest.mark.parametrize("columns", [None, [], 0, True, ["a", 3], [object], [("a", list)]])
def test_wrong_columns(tmp_path: Path, columns: Any) -> None:
    source = nf.input.SchemaTextFile(str(tmp_path), columns=columns)
    with pytest.raises(ValueError, match="columns of a SchemaTextFile"):
        nf.Pipeline.create("local").read(source)


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        (["a"], nf.errors.InvalidDataException),
        (["a", "b", "c"], nf.errors.InvalidDataException),
        ([("a", int), ("b", int)], ValueError),
    ],
)
def test_lines_that_do_not_fit(p: nf.Pipeline, tmp_path: Path, columns: Any, error: type[Exception]) -> None:
    (tmp_path / "a").write_text("x\t1\n")
    with pytest.raises(error):
        p.read(nf.input.SchemaTextFile(str(tmp_path / "a"), columns=columns)).get()


def test_columns_by_file(p: nf.Pipeline, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\t1\n")
    table = p.read(nf.input.SchemaTextFile(str(tmp_path), columns=[str, int], partitioned=True))
    assert table.get() == {str(tmp_path / "a"): [("x", 1)]}


def test_columns_written(p: nf.Pipeline, tmp_path: Path) -> None:
    out = tmp_path / "out"
    dicts = p.parallelize([{"a": 1, "b": None}, {"b": "x"}])
    wrote(p, dicts, nf.output.SchemaTextFile(str(out), columns=["b", "a"]).partition(1))
    assert texts(out) == ["None\t1\nx\tNone\n"]
    named = dicts.as_schema(["a", "b"])
    wrote(p, named, nf.output.SchemaTextFile(str(out), columns=["a"], separator="|").partition(1))
    assert texts(out) == ["1\nNone\n"]
    tuples = p.parallelize([(2, "b"), (10, "a")])
    ordered = nf.output.SchemaTextFile(str(out), separator=", ").partition(1).sort(reverse=True)
    wrote(p, tuples, ordered.with_compression("gzip"))
    assert parts(out) == ["part-00000.gz"]
    assert gzip.decompress((out / "part-00000.gz").read_bytes()) == b"10, a\n2, b\n"
    wrote(p, tuples, nf.output.SchemaTextFile(str(out), columns=1).partition(1))
    assert texts(out) == ["2\n10\n"]


def test_what_has_no_columns(p: nf.Pipeline, tmp_path: Path) -> None:
    out = nf.output.SchemaTextFile(str(tmp_path / "out"))
    with pytest.raises(ValueError, match="names of its columns"):
        p.write(p.parallelize([{"a": 1}]).as_schema(["a"]), out)
    p.write(p.parallelize([{"a": 1}]), out)  # only the run sees that it is a dict
    with pytest.raises(ValueError, match="names of its columns"):
        p.run()
    assert not (tmp_path / "out").exists()
    for wrong in ([1, 2], 0, "ab", []):
        with pytest.raises(ValueError):
            nf.output.SchemaTextFile("out", columns=wrong)


RECORDS = [("a", 1), ("", -5), ("é" * 700, 2**40), ("b", None)]


def test_sequence_files(p: nf.Pipeline, tmp_path: Path) -> None:
    """What is written is read, and is what the format says."""
    out = tmp_path / "out"
    target = nf.output.SequenceFile(str(out), key_serde=str, value_serde=int)
    wrote(p, p.parallelize(RECORDS), target.partition(1).sort_by(lambda r: r[0]))
    key, value = serde.of(str), serde.of(int)
    expected = sorted(RECORDS)
    assert list(pairs(str(out / "part-00000"))) == [
        (key.serialize(k), value.serialize(v)) for k, v in expected
    ]
    read = p.read(nf.input.SequenceFile(str(out), key_serde=str, value_serde=int))
    assert read.get() == expected
    assert str(read.serde()) == "tuple_of(str_(), int_())"
    raw = p.read(nf.input.SequenceFile(str(out)).as_type(lambda pair: pair))
    oracle.check(raw.get(), oracle.get(raw))
    by_file = p.read(nf.input.SequenceFile(str(out), key_serde=str, value_serde=int, partitioned=True))
    assert by_file.get() == {str(out / "part-00000"): expected}


def test_values_of_sequence_files(p: nf.Pipeline, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    data = [{"any": ["value", None]}, 3, "x"]
    wrote(p, p.parallelize(data), nf.output.SequenceFile(out).partition(1))
    assert p.read(nf.input.SequenceFile(out)).get() == data
    wrote(p, p.parallelize([1, 2]), nf.output.SequenceFile(out, serde=int).partition(2))
    assert parts(tmp_path / "out") == ["part-00000", "part-00001"]
    assert sorted(p.read(nf.input.SequenceFile(out, serde=int)).get()) == [1, 2]
    wrote(p, p.parallelize(["k"]), nf.output.SequenceFile(out).as_type(lambda x: (x.encode(), b"v")))
    assert p.read(nf.input.SequenceFile(out).as_type(lambda kv: kv)).get() == [(b"k", b"v")]
    wrote(p, p.parallelize([]), nf.output.SequenceFile(out).partition(1))
    assert p.read(nf.input.SequenceFile(out)).get() == []


def test_many_records_of_sequence_files(p: nf.Pipeline, tmp_path: Path) -> None:
    """A file that is cut into several pieces."""
    out = str(tmp_path / "out")
    numbers = p.parallelize(list(range(40_000)))
    wrote(p, numbers, nf.output.SequenceFile(out, serde=int).partition(1))
    read = p.read(nf.input.SequenceFile(out, serde=int))
    assert read.count().get() == 40_000
    assert read.distinct().sum().get() == sum(range(40_000))
    assert read.take(3).get() == [0, 1, 2]


def test_what_is_no_pair_of_bytes(p: nf.Pipeline, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    p.write(p.parallelize([1]), nf.output.SequenceFile(out).as_type(lambda x: ("a", b"")))
    with pytest.raises(nf.errors.NestflowRuntimeException, match="pairs of bytes"):
        p.run()
    assert not os.path.exists(out)


def test_bytes_that_no_serde_knows(p: nf.Pipeline, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    wrote(p, p.parallelize(["text"]), nf.output.SequenceFile(out, serde=str))
    with pytest.raises(Exception, match="8 bytes"):
        p.read(nf.input.SequenceFile(out, serde=int)).get()
    with pytest.raises(nf.errors.NestflowRuntimeException, match="takes pairs"):
        wrote(p, p.parallelize([1]), nf.output.SequenceFile(out, key_serde=int, value_serde=int))


def test_what_is_no_sequence_file(p: nf.Pipeline, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("lines\n")
    with pytest.raises(nf.errors.NestflowRuntimeException, match="no sequence file"):
        p.read(nf.input.SequenceFile(str(tmp_path / "a"))).get()


def test_one_serde_alone() -> None:
    for kind in (nf.input.SequenceFile, nf.output.SequenceFile):
        for given in ({"key_serde": int}, {"value_serde": int}):
            with pytest.raises(nf.errors.InvalidSeqSerdeException):
                kind("x", **given)


def test_streams_are_not_there() -> None:
    for kind in (nf.input.TextFileStream, nf.input.SequenceFileStream):
        with pytest.raises(NotImplementedError):
            kind("x")
    with pytest.raises(NotImplementedError):
        nf.TextFile("x", repeatedly=True)


class Folder(nf.output.UserOutputBase):
    """Writes a file for each part, and lists them when the run is done."""

    def __init__(self, folder: Path, parts: int | None = None, by: Any = None) -> None:
        self.folder, self.parts, self.by = str(folder), parts, by
        self.committed = 0

    def open(self, partition: int) -> None:
        self.path = os.path.join(self.folder, str(partition))
        self.records: list[Any] = []

    def sink(self, record: Any) -> None:
        self.records.append(record)

    def close(self) -> None:
        with open(self.path + ".new", "w") as file:
            file.write(repr(self.records))
        os.replace(self.path + ".new", self.path)

    def partition_number(self) -> int | None:
        return self.parts

    def partition_fn(self) -> Any:
        return self.by

    def get_commiter(self) -> Any:
        def commit() -> None:
            self.committed += 1

        return commit

    def found(self) -> dict[str, Any]:
        return {name: eval(open(os.path.join(self.folder, name)).read()) for name in os.listdir(self.folder)}


def test_targets_of_users(p: nf.Pipeline, tmp_path: Path) -> None:
    target = Folder(tmp_path)
    p.write(p.parallelize([3, 1, 2]), target)
    assert target.found() == {}
    assert target.committed == 0
    p.run()
    assert target.found() == {"0": [3, 1, 2]}
    assert target.committed == 1
    p.run()
    assert target.committed == 1


def test_parts_of_users_targets(p: nf.Pipeline, tmp_path: Path) -> None:
    by = Folder(tmp_path, 3, lambda record, n: record % 2)
    wrote(p, p.parallelize([3, 1, 2]), by)
    assert by.found() == {"0": [2], "1": [3, 1], "2": []}
    wrote(p, p.parallelize(5), by)
    assert by.found() == {"0": [], "1": [5], "2": []}
    table = Folder(tmp_path, 2)
    wrote(p, p.parallelize({"a": [1, 2], "b": [3, 4]}), table)
    found = table.found()
    assert sorted(found["0"] + found["1"]) == [1, 2, 3, 4]
    empty = Folder(tmp_path, 1)
    wrote(p, p.parallelize([]), empty)
    assert empty.found()["0"] == []


def test_users_targets_inside_of_groups(p: nf.Pipeline, tmp_path: Path) -> None:
    """They get the data of all groups, in the same parts, as files of text do."""
    flat, deep, plain = (Folder(tmp_path / name) for name in ("flat", "deep", "plain"))

    def write(v: nf.PCollection) -> nf.PCollection:
        p.write(v, flat)
        p.write(v.group_by(lambda x: x % 2), deep)
        p.write(v, nf.output.TextFile(str(tmp_path / "text")))
        p.write(v.count(), plain)
        return v

    for name in ("flat", "deep", "plain"):
        (tmp_path / name).mkdir()
    p.parallelize({"a": [1, 2], "b": [3]}).apply_values(write).cache()
    p.run()
    assert {name: sorted(found) for name, found in flat.found().items()} == {"0": [1, 2, 3]}
    assert {name: sorted(found) for name, found in deep.found().items()} == {"0": [1, 2, 3]}
    assert sorted(plain.found()["0"]) == [1, 2]
    assert (flat.committed, deep.committed, plain.committed) == (1, 1, 1)
    assert sorted((tmp_path / "text" / "part-00000").read_text().split()) == ["1", "2", "3"]


def test_commiters_that_fail(p: nf.Pipeline, tmp_path: Path) -> None:
    """The others are called all the same, and none is called again."""

    class Failing(Folder):
        def get_commiter(self) -> Any:
            def commit() -> None:
                self.committed += 1
                raise KeyError(self.folder)

            return commit

    targets = [Failing(tmp_path / "0"), Folder(tmp_path / "1"), Failing(tmp_path / "2")]
    for number, target in enumerate(targets):
        (tmp_path / str(number)).mkdir()
        p.write(p.parallelize([number]), target)
    with pytest.warns(RuntimeWarning, match="another commiter"), pytest.raises(KeyError) as caught:
        p.run()
    assert caught.value.args == (targets[0].folder,)
    p.run()
    assert [target.found() for target in targets] == [{"0": [number]} for number in range(3)]
    assert [target.committed for target in targets] == [1, 1, 1]


def test_users_targets_that_fail(p: nf.Pipeline, tmp_path: Path) -> None:
    """The commiter is not called, and the next run does it again."""
    target = Folder(tmp_path, 2, lambda record, n: record)
    p.write(p.parallelize([0, 7]), target)
    with pytest.raises(nf.errors.InvalidDataException, match="the partition function returned 7"):
        p.run()
    with pytest.raises(nf.errors.InvalidDataException):
        p.run()
    assert target.committed == 0


def test_users_targets_process_first(p: nf.Pipeline, tmp_path: Path) -> None:
    class Counts(Folder):
        def pre_process(self, pvalue: Any) -> Any:
            return pvalue.apply_values(T.count).flatten()

        def get_commiter(self) -> Any:
            return self

        def commit(self) -> None:
            self.committed += 10

    target = Counts(tmp_path)
    wrote(p, p.parallelize({"a": [1, 2]}), target)
    assert target.found() == {"0": [("a", 2)]}
    assert target.committed == 10


@pytest.mark.parametrize("async_mode", [True, False, None])
def test_parts_are_the_same_however_they_are_written(
    p: nf.Pipeline, tmp_path: Path, async_mode: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if async_mode is None:
        monkeypatch.setenv("BIGFLOW_FILE_OUTPUT_FORMAT_ASYNC_MODE", "false")
    lines = [f"{number} {'x' * (number % 300)}" for number in range(20_000)]  # several buffers
    data = p.parallelize(lines)
    targets = [
        nf.output.TextFile(str(tmp_path / "text"), async_mode=async_mode).partition(2),
        nf.output.TextFile(str(tmp_path / "gzip"), async_mode=async_mode).with_compression("gzip"),
        nf.output.SequenceFile(str(tmp_path / "pairs"), async_mode=async_mode, serde=str),
    ]
    assert [target._behind for target in targets] == [async_mode is True] * 3
    for target in targets:
        p.write(data, target)
    p.run()
    assert sorted("".join(texts(tmp_path / "text")).splitlines()) == sorted(lines)
    found = [gzip.decompress((tmp_path / "gzip" / name).read_bytes()) for name in parts(tmp_path / "gzip")]
    assert b"".join(found).decode().splitlines() == lines
    assert p.read(nf.input.SequenceFile(str(tmp_path / "pairs"), serde=str)).get() == lines


class Ranges(nf.input.UserInputBase):
    """Numbers below those that stand in the splits."""

    def split(self) -> list[str]:
        return ["3", "0", "2"]

    def load(self, split: str) -> range:
        return range(int(split))


class ByRange(Ranges):
    """The same as a table."""

    def post_process(self, ptable: nf.PTable) -> nf.PTable:
        return ptable.apply_values(T.count)


class Sized(Ranges):
    """Parts of a size that it says."""

    def __init__(self, size: Any, serde: Any = None) -> None:
        self._size = size
        self._serde = serde

    def split(self) -> list[str]:
        return [str(number) for number in range(8)]

    def get_size(self) -> Any:
        return self._size

    def get_serde(self) -> Any:
        return self._serde or super().get_serde()


class SizedByRange(Sized, ByRange):
    """The same as a table."""


def tasks(p: nf.Pipeline) -> list[int]:
    """How many tasks each stage of the last run had."""
    stages: Any = p.last_run["stages"]
    return [stage["tasks"] for stage in stages]


@pytest.mark.parametrize("kind", [Sized, SizedByRange])
def test_splits_of_users_are_loaded_by_several_tasks(create: Create, kind: type[Sized]) -> None:
    p = create()
    p._before_run_hooks.clear()  # no other work beside
    numbers = sorted(x for part in range(8) for x in range(part))
    for size, several in ((100, False), (1 << 30, True), (-1, True)):
        read = p.read(kind(size))
        if kind is Sized:
            counts = read.group_by(lambda x: x).apply_values(T.count)
            assert counts.get() == {x: numbers.count(x) for x in numbers}
        else:
            assert read.get() == {str(part): part for part in range(8)}
        loading, counting = tasks(p)
        assert loading > 1
        # What follows is cut by how much there is.
        assert (counting > 1) is several


def test_sizes_of_users_that_are_none(p: nf.Pipeline) -> None:
    with pytest.raises(ValueError, match="has to give a number of bytes or -1, not '1 GB'"):
        p.read(Sized("1 GB"))


class Doubled(nf.serde.Serde):
    """Numbers, which come back twice as large."""

    def serialize(self, obj: int) -> bytes:
        return str(obj).encode()

    def deserialize(self, data: bytes) -> int:
        return 2 * int(data)


def test_serdes_of_users_sources(p: nf.Pipeline) -> None:
    numbers = [x for part in range(8) for x in range(part)]
    read = p.read(Sized(-1, nf.serde.IntSerde()))
    assert str(read.serde()) == "int_()"
    assert read.get() == numbers
    assert p.read(Sized(-1, Doubled())).get() == [2 * x for x in numbers]
    with pytest.raises(nf.errors.InvalidDataException, match="0"):
        p.read(Sized(-1, nf.serde.StrSerde())).get()


def test_sources_of_users(p: nf.Pipeline) -> None:
    assert p.read(Ranges()).get() == [0, 1, 2, 0, 1]
    assert p.read(nf.input.user_define_format(Ranges())).count().get() == 5
    assert p.read(ByRange()).get() == {"3": 3, "0": 0, "2": 2}
    assert nf.output.user_define_format(nf.output.UserOutputBase()) is not None
    for wrong in (nf.input.user_define_format, nf.output.user_define_format):
        with pytest.raises(ValueError):
            wrong(3)
