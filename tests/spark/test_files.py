"""Files in and out on Spark: the same on this machine's file system and in HDFS."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from by_hand import planned
from on_spark import CONF, MASTER
from places import Hdfs

import nestflow as nf
import nestflow.engine.spark.engine
from nestflow.engine.spark.place import store_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from places import Place

    Make = Callable[..., nf.Pipeline]

pytestmark = pytest.mark.usefixtures("nothing_left")

LINES = [f"{number} {'ä' * (number % 40)}" for number in range(30_000)]
"""Enough for several blocks, tasks and buffers."""

TEXT = "".join(f"{line}\n" for line in LINES).encode()


def parts(place: Place, target: str) -> list[bytes]:
    """The contents of the parts of an output, in order."""
    names = place.names(target)
    assert [name.removesuffix(".gz") for name in names] == [f"part-{i:05}" for i in range(len(names))]
    found = [place.read(f"{target}/{name}") for name in names]
    both = zip(names, found, strict=True)
    return [gzip.decompress(part) if name.endswith("gz") else part for name, part in both]


def written(place: Place, target: str) -> list[str]:
    """The lines of an output."""
    return b"".join(parts(place, target)).decode().split("\n")[:-1]


def died_once(mark: Path) -> Callable[[int], str]:
    """A function whose process dies at a record near the end, the first time."""

    def line(x: int) -> str:
        if x % 10_000 == 9_990:
            try:
                (mark / str(x)).touch(exist_ok=False)
                os.kill(os.getpid(), signal.SIGKILL)
            except FileExistsError:
                pass
        return LINES[x]

    return line


def test_files_are_read(spark: Make, place: Place) -> None:
    place.put("in/a.txt", TEXT)
    place.put("in/b.txt.gz", gzip.compress(b"one\r\n") + gzip.compress(b"two"))
    place.put("in/_c.txt", b"hidden\n")
    place.put("in/.d.txt", b"hidden\n")
    place.put("in/more/e.txt", b"deeper\n")
    place.put("in/with space, and %20.txt", b"spaces\n")
    every = [*LINES, "one", "two", "spaces"]
    p = spark()

    def read(*names: str) -> list[str]:
        found: list[str] = p.read(nf.TextFile(*(f"{place.uri}/{name}" for name in names))).get()
        return found

    assert read("in") == every
    assert read("in/*.txt*") == every
    assert read("in/[ab].txt", "i?/*/e.txt") == [*LINES, "deeper"]
    assert read("in/b.*", "in/_c.txt", "in/with space, and %20.txt") == ["one", "two", "hidden", "spaces"]


def test_outputs(spark: Make, place: Place) -> None:
    place.put("out/part-00099", b"of an earlier run\n")
    p = spark()
    lines = p.parallelize(LINES)
    p.write(lines, nf.output.TextFile(f"{place.uri}/out"))
    first = nf.output.TextFile(f"{place.uri}/sub/by_digit").partition(3, lambda line, n: int(line[0]) % n)
    p.write(lines, first.sort(reverse=True).with_compression("gzip"))
    assert lines.count().get() == len(LINES)  # a run that writes, and keeps something of the same stage
    assert sorted(written(place, "out")) == sorted(LINES)
    by_digit = [part.decode().split("\n")[:-1] for part in parts(place, "sub/by_digit")]
    assert by_digit == [
        sorted((line for line in LINES if int(line[0]) % 3 == digit), reverse=True) for digit in range(3)
    ]
    assert place.names("sub") == ["by_digit"]
    p.write(p.parallelize(["again"]), nf.output.TextFile(f"{place.uri}/out", overwrite=False))
    with pytest.raises(nf.errors.NestflowRuntimeException, match="exists, and overwrite is off"):
        p.run()


def test_what_cannot_be_read(spark: Make, place: Place) -> None:
    p = spark()
    for name, text in (("nothing", "no such file or directory"), ("*.none", "no file matches")):
        with pytest.raises(nf.errors.NestflowRuntimeException) as caught:
            p.read(nf.TextFile(f"{place.uri}/{name}")).get()
        assert caught.value.args[0].endswith(f"/{name}: {text}")
        assert "read at" in str(caught.value.__notes__) and "test_files.py" in str(caught.value.__notes__)
    place.put("bad.gz", gzip.compress(TEXT)[:5000])
    with pytest.raises(nf.errors.InvalidDataException, match=r"bad\.gz: damaged or cut off gzip file"):
        p.read(nf.TextFile(f"{place.uri}/bad.gz")).count().get()
    if isinstance(place, Hdfs):
        place.put("secret", b"x\n")
        place.deny("secret")
        with pytest.raises(
            nf.errors.NestflowRuntimeException, match="secret: Permission denied: user=tester"
        ):
            p.read(nf.TextFile(f"{place.uri}/secret")).get()


def test_a_file_that_changes_is_not_read_again(spark: Make, place: Place) -> None:
    p = spark()
    path = place.put("in.txt", TEXT)
    lines = p.read(nf.TextFile(path)).map(lambda line: line.upper()).cache()
    assert len(lines.get()) == len(LINES)
    place.put("in.txt", b"another\n" + TEXT)
    assert lines.distinct().count().get() == len(LINES)  # it is kept
    kept = p._engine._context._jsc.getPersistentRDDs()
    for number in list(kept):
        kept[number].unpersist(True)
    with pytest.raises(nf.errors.InvalidDataException, match=r"in\.txt: the file has changed since the run"):
        lines.map(len).count().get()


@pytest.mark.skipif(str(MASTER).startswith("local["), reason="there, Spark tries nothing again")
def test_a_task_that_dies_while_it_writes(spark: Make, place: Place, tmp_path: Path) -> None:
    p = spark()
    p.write(
        p.parallelize(list(range(len(LINES)))).map(died_once(tmp_path)),
        nf.output.TextFile(f"{place.uri}/out"),
    )
    p.run()
    assert (tmp_path / "9990").exists()
    assert written(place, "out") == LINES
    assert place.names() == ["out"]


def test_a_run_that_fails_leaves_nothing(spark: Make, place: Place) -> None:
    def fail(x: int) -> str:
        if x == 29_000:
            raise ValueError(x)
        return LINES[x]

    place.put("old/part-00000", b"old\n")
    p = spark()
    lines = p.parallelize(list(range(len(LINES)))).map(fail)
    p.write(lines, nf.output.TextFile(f"{place.uri}/new"))
    p.write(lines, nf.output.TextFile(f"{place.uri}/old"))
    with pytest.raises(ValueError, match="29000"):
        p.run()
    assert place.names() == ["old"]
    assert written(place, "old") == ["old"]


def test_an_interrupted_run_leaves_nothing(spark: Make, place: Place) -> None:
    begun = threading.Event()

    def stop(_: dict[str, Any]) -> None:
        if begun.is_set():
            raise KeyboardInterrupt

    def slow(x: int) -> str:
        if x == 29_000:
            threading.Event().wait(60)
        return LINES[x]

    p = spark()
    p._engine._progress = stop
    threading.Timer(2, begun.set).start()
    p.write(p.parallelize(list(range(len(LINES)))).map(slow), nf.output.TextFile(f"{place.uri}/out"))
    with pytest.raises(KeyboardInterrupt):
        p.run()
    assert place.names() == []


@pytest.mark.parametrize("scheme", ["s3a", "gs", "wasb", "wasbs", "abfs", "abfss"])
def test_no_output_to_a_store_without_rename(spark: Make, tmp_path: Path, scheme: str) -> None:
    # Stores whose classes are not here; that of this machine stands for them.
    classes = {f"fs.{scheme}.impl": "org.apache.hadoop.fs.RawLocalFileSystem"}
    mark = tmp_path / "ran"
    p = spark(hadoop_conf=classes)
    p.write(p.parallelize([1]).map(lambda x: mark.touch()), nf.output.TextFile(f"{scheme}://bucket/out"))
    with pytest.raises(
        nf.errors.InvalidDataException, match=f"{scheme}://bucket/out: an output has to appear as a whole"
    ):
        p.run()
    assert not mark.exists()


def test_a_path_without_a_scheme_is_of_the_client(
    spark: Make, hdfs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = spark(hadoop_conf={"fs.defaultFS": hdfs})
    p._engine._opened()
    context = p._engine._context
    place = Hdfs(context, f"{hdfs}/user/tester/{tmp_path.name}")
    place.put("in/a", b"of HDFS\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_bytes(b"of this machine\n")
    monkeypatch.chdir(tmp_path)
    lines = p.read(nf.TextFile("i*", f"file://{tmp_path}/in/a"))
    p.write(lines, nf.output.TextFile("out"))
    p.write(lines, nf.output.TextFile(f"file://{tmp_path}/by_scheme"))
    assert lines.get() == ["of this machine"] * 2
    # The default of the cluster is named by its scheme.
    far = p.read(nf.TextFile(f"hdfs:///user/tester/{tmp_path.name}/i*"))
    p.write(far, nf.output.TextFile(f"hdfs:///user/tester/{tmp_path.name}/out"))
    assert far.get() == ["of HDFS"]
    p.write(lines, nf.output.TextFile("hdfs:///user/tester"))
    with pytest.raises(nf.errors.InvalidDataException, match="holds the working or the home directory"):
        p.run()
    assert written(place, "out") == ["of HDFS"]
    for name in ("out", "by_scheme"):
        text = [part.read_text() for part in sorted((tmp_path / name).iterdir())]
        assert "".join(text) == "of this machine\n" * 2


@pytest.mark.skipif(str(MASTER).startswith("local["), reason="there, tasks see the files of the client")
def test_only_what_the_client_alone_has_travels(spark: Make, hdfs: str, tmp_path: Path) -> None:
    for name in ("client", "every"):
        (tmp_path / name).write_text(f"of {name}\n")
    p = spark(tmp_data_path=f"{hdfs}/tmp/{tmp_path.name}")
    lines = p.read(nf.TextFile(str(tmp_path / "client"), f"file://{tmp_path}/every"))
    p.write(lines, nf.output.TextFile(str(tmp_path / "out")))
    p.write(lines, nf.output.TextFile(f"file://{tmp_path}/by_scheme"))
    assert lines.get() == ["of client", "of every"]
    for name in ("out", "by_scheme"):
        text = [part.read_text() for part in sorted((tmp_path / name).iterdir())]
        assert "".join(text) == "of client\nof every\n"
    place = Hdfs(p._engine._context, f"{hdfs}/tmp/{tmp_path.name}")
    (mine,) = (name for name in place.names() if name.startswith("temporary-"))
    (copy,) = (name for name in place.names(mine) if name.startswith("input-"))
    assert place.read(f"{mine}/{copy}") == b"of client\n"


KILLED = """
import json, sys, time
import nestflow as nf

