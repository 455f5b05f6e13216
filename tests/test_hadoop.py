"""Files of an HDFS on the local engine, by Hadoop's own client."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hadoop_server
import pytest

import nestflow as nf
from nestflow import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.servers

LAUNCHER = """#!/bin/sh
shift # "fs"
echo "$@" >> {folder}/calls
exec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -cp "${{HADOOP_CONF_DIR:-{folder}}}:{jars}" \\
    org.apache.hadoop.fs.FsShell "$@"
"""


class Place:
    """A folder of the HDFS, with a client that counts its calls."""

    def __init__(self, hadoop: hadoop_server.Hadoop, client: Path, name: str) -> None:
        self.hadoop, self.client, self.folder = hadoop, client, f"/{name}"
        self.uri = f"{hadoop.hdfs}{self.folder}"

    def put(self, name: str, content: bytes) -> str:
        return self.hadoop.put(f"{self.folder}/{name}", content)

    def names(self, name: str = "") -> list[str]:
        return self.hadoop.names(f"{self.folder}/{name}".rstrip("/"))

    def calls(self, command: str) -> int:
        return self.client.with_name("calls").read_text().count(f"-{command} ")


@pytest.fixture(scope="module")
def hadoop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[hadoop_server.Hadoop]:
    with hadoop_server.started(tmp_path_factory.mktemp("hdfs")) as hadoop:
        hadoop.change("SETPERMISSION", "/", permission="777")
        yield hadoop


@pytest.fixture
def place(
    hadoop: hadoop_server.Hadoop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Place:
    jars = subprocess.run(
        ["scripts/hadoop"], cwd=hadoop_server.ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    client = tmp_path / "client" / "hadoop"
    client.parent.mkdir()
    (client.parent / "core-site.xml").write_text("<configuration/>")
    (tmp_path / "tmp").mkdir()
    client.write_text(LAUNCHER.format(folder=client.parent, jars=jars.stdout.strip()))
    client.chmod(0o755)
    monkeypatch.setenv("HADOOP_USER_NAME", "tester")
    monkeypatch.delenv("HADOOP_CONF_DIR", raising=False)
    return Place(hadoop, client, request.node.name)


@pytest.fixture
def create(place: Place, tmp_path: Path) -> Iterator[Callable[..., nf.Pipeline]]:
    """Makes pipelines; afterwards, nothing of them is left on this machine."""
    made = []

    def make(**options: Any) -> nf.Pipeline:
        given = {"hadoop_client_path": str(place.client), "host": "in_process", "progress": False}
        made.append(nf.Pipeline.create("local", **{**given, "tmp_dir": str(tmp_path / "tmp"), **options}))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.close()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_text_comes_and_goes(create: Callable[..., nf.Pipeline], place: Place) -> None:
    place.put("in/b.txt", b"3\n4\n")
    place.put("in/a.txt", b"1\n2\n")
    place.put("in/_SUCCESS", b"")
    place.put("in/deeper/c.txt", b"no\n")
    place.put("in {1}/z.gz", gzip.compress(b"5\n"))
    p = create()
    # Addresses without a host are of the default file system, which the pipeline may name.
    q = create(hadoop_conf={"fs.defaultFS": place.hadoop.hdfs})
    lines = p.read(nf.TextFile(f"{place.uri}/in", f"{place.uri}/in {{1}}/*.gz"))
    numbers = lines.map(int)
    p.write(numbers.map(lambda x: x * 10), nf.output.TextFile(f"{place.uri}/new/out"))
    assert numbers.get() == [1, 2, 3, 4, 5]
    assert place.hadoop.lines(f"{place.folder}/new/out") == ["10", "20", "30", "40", "50"]
    assert place.names("new") == ["out"]
    assert q.read(nf.TextFile(f"hdfs://{place.folder}/i*/a.txt")).get() == ["1", "2"]


def test_a_table_by_file_has_addresses(create: Callable[..., nf.Pipeline], place: Place) -> None:
    full, empty = place.put("in/a.txt", b"1\n2\n"), place.put("in/b.txt", b"")
    table = create(host="workers").read(nf.TextFile(f"{place.uri}/in", partitioned=True))
    assert table.get() == {full: ["1", "2"]}
    assert sorted(table.extract_keys().get()) == [full, empty]


def test_sequence_files(create: Callable[..., nf.Pipeline], place: Place) -> None:
    p = create()
    kinds = {"key_serde": str, "value_serde": int}
    p.write(p.parallelize([("a", 1), ("b", 2)]), nf.output.SequenceFile(f"{place.uri}/out", **kinds))
    p.run()
    assert p.read(nf.input.SequenceFile(f"{place.uri}/out", **kinds)).get() == [("a", 1), ("b", 2)]


def test_a_file_is_copied_again_if_it_has_changed(create: Callable[..., nf.Pipeline], place: Place) -> None:
    p = create()
    place.put("in/a.txt", b"1\n")
    place.put("in/b.txt", b"2\n")
    lines = p.read(nf.TextFile(f"{place.uri}/in"))
    kept = lines.map(str).cache()
    assert "stage" in p.explain()
    assert place.calls("get") == 0
    assert lines.get() == kept.get() == ["1", "2"]
    assert lines.map(str).get() == ["1", "2"]
    assert place.calls("get") == 1
    place.put("in/a.txt", b"3\n")  # as long as it was
    place.hadoop.change("RENAME", f"{place.folder}/in/b.txt", destination=f"{place.folder}/b.txt")
    assert p.read(nf.TextFile(f"{place.uri}/in")).get() == ["3"]
    assert place.calls("get") == 2
    # What is kept needs no files, nor the client.
    calls = place.calls("ls")
    assert kept.map(lambda x: x + "!").get() == ["1!", "2!"]
    assert place.calls("ls") == calls


def test_what_fails_leaves_things_as_they_were(create: Callable[..., nf.Pipeline], place: Place) -> None:
    p = create()
    place.put("out/old", b"old\n")
    place.put("file", b"")
    with pytest.raises(
        errors.NestflowRuntimeException, match=rf"ls: `{place.uri}/no.*No such file or directory"
    ):
        p.read(nf.TextFile(f"{place.uri}/no")).get()
    for target, options, text in [
        ("file", {}, "something else is there"),
        ("out", {"overwrite": False}, "overwrite is off"),
    ]:
        q = create()
        q.write(q.parallelize([1]), nf.output.TextFile(f"{place.uri}/{target}", **options))
        with pytest.raises(errors.InvalidDataException, match=text):
            q.run()
    # One of two cannot be put: neither is.
    place.put("shut/old", b"")
    place.hadoop.change("SETPERMISSION", f"{place.folder}/shut", permission="555")
    place.hadoop.change("SETOWNER", f"{place.folder}/shut", owner="root")
    p.write(p.parallelize(["new"]), nf.output.TextFile(f"{place.uri}/out"))
    p.write(p.parallelize(["new"]), nf.output.TextFile(f"{place.uri}/shut/out"))
    with pytest.raises(errors.NestflowHDFSException, match=r"mkdir: Permission denied: user=tester"):
        p.run()
    assert place.names() == ["file", "out", "shut"]
    assert place.hadoop.lines(f"{place.folder}/out") == ["old"]
    # The next run does what this one could not.
    place.hadoop.change("SETPERMISSION", f"{place.folder}/shut", permission="777")
    p.run()
    assert (
        place.hadoop.lines(f"{place.folder}/out") == place.hadoop.lines(f"{place.folder}/shut/out") == ["new"]
    )
    assert place.names() == ["file", "out", "shut"]


def test_an_error_of_a_file_names_its_address(create: Callable[..., nf.Pipeline], place: Place) -> None:
    broken = place.put("broken.gz", b"no gzip")
    with pytest.raises(errors.NestflowRuntimeException) as caught:
        create().read(nf.TextFile(broken)).get()
    assert broken in str(caught.value)
    assert "/tmp/" not in str(caught.value)


def test_files_of_pipelines(create: Callable[..., nf.Pipeline], place: Place) -> None:
    p = create()
    cities = place.put("cities.txt", b"berlin\n")
    p.add_file(cities)
    found = p.parallelize([0]).map(lambda _: Path(nf.resources.resource("cities.txt")).read_text())
    assert found.get() == ["berlin\n"]
    assert p._path_exists(cities)
    p._force_delete_file(cities)
    p._force_delete_file(cities)
    assert not p._path_exists(cities)


def slow(place: Place, command: str, first: str) -> str:
    """A client that does not end what it begins."""
    path = place.client.with_name("slow")
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *-{command}\\ *) {first}; sleep 98765;; *) exec {place.client} "$@";; esac'
    )
    path.chmod(0o755)
    return str(path)


def test_a_copy_can_be_cancelled(create: Callable[..., nf.Pipeline], place: Place, tmp_path: Path) -> None:
    file = place.put("big.txt", b"x" * 100_000)
    events: list[dict[str, Any]] = []
    # A client that begins, and does not end.
    p = create(progress=events.append, hadoop_client_path=slow(place, "get", "echo x > part"))

    def cancel() -> None:
        while not any(event.get("bytes_done") for event in events):
            time.sleep(0.01)
        p.cancel()

    thread = threading.Thread(target=cancel, daemon=True)
    thread.start()
    with pytest.raises(errors.RunCancelledException):
        p.read(nf.TextFile(file)).get()
    thread.join()
    assert events[-1] == {"copying": file, "bytes_done": 2, "bytes": 100_000}
    shown = subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "sleep 98765" not in shown
    assert not list((tmp_path / "tmp").glob("nestflow-hadoop-*/*"))


INTERRUPTED = """
    import sys
    import nestflow as nf

    client, target, folder = sys.argv[1:]
    p = nf.Pipeline.create("local", hadoop_client_path=client, tmp_dir=folder)
    p.write(p.parallelize([1]), nf.output.TextFile(target))
    try:
        p.run()
    except KeyboardInterrupt:
        print("interrupted")
    p.close()
"""


def test_interrupt_while_an_output_is_put(place: Place, tmp_path: Path) -> None:
    place.put("out/old", b"old\n")
    arguments = slow(place, "put", f"echo > {tmp_path}/now"), f"{place.uri}/out", str(tmp_path / "tmp")
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    while not (tmp_path / "now").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "interrupted\n"
    assert (place.names(), place.hadoop.lines(f"{place.folder}/out")) == (["out"], ["old"])
    assert list((tmp_path / "tmp").iterdir()) == []
