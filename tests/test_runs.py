"""What runs do: reading and writing, effects, what is kept, and how much is done at all."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import oracle
import pytest

import nestflow as nf
from nestflow import transforms as T

if TYPE_CHECKING:
    from pathlib import Path

Create = Callable[..., nf.Pipeline]


class Log:
    """Writes down what a function was called with, wherever it runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, x: object) -> object:
        with self.path.open("a") as file:
            file.write(f"{x}\n")
        return x

    def lines(self) -> list[str]:
        """What was written so far, sorted."""
        return sorted(self.path.read_text().split("\n")[:-1]) if self.path.exists() else []


def parts(target: Path) -> list[bytes]:
    """The contents of the parts of a target, in their order; compressed ones decompressed."""
    found = sorted(target.iterdir())
    names = [path.name.removesuffix(".gz") for path in found]
    assert names == [f"part-{number:05}" for number in range(len(found))]
    return [gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes() for p in found]


# --- reading ---


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder of texts."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "b.txt").write_bytes(b"3\r\n4")
    (folder / "a.txt").write_bytes(b"1\n\n2\n")
    (folder / "c.txt.gz").write_bytes(gzip.compress(b"5\n6"))
    (folder / "inner").mkdir()
    (folder / "inner" / "d.txt").write_bytes(b"7\n")
    return folder


@pytest.mark.parametrize(
    "paths", [["."], ["*.txt"], ["b.txt", "a.txt"], ["a.txt", "a.txt"], ["c.txt.gz", "inner"]]
)
def test_lines_come_in_order(p: nf.Pipeline, files: Path, paths: list[str]) -> None:
    lines = p.read(nf.TextFile(*(str(files / path) for path in paths)))
    oracle.check(lines.get(), oracle.get(lines))


def test_lines_of_a_folder(p: nf.Pipeline, files: Path) -> None:
    assert p.read(nf.TextFile(str(files))).get() == ["1", "", "2", "3", "4", "5", "6"]


def test_odd_bytes_survive(p: nf.Pipeline, tmp_path: Path) -> None:
    lines = [b"\xff\xfe", b"a\0b", "é\u2028x".encode(), b"", b"\ta\r", b" "]
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"\n".join(lines) + b"\n")
    read = p.read(nf.TextFile(str(source)))
    p.write(read, nf.output.TextFile(str(target)))
    expected = [line.removesuffix(b"\r") for line in lines]
    assert [line.encode("utf-8", "surrogateescape") for line in read.get()] == expected
    assert p.read(nf.TextFile(str(source), encoding=None)).get() == expected
    assert b"".join(parts(target)) == b"".join(line + b"\n" for line in expected)


def test_a_file_larger_than_a_block(p: nf.Pipeline, tmp_path: Path) -> None:
    numbers = list(range(60_000))
    source = tmp_path / "numbers.txt"
    source.write_text("".join(f"{number}\n" for number in numbers))
    lines = p.read(nf.TextFile(str(source))).map(int)
    assert lines.get() == numbers
    assert lines.filter(lambda x: x % 2).take(3).get() == [1, 3, 5]


def test_reading_twice_after_writing(p: nf.Pipeline, tmp_path: Path) -> None:
    target = tmp_path / "out"
    p.write(p.parallelize(["a", "b"]), nf.output.TextFile(str(target)))
    p.run()
    again = p.read(nf.TextFile(str(target)))
    p.write(again.map(str.upper), nf.output.TextFile(str(target)))
    p.run()
    assert p.read(nf.TextFile(str(target))).get() == ["A", "B"]


# --- writing ---


def test_write_shows_records_as_text(p: nf.Pipeline, tmp_path: Path) -> None:
    target = tmp_path / "out"
    p.write(p.parallelize([1, None, (2, "x"), 0.1, b"b", "é"]), nf.output.TextFile(str(target)).partition(1))
    p.run()
    assert parts(target) == ["1\nNone\n(2, 'x')\n0.1\nb'b'\né\n".encode()]