conf, folder, source = json.loads(sys.argv[1]), *sys.argv[2:]
p = nf.Pipeline.create("spark", progress=False, spark_conf=conf, tmp_data_path=folder)
lines = p.read(nf.TextFile(source))
assert lines.count().get() == 1
print("ready", flush=True)
lines.map(lambda line: time.sleep(600)).get()
"""


@pytest.mark.skipif(str(MASTER).startswith("local["), reason="there, tasks see the files of the client")
def test_what_a_killed_driver_left_goes(spark: Make, hdfs: str, tmp_path: Path) -> None:
    """Its copies of this machine's files, with the first use by anybody else a day later."""
    folder, source = f"{hdfs}/tmp/{tmp_path.name}", tmp_path / "source"
    source.write_text("of the client\n")
    client = subprocess.Popen(
        [sys.executable, "-c", KILLED, json.dumps(CONF), folder, str(source)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert client.stdout is not None
    # The JVM, which checks calls, says something there too.
    assert b"ready\n" in client.stdout
    os.killpg(client.pid, signal.SIGKILL)
    client.communicate()

    p = spark()
    p._engine._opened()
    place = Hdfs(p._engine._context, folder)

    def folders() -> list[str]:
        return [name for name in place.names() if name.startswith("temporary-")]

    def another() -> list[str]:
        p = spark(tmp_data_path=folder)
        assert p.read(nf.TextFile(str(source))).get() == ["of the client"]
        found = folders()
        p.close()
        return found

    (left,) = folders()
    assert [name.split("-")[0] for name in place.names(left)] == ["input", "owner"]
    # It may still be in use: it is young.
    assert left in another()
    place.system.setTimes(place.at(left), 1000 * int(time.time() - 25 * 3600), -1)
    # As HDFS does itself, a minute after a process that holds a file has died.
    until = time.monotonic() + 60
    while not place.system.recoverLease(place.at(f"{left}/owner")):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert left not in another()
    assert folders() == []


def test_a_folder_for_copies_without_a_scheme(spark: Make, hdfs: str, tmp_path: Path) -> None:
    engine: Any = spark()._engine
    engine._opened()
    for default in ({}, {"fs.defaultFS": hdfs}):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            store = store_at(engine._context, str(tmp_path), {"hadoop_conf": default})
            assert store.uri("a") == f"file://{tmp_path}/a"
        told = [str(warning.message) for warning in warned]
        assert len(told) == len(default)
        assert all(f"the cluster's file system is hdfs://{tmp_path}" in text for text in told)


def test_what_dead_runs_left_goes(spark: Make, hdfs: str, tmp_path: Path) -> None:
    p = spark()
    p._engine._opened()
    place = Hdfs(p._engine._context, f"{hdfs}/tmp/{tmp_path.name}")
    dead, alive = (f".writing-out-{digit * 32}" for digit in "01")
    place.put(f"{dead}/owner", b"")
    place.put(f"{dead}/old/part-00000", b"replaced by half\n")
    held = place.system.create(place.at(f"{alive}/owner"))
    p.write(p.parallelize(["new"]), nf.output.TextFile(f"{place.uri}/out", overwrite=False))
    with pytest.raises(nf.errors.NestflowRuntimeException, match="exists, and overwrite is off"):
        p.run()
    assert written(place, "out") == ["replaced by half"]
    assert place.names() == [alive, "out"]
    held.close()


def test_checksums_and_machines_are_what_hdfs_says(spark: Make, hdfs: str, tmp_path: Path) -> None:
    p = spark()
    engine = p._engine
    engine._opened()
    place = Hdfs(engine._context, f"{hdfs}/tmp/{tmp_path.name}")
    text = "".join(f"line {number}\n" for number in range(30_000)).encode()
    path = place.put("in/a", text)
    place.put("in/nine", b"123456789")
    files = engine._driver.files()
    sums = json.loads(files.ask("checksums", f"{place.uri}/in", ""))
    assert sums["nine"] == 0xE3069283
    assert sorted(sums) == ["a", "nine"]
    [[start, end, [host]]] = json.loads(files.ask("hosts", path, ""))
    assert (start, end) == (0, len(text))
    # Each task of the source is to run there, and says so to Spark.
    sent = planned(p, p.read(nf.TextFile(path)).map(len))
    hosts = [task["hosts"] for task in sent.description["stages"][0]["tasks"]]
    assert len(hosts) > 1
    assert hosts == [[] if host == "localhost" else [host]] * len(hosts)
    assert json.loads(files.ask("checksums", f"file://{tmp_path}", "")) == {}


def test_a_part_that_was_damaged_on_hdfs(spark: Make, hdfs: str, tmp_path: Path) -> None:
    """One byte of a part is another one when the run is committed; its size is the same."""
    p = spark()
    engine: Any = p._engine
    engine._opened()
    place = Hdfs(engine._context, f"{hdfs}/tmp/{tmp_path.name}")
    execute = engine._execute

    def damaging(*arguments: Any) -> Any:
        done = execute(*arguments)
        [working] = place.names()
        attempt = next(name for name in place.names(f"{working}/attempts"))
        content = place.read(f"{working}/attempts/{attempt}")
        place.put(f"{working}/attempts/{attempt}", b"X" + content[1:])
        return done

    engine._execute = damaging
    p.write(p.parallelize(["one", "two"]), nf.output.TextFile(f"{place.uri}/out"))
    with pytest.raises(
        nf.errors.InvalidDataException, match=r"/out: a task has written part \d+ with the checksum"
    ):
        p.run()
    assert place.names() == []
    engine._execute = execute
    p.run()
    assert written(place, "out") == ["one", "two"]


@pytest.mark.parametrize("stuck", [False, True], ids=["put back", "stuck"])
def test_several_outputs_of_which_the_second_fails(
    spark: Make, hdfs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stuck: bool
) -> None:
    """At the second rename all goes back; where that fails too, the error says of which targets."""
    p = spark()
    engine: Any = p._engine
    engine._opened()
    place = Hdfs(engine._context, f"{hdfs}/tmp/{tmp_path.name}")
    targets = [f"{place.uri}/{name}" for name in ("one", "two")]
    for target in targets:
        place.put(f"{target.rsplit('/', 1)[1]}/part-00000", b"old\n")
        p.write(p.parallelize(["new"]), nf.output.TextFile(target))
    honest, placed = nestflow.engine.spark.engine.asking, []

    def refusing(*client: Any) -> Any:
        ask = honest(*client)

        def refuse(operation: str, path: str, other: str) -> Any:
            if operation == "rename" and other in targets:
                placed.append(other)
                if len(placed) == 2 or (stuck and len(placed) > 2):
                    raise OSError("other:no room for it")
            return ask(operation, path, other)

        return refuse

    monkeypatch.setattr("nestflow.engine.spark.engine.asking", refusing)
    with pytest.raises(nf.errors.NestflowRuntimeException, match="no room for it") as caught:
        p.run()
    monkeypatch.undo()
    said = str(caught.value)
    if stuck:
        assert all(target in said.split("could not be put back for: ")[1] for target in targets)
        # What was there is kept, for who has to do it by hand.
        kept = [name for name in place.names() if name.startswith(".")]
        assert [place.read(f"{name}/old/part-00000") for name in kept] == [b"old\n"] * 2
        return
    assert placed[1].rsplit("/", 1)[1] in said  # by the folder of its parts, beside it
    assert place.names() == ["one", "two"]
    assert [written(place, name) for name in ("one", "two")] == [["old"]] * 2
    p.run()
    assert [written(place, name) for name in ("one", "two")] == [["new"]] * 2
    assert place.names() == ["one", "two"]


def test_blocks_of_an_absurd_size_are_not_looked_at(spark: Make, tmp_path: Path) -> None:
    """A store that says that its blocks have no byte, or one, would list as many as the file has bytes."""
    engine: Any = spark()._engine
    engine._opened()
    (tmp_path / "file").write_bytes(b"x" * 10_000)
    for size in ("0", "1", "65536"):
        settings = engine._context._jvm.org.apache.hadoop.conf.Configuration()
        settings.set("fs.local.block.size", size)
        settings.set("nestflow.hadoop_conf", size)  # or a file system is taken that others have made
        files = engine._context._jvm.nestflow.spark.Files(settings)
        hosts = json.loads(files.ask("hosts", f"file://{tmp_path}/file", ""))
        assert hosts == ([[0, 10_000, ["localhost"]]] if size == "65536" else []), size