def test_write_of_objects_and_tables(p: nf.Pipeline, tmp_path: Path) -> None:
    numbers = p.parallelize([1, 2, 3])
    table = numbers.group_by(lambda x: x % 2)
    p.write(numbers.sum(), nf.output.TextFile(str(tmp_path / "object")))
    p.write(table, nf.output.TextFile(str(tmp_path / "table")))
    p.write(table.apply_values(lambda g: g.group_by(str)), nf.output.TextFile(str(tmp_path / "nested")))
    p.run()
    assert b"".join(parts(tmp_path / "object")) == b"6\n"
    for name in ("table", "nested"):
        assert sorted(b"".join(parts(tmp_path / name)).split()) == [b"1", b"2", b"3"]


def test_write_of_nothing(p: nf.Pipeline, tmp_path: Path) -> None:
    p.write(p.parallelize([]), nf.output.TextFile(str(tmp_path / "a")))
    p.write(p.parallelize([1]).filter(lambda x: False), nf.output.TextFile(str(tmp_path / "b")).partition(2))
    p.run()
    assert b"".join(parts(tmp_path / "a")) == b""
    assert parts(tmp_path / "b") == [b"", b""]


def test_partitions_are_as_many_as_asked_for(p: nf.Pipeline, tmp_path: Path) -> None:
    numbers = p.parallelize(list(range(20)))
    p.write(numbers, nf.output.TextFile(str(tmp_path / "any")).partition(4))
    p.write(numbers, nf.output.TextFile(str(tmp_path / "own")).partition(3, lambda x, n: x % n))
    p.write(numbers, nf.output.TextFile(str(tmp_path / "one")).partition(3, lambda x, n: 1))
    p.run()
    any_, own, one = (parts(tmp_path / name) for name in ("any", "own", "one"))
    assert len(any_) == 4
    assert sorted(map(int, b"".join(any_).split())) == list(range(20))
    assert [sorted(map(int, part.split())) for part in own] == [list(range(r, 20, 3)) for r in range(3)]
    assert [len(part.split()) for part in one] == [0, 20, 0]


def test_parts_are_sorted_by_value(p: nf.Pipeline, tmp_path: Path) -> None:
    numbers = p.parallelize([10, 9, 2, 33, 1, 25])
    p.write(numbers, nf.output.TextFile(str(tmp_path / "up")).partition(2, lambda x, n: x % n).sort())
    p.write(numbers, nf.output.TextFile(str(tmp_path / "down")).partition(1).sort(reverse=True))
    by_last = (
        nf.output.TextFile(str(tmp_path / "by")).partition(1).sort_by(lambda x: (x % 10, x), reverse=True)
    )
    p.write(numbers, by_last)
    p.run()
    assert parts(tmp_path / "up") == [b"2\n10\n", b"1\n9\n25\n33\n"]
    assert parts(tmp_path / "down") == [b"33\n25\n10\n9\n2\n1\n"]
    assert parts(tmp_path / "by") == [b"9\n25\n33\n2\n1\n10\n"]


def test_written_order_is_the_order_of_the_dataset(p: nf.Pipeline, tmp_path: Path) -> None:
    numbers = p.parallelize([3, 1, 2, 1]).sort(reverse=True).map(lambda x: x * 2)
    p.write(numbers, nf.output.TextFile(str(tmp_path / "out")).partition(1))
    p.run()
    assert parts(tmp_path / "out") == [b"6\n4\n2\n2\n"]


def test_compression_and_delimiters(p: nf.Pipeline, tmp_path: Path) -> None:
    words = p.parallelize(["a", "b"])
    p.write(words, nf.output.TextFile(str(tmp_path / "gz")).with_compression("gzip").partition(1))
    p.write(words, nf.output.TextFile(str(tmp_path / "raw"), record_delimiter=None).partition(1))
    p.write(words, nf.output.TextFile(str(tmp_path / "semi/"), record_delimiter=";").partition(1))
    p.run()
    assert [path.name for path in (tmp_path / "gz").iterdir()] == ["part-00000.gz"]
    assert parts(tmp_path / "gz") == [b"a\nb\n"]
    assert parts(tmp_path / "raw") == [b"ab"]
    assert parts(tmp_path / "semi") == [b"a;b;"]
    assert p.read(nf.TextFile(str(tmp_path / "gz"))).get() == ["a", "b"]


def test_targets_are_replaced_and_written_once(p: nf.Pipeline, tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    (target / "old").write_text("old")
    p.write(p.parallelize([1]), nf.output.TextFile(str(target)))
    p.run()
    assert b"".join(parts(target)) == b"1\n"
    next(target.iterdir()).unlink()
    p.run()
    assert list(target.iterdir()) == []


# --- effects, caches, and how much is done ---


def test_foreach_happens_once(p: nf.Pipeline, tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    numbers = p.parallelize([1, 2, 3])
    numbers.foreach(log)
    T.foreach(numbers.sum(), log)
    T.foreach(numbers.group_by(lambda x: x % 2), lambda x: log(x * 10) and None)
    assert log.lines() == []
    p.run()
    p.run()
    assert numbers.count().get() == 3
    assert log.lines() == sorted(["1", "2", "3", "6", "10", "20", "30"])


def test_foreach_with_side_inputs_in_groups(p: nf.Pipeline, tmp_path: Path) -> None:
    log = Log(tmp_path / "log")

    def visit(x: int, n: int, all_: list[int]) -> None:
        assert type(all_) is list
        log((x, n, all_))

    outer = p.parallelize([7])
    p.parallelize({"a": [1, 2], "b": [3]}).apply_values(
        lambda v, o: v.foreach(visit, v.count(), o) or v, outer
    )
    p.run()
    assert log.lines() == ["(1, 2, [7])", "(2, 2, [7])", "(3, 1, [7])"]


def test_work_is_shared_in_a_run_and_kept_after_it(p: nf.Pipeline, tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    seen = p.parallelize([1, 2, 3]).map(log)
    counted, added = seen.count().cache(), seen.group_by(lambda x: x % 2).apply_values(T.sum).cache()
    assert seen.cache() is seen
    p.run()
    assert log.lines() == ["1", "2", "3"]
    assert (counted.get(), added.get(), seen.get()) == (3, {0: 2, 1: 4}, [1, 2, 3])
    assert seen.map(lambda x: x + 1).get() == [2, 3, 4]
    assert log.lines() == ["1", "2", "3"]


def test_get_keeps_what_it_gave(p: nf.Pipeline, tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    seen = p.parallelize([[1], [2]]).map(log)
    first = seen.get()
    first[0].append("changed")
    assert seen.get() == [[1], [2]]
    assert seen.count().get() == 2
    assert log.lines() == ["[1]", "[2]"]


def test_what_is_kept_survives_its_source(p: nf.Pipeline, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.write_text("a\nb\na\n")
    lines = p.read(nf.TextFile(str(source)))
    table = lines.group_by(lambda x: x).apply_values(lambda v: v.filter(lambda x: x == "a")).cache()
    kept = lines.cache()
    p.run()
    source.unlink()
    assert kept.map(str.upper).get() == ["A", "B", "A"]
    assert table.get() == {"a": ["a", "a"]}
    assert table.apply_values(T.count).get() == {"a": 2, "b": 0}
    assert sorted(table.extract_keys().get()) == ["a", "b"]


def test_kept_order_is_the_order(p: nf.Pipeline) -> None:
    ordered = p.parallelize([3, 1, 2]).sort().cache()
    table = p.parallelize([("k", 3), ("k", 1), ("j", 2)]).group_by_key().cache()
    p.run()
    assert ordered.take(2).get() == [1, 2]
    assert table.apply_values(T.first).get() == {"k": 3, "j": 2}
    assert table.apply_values(T.to_list_pobject).get() == {"k": [3, 1], "j": [2]}


def test_branches_that_nobody_asks_for_do_not_run(p: nf.Pipeline, tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    numbers = p.parallelize([1, 2])
    numbers.map(log)
    numbers.map(log).group_by(lambda x: x).apply_values(lambda v: (v.count(), v.map(log)))
    assert numbers.count().get() == 2
    assert log.lines() == []


def test_get_runs_everything_that_is_pending(p: nf.Pipeline, tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    p.parallelize(["effect"]).foreach(log)
    p.write(p.parallelize([1]), nf.output.TextFile(str(tmp_path / "out")))
    marked = p.parallelize(["kept"]).map(log).cache()
    assert p.parallelize([5]).get() == [5]
    assert log.lines() == ["effect", "kept"]
    assert b"".join(parts(tmp_path / "out")) == b"1\n"
    assert marked.get() == ["kept"]
    assert log.lines() == ["effect", "kept"]


def test_data_are_stored_at_the_call(p: nf.Pipeline) -> None:
    data, factor = [1, 2], [10]
    numbers = p.parallelize(data).map(lambda x: x * factor[0])
    data.append(3)
    factor[0] = 0
    assert numbers.get() == [10, 20]


def test_groups_that_are_given_empty(p: nf.Pipeline) -> None:
    table = p.parallelize({"a": [1], "b": [], "c": [2]})
    assert table.get() == {"a": [1], "c": [2]}
    assert table.apply_values(T.count).get() == {"a": 1, "b": 0, "c": 1}
    nested = p.parallelize({"x": {"a": [1]}, "y": {}, "z": {"b": []}})
    counts = nested.apply_values(lambda t: t.apply_values(T.count))
    assert counts.get() == {"x": {"a": 1}, "z": {"b": 0}}
    assert nested.apply_values(lambda t: t.extract_keys().count()).get() == {"x": 1, "y": 0, "z": 1}
    assert sorted(nested.extract_keys().get()) == ["x", "y", "z"]
    late = p.parallelize({"a": {}, "b": {"x": 1}, "c": {"y": 2, "z": 3}})
    assert repr(late) == "{k0: {k1: o}}"
    assert late.get() == {"b": {"x": 1}, "c": {"y": 2, "z": 3}}
    assert sorted(late.extract_keys().get()) == ["a", "b", "c"]
    assert repr(p.parallelize({"a": {"b": {}}, "c": {}})) == "{k0: {k1: {k2: [...]}}}"
    assert p.parallelize({"a": {"b": {}}, "c": {"d": {"e": [1]}}}).get() == {"c": {"d": {"e": [1]}}}
    assert p.parallelize({}).get() == {}
    assert p.parallelize({}).extract_keys().get() == []
    assert p.parallelize({None: None}).get() == {None: None}


def test_shown_keys_are_keys_that_were_given(p: nf.Pipeline) -> None:
    numbers = p.parallelize([1, 5, 2])
    shown = numbers.group_by(lambda x: x > 3).get()
    assert [type(key) for key in shown] == [bool, bool]
    floats = numbers.group_by(lambda x: x / 1).apply_values(T.count).get()
    assert all(type(key) is float for key in floats)
    # Of these, the key cells tell only what they are equal to.
    odd = [Decimal("0.1"), Fraction(1, 3), PurePosixPath("a"), range(2, 5), (Decimal("0.1"), 1), b"x"]
    for key in odd:
        (shown_key,) = p.parallelize([(key, 1), (key, 2)]).group_by_key().apply_values(T.count).get()
        assert repr(shown_key) == repr(key)
    both = p.parallelize(
        [(True, "a"), (1.0, "b"), (1, "c"), ((1.0, "x"), "d"), ((True, "x"), "e")]
    ).group_by_key()
    table = both.get()
    assert {repr(key): sorted(values) for key, values in table.items()} == {
        "1": ["a", "b", "c"],
        "(1.0, 'x')": ["d", "e"],
    }
    assert sorted(map(repr, both.flatten().get())) == sorted(
        ["(True, 'a')", "(1.0, 'b')", "(1, 'c')", "((1.0, 'x'), 'd')", "((True, 'x'), 'e')"]
    )
    assert sorted(map(repr, both.extract_keys().get())) == ["(1.0, 'x')", "1"]


# --- enough data to spill ---

ROWS = 60_000


@pytest.fixture(scope="module")
def rows() -> list[tuple[int, str]]:
    """More than fits the memory of tiny engines at once, in some places."""
    dice = random.Random(5)
    return [
        (dice.randrange(50) if dice.random() < 0.5 else 7, f"user-{dice.randrange(ROWS)}-{'x' * 40}")
        for _ in range(ROWS)
    ]


def test_sort_of_much(p: nf.Pipeline, rows: list[tuple[int, str]]) -> None:
    data = p.parallelize(rows)
    assert data.sort().get() == sorted(rows)
    assert data.sort_by(lambda r: r[0], reverse=True).get() == sorted(rows, key=lambda r: -r[0])


def test_a_run_says_what_its_stages_did(p: nf.Pipeline, rows: list[tuple[int, str]]) -> None:
    p.parallelize(rows).map(lambda row: row[1]).distinct().count().get()
    stages = p.last_run["stages"]
    first = next(stage for stage in stages if "distinct" in stage["name"])
    assert (first["rows"], first["rows_out"] > 0, first["bytes"] > 0) == (ROWS, True, True)
    assert first["host_seconds"] > 0
    assert all(stage["spilled"] >= 0 and stage["tasks"] > 0 for stage in stages)


def test_what_does_not_fit_is_counted_as_spilled() -> None:
    with nf.Pipeline.create("local", host="in_process", memory_limit="8MB", progress=False) as p:
        numbers = p.parallelize(list(range(600_000)))
        numbers.distinct().count().get()
        assert sum(stage["spilled"] for stage in p.last_run["stages"]) > 1 << 20


def test_distinct_in_groups_of_much(p: nf.Pipeline, rows: list[tuple[int, str]]) -> None:
    table = p.parallelize(rows).group_by_key()
    expected: dict[int, set[str]] = {}
    for key, user in rows:
        expected.setdefault(key, set()).add(user)
    counts = table.apply_values(lambda v: v.distinct().count()).cache()
    tops = table.apply_values(lambda v: v.distinct().max_elements(3)).cache()
    p.run()
    assert counts.get() == {key: len(users) for key, users in expected.items()}
    assert tops.get() == {key: sorted(users, reverse=True)[:3] for key, users in expected.items()}


def test_groups_in_order_of_much(p: nf.Pipeline, rows: list[tuple[int, str]]) -> None:
    table = p.parallelize(rows).group_by_key()
    expected: dict[int, list[str]] = {}
    for key, user in rows:
        expected.setdefault(key, []).append(user)
    assert table.get() == expected
    assert table.apply_values(T.sort).get() == {key: sorted(users) for key, users in expected.items()}
    last = table.apply_values(lambda v: v.accumulate(None, lambda s, x: x))
    assert last.get() == {key: users[-1] for key, users in expected.items()}


def test_join_of_much(p: nf.Pipeline, rows: list[tuple[int, str]]) -> None:
    users = p.parallelize([(user, key) for key, user in rows])
    names = p.parallelize([(f"user-{number}-{'x' * 40}", number) for number in range(0, ROWS, 7)])
    expected = Counter()
    by_user = Counter(user for _, user in rows)
    for number in range(0, ROWS, 7):
        expected[number] += by_user[f"user-{number}-{'x' * 40}"]
    joined = users.join(names).map(lambda r: r[1][1])
    got = Counter(joined.get())
    assert got == +expected
    assert users.left_join(names).count().get() == len(rows)


def test_counts_of_many_groups(p: nf.Pipeline, rows: list[tuple[int, str]]) -> None:
    users = p.parallelize(rows).map(lambda r: r[1])
    counts = users.group_by(lambda u: u).apply_values(T.count)
    assert counts.get() == Counter(user for _, user in rows)
    assert users.distinct().count().get() == len({user for _, user in rows})


FULL = """
import resource, sys
import nestflow as nf
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
p = nf.Pipeline.create("local", memory_limit="8MB", threads=1, host="in_process", tmp_dir=sys.argv[1])
try:
    p.parallelize(list(range(50))).flat_map(lambda x: [(i, "x" * 90) for i in range(3000)]).sort().get()
except nf.errors.NestflowRuntimeException as error:
    print(error)
"""


def test_temporary_folder_without_room_is_named(tmp_path: Path) -> None:
    # A limit to the size of files fails in the same place as a full disk, and needs no rights.
    found = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert f"temporary file of blocks in {tmp_path}: File too large" in found.stdout, found


def test_sort_of_more_than_a_task(p: nf.Pipeline, tmp_path: Path) -> None:
    """Ranges of keys in different tasks follow each other, ties in order, one key for half of all rows."""
    numbers = [(7 if i % 2 else i * 7919 % 1000, i) for i in range(60_000)]
    path = tmp_path / "rows"
    path.write_text("".join(f"{key} {i}\n" for key, i in numbers))
    rows = p.read(nf.TextFile(str(path))).map(lambda line: tuple(map(int, line.split())))
    for descending in (False, True):
        in_order = rows.sort_by(lambda row: row[0], descending)
        assert in_order.get() == sorted(numbers, key=lambda row: row[0], reverse=descending)
        first = in_order.accumulate(0, lambda count, row: count + (row[1] < 100))
        assert first.get() == 100
    assert rows.map(lambda row: row[1]).sort(True).map(lambda i: i).take(3).get() == [59_999, 59_998, 59_997]


def test_sort_of_more_than_a_task_compares_all(p: nf.Pipeline, tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_text("".join(f"{i}\n" for i in range(60_000)))
    rows = p.read(nf.TextFile(str(path))).map(lambda line: line if line == "31000" else int(line))
    with pytest.raises(TypeError, match="not supported between instances"):
        rows.sort().get()


SIDE_BY_SIDE = {
    "two aggregates": lambda v: T.make_tuple(v.count(), v.max()),
    "three aggregates": lambda v: v.count() + v.map(len).sum() + v.distinct().count(),
    "first of sorted": lambda v: v.sort().take(1),
    "largest": lambda v: v.max(),
}


@pytest.mark.parametrize("name", SIDE_BY_SIDE)
def test_operators_that_spill_share_the_memory(create: Create, tmp_path: Path, name: str) -> None:
    """One that took all would leave nothing for the next, in the same task, to begin with."""
    groups = 200_000
    path = tmp_path / "keys"
    path.write_text("".join(f"key-{i}\n" for i in range(groups)))
    p = create(memory_limit="8MB", threads=2)
    table = p.read(nf.TextFile(str(path))).group_by(lambda line: line)
    assert table.apply_values(SIDE_BY_SIDE[name]).flatten().count().get() == groups


def test_code_is_shown_stage_by_stage() -> None:
    p = nf.Pipeline.create("local")

    def size(word: str) -> int:
        length = len(word)
        return length

    words = p.parallelize(["a b"]).flat_map(lambda line: line.split())
    text = words.group_by(size).apply_values(lambda group: group.map(str.upper).count()).explain(code=True)
    assert text.startswith("# stage 0\n")
    assert "# f1k: size in group_by(size) at" in text
    assert "    k1 = f1k(" in text.replace("            ", "    ")
    compile(text, "shown", "exec")
    assert p.explain(code=True) == ""
