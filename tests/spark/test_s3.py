"""A real S3 server: tasks read its files, outputs to it are refused before they begin, bundles lie there."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import apart
import pytest
from on_spark import CONF

from nestflow.engine.spark.jars import jar_for

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

USER, SECRET = "tester", "a secret of tests"

pytestmark = [
    pytest.mark.skipif(shutil.which("go") is None, reason="the S3 server is built by Go, which is not here"),
    pytest.mark.skipif(
        "pyspark-3.5" not in os.environ.get("SPARK_HOME", ""),
        reason="the jars for S3 are those of Spark 3.5; nothing of ours differs with another Spark",
    ),
]


@pytest.fixture(scope="module")
def fetched() -> list[str]:
    """The program of the server, and the jars with commas between them."""
    told = subprocess.run(["scripts/s3"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return told.stdout.split()


@pytest.fixture
def store(fetched: list[str], tmp_path: Path) -> Iterator[str]:
    """The address of a server with a bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path / "buckets"
    (folder / "bucket").mkdir(parents=True)
    environment = {**os.environ, "ROOT_ACCESS_KEY": USER, "ROOT_SECRET_KEY": SECRET}
    with (tmp_path / "log").open("wb") as log:
        command = [fetched[0], "--port", f"127.0.0.1:{port}", "posix", str(folder)]
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        until = time.monotonic() + 30
        while time.monotonic() < until and server.poll() is None:
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert server.poll() is None, (tmp_path / "log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


def settings(store: str, jars: str) -> dict[str, str]:
    """What a Spark is told of the server."""
    s3a = {
        "endpoint": store,
        "access.key": USER,
        "secret.key": SECRET,
        "path.style.access": "true",
        "connection.ssl.enabled": "false",
        "endpoint.region": "us-east-1",
        # This server keeps folders as folders, which others do not have.
        "directory.marker.retention": "keep",
    }
    return {
        **CONF,
        **{f"spark.hadoop.fs.s3a.{name}": value for name, value in s3a.items()},
        "spark.jars": ",".join([jar_for(os.environ["SPARK_HOME"]), jars]),
    }


PROGRAM = """
    import os, sys
    import nestflow as nf

    p = nf.Pipeline.create("spark", progress=False, spark_conf={conf!r})
    p._engine._opened()
    context = p._engine._context

    def put(name, content):
        # As others do: by Hadoop's own class.
        path = context._jvm.org.apache.hadoop.fs.Path("s3a://bucket/in/" + name)
        stream = path.getFileSystem(context._jsc.hadoopConfiguration()).create(path, True)
        stream.write(bytearray(content))
        stream.close()

    for name in ("a.txt", "b.txt", "none.txt", "more.gz"):
        with open(os.path.join({given!r}, name), "rb") as file:
            put(name, file.read())

    def failed(run):
        try:
            run()
        except Exception as error:
            return f"{{type(error).__name__}}: {{error}}"
        raise AssertionError("it did not fail")

    lines = p.read(nf.TextFile("s3a://bucket/in/*.txt", "s3a://bucket/in/more.gz"))
    assert lines.map(len).sum().get() == {letters}
    assert lines.get() == open({expected!r}).read().splitlines()
    words = lines.flat_map(str.split).group_by(lambda word: word).apply_values(lambda group: group.count())
    assert words.get()["line"] == {lines}
    print("tasks", p.last_run["stages"][0]["tasks"])
    assert p.read(nf.TextFile("s3a://bucket/in/none.txt")).get() == []
    print("missing", failed(lambda: p.read(nf.TextFile("s3a://bucket/in/no.txt")).get()))
    mark = {mark!r}
    p.write(p.parallelize([1]).map(lambda x: open(mark, "w").close()), nf.output.TextFile("s3a://bucket/out"))
    print("output", failed(p.run))
    assert not os.path.exists(mark)

    # A file that changes after it was listed, and before it is read.
    q = nf.Pipeline.create("spark", progress=False)
    execute = q._engine._execute

    def changing(*arguments):
        with open(os.path.join({given!r}, "a.txt"), "rb") as file:
            put("a.txt", b"L" + file.read()[1:])
        return execute(*arguments)

    q._engine._execute = changing
    print("changed", failed(lambda: q.read(nf.TextFile("s3a://bucket/in/a.txt")).get()))
"""


def test_text_is_read_and_no_output_is_begun(fetched: list[str], store: str, tmp_path: Path) -> None:
    texts = [f"line {number} {'ä' * (number % 50)}\n" for number in range(20_000)]
    given = tmp_path / "given"
    given.mkdir()
    (given / "a.txt").write_text("".join(texts[:12_000]))
    (given / "b.txt").write_text("".join(texts[12_000:15_000]))
    (given / "none.txt").touch()
    (given / "more.gz").write_bytes(gzip.compress("".join(texts[15_000:]).encode()))
    (tmp_path / "expected").write_text("".join(texts))
    ended = apart.run(
        PROGRAM,
        # Blocks of one byte: absurd, and of no consequence, since a source is not split by them.
        conf={**settings(store, fetched[1]), "spark.hadoop.fs.s3a.block.size": "1"},
        letters=sum(len(text) - 1 for text in texts),
        lines=len(texts),
        expected=str(tmp_path / "expected"),
        mark=str(tmp_path / "mark"),
        given=str(given),
    )
    assert ended.returncode == 0, ended.stderr[-5000:]
    told = dict(
        line.split(" ", 1)
        for line in ended.stdout.splitlines()
        if line.split(" ")[0] in ("tasks", "missing", "output", "changed")
    )
    assert 1 < int(told["tasks"]) <= 16
    assert "s3a://bucket/in/no.txt: no such file or directory" in told["missing"]
    assert "InvalidDataException: s3a://bucket/out: an output has to appear as a whole" in told["output"]
    assert "s3a://bucket/in/a.txt: the file has changed since the run began" in told["changed"]


TEMPORARY = """
    import os, time
    import nestflow as nf
    from nestflow.engine.spark.temporary import Temporary

    p = nf.Pipeline.create("spark", progress=False, spark_conf={conf!r})
    p._engine._opened()
    jvm, files, at = p._engine._context._jvm, p._engine._driver.files(), "s3a://bucket/shared"

    def there():
        found = files.system(at).listStatus(jvm.org.apache.hadoop.fs.Path(at))
        return {{status.getPath().toString() for status in found}}

    def age():
        for where, _, names in os.walk({disk!r}):
            for name in names:
                os.utime(os.path.join(where, name), (time.time() - 2 * 24 * 3600,) * 2)

    one, other, third = (Temporary(jvm) for _ in range(3))
    first = one.inside(files, at)
    second = other.inside(files, at)
    assert there() == {{first, second}}, there()
    age()
    # The first shows that it lives.
    assert one.inside(files, at) == first
    last = third.inside(files, at)
    assert there() == {{first, last}}, there()
    one.remove()
    assert there() == {{last}}, there()
    third.remove()
    print("done")
"""


def test_clients_leave_each_other_s_folders(fetched: list[str], store: str, tmp_path: Path) -> None:
    """There, folders have no times, and nobody can tell whether a file is held open."""
    conf = {**settings(store, fetched[1]), "spark.master": "local[1]"}
    ended = apart.run(TEMPORARY, conf=conf, disk=str(tmp_path / "buckets"))
    assert "done" in ended.stdout.splitlines(), ended.stderr[-5000:]


def files(tmp_path: Path) -> dict[Path, tuple[int, int, int]]:
    """What lies in the bucket as archives, so that any change shows."""
    found = [path for path in (tmp_path / "buckets" / "bucket" / "nestflow").rglob("*") if path.is_file()]
    states = {path: path.stat() for path in found}
    return {path: (state.st_ino, state.st_mtime_ns, state.st_size) for path, state in states.items()}


def test_two_clients_put_a_bundle_at_once(fetched: list[str], store: str, tmp_path: Path) -> None:
    conf = {**settings(store, fetched[1]), "spark.nestflow.bundle.folder": str(tmp_path / "nodes")}
    environment = {name: value for name, value in os.environ.items() if name != "PYSPARK_PYTHON"}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    nestflow = [sys.executable, "-m", "nestflow"]
    subprocess.run([*nestflow, "bundle", "build"], check=True, env=environment, capture_output=True)
    line = [*nestflow, "submit", "--dry-run", "--tmp-data-path=s3a://bucket/nestflow"]
    line += [f"--conf={key}={value}" for key, value in conf.items()]

    def submit() -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen([*line, "app.py"], env=environment, stdout=pipe, stderr=pipe, text=True)

    for client in [submit(), submit()]:
        out, errors = client.communicate(timeout=300)
        assert client.returncode == 0, errors[-5000:]
        assert SECRET not in out and "s3a.secret.key=*********(redacted)" in out
    put = files(tmp_path)
    archive, manifest = sorted(put, key=lambda path: path.name.endswith(".json"))
    says = json.loads(manifest.read_text())
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == says["sha256"]
    assert archive.name == f"{says['name']}.tar.gz"
    # The next one uploads nothing.
    third = submit()
    _, errors = third.communicate(timeout=300)
    assert third.returncode == 0, errors[-5000:]
    assert files(tmp_path) == put


def test_commands(fetched: list[str], store: str, tmp_path: Path) -> None:
    """They know the store by what Spark's file of defaults says of it."""
    conf = "".join(f"{key} {value}\n" for key, value in settings(store, fetched[1]).items())
    (tmp_path / "spark-defaults.conf").write_text(conf)
    environment = {**os.environ, "SPARK_CONF_DIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def said(command: str) -> list[str]:
        ended = subprocess.run(
            [sys.executable, "-m", "nestflow", "bundle", command, "s3a://bucket/nestflow"],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert ended.returncode == 0, ended.stderr[-5000:]
        return ended.stdout.splitlines()

    uri, uploaded = said("push")
    assert uri.startswith("s3a://bucket/nestflow/") and int(uploaded.split()[0]) > 10_000_000
    name = uri.removeprefix("s3a://bucket/nestflow/")
    assert said("verify") == [f"{name}\tgood"]


FROM_A_BUNDLE = """
    import json, os, sys

    os.environ["XDG_CACHE_HOME"] = {cache!r}
    os.environ.pop("PYSPARK_PYTHON", None)  # where it names an interpreter of the machines, that one is used
    import nestflow as nf

    def where(_):
        return [os.path.realpath(sys.executable), os.path.realpath(nf.__file__)]

    for _ in range(2):
        p = nf.Pipeline.create(
            "spark", progress=False, spark_conf={conf!r}, tmp_data_path="s3a://bucket/nestflow"
        )
        words = p.parallelize(["a", "b", "a"] * 1000).group_by(lambda word: word)
        assert words.apply_values(lambda group: group.count()).get() == {{"a": 2000, "b": 1000}}
        print("where", json.dumps(p.parallelize([1]).map(where).get()[0]))
        p.close()
"""


def test_clients_at_once_run_what_they_put_into_a_bucket(
    fetched: list[str], store: str, tmp_path: Path
) -> None:
    """Neither has it, and both run jobs from it."""
    conf = {
        **settings(store, fetched[1]),
        "spark.master": "local-cluster[1,1,1024]",
        "spark.nestflow.bundle.folder": str(tmp_path / "nodes"),
    }

    def client(number: int) -> list[list[str]]:
        ended = apart.run(FROM_A_BUNDLE, conf=conf, cache=str(tmp_path / f"cache{number}"))
        assert ended.returncode == 0, ended.stderr[-5000:]
        said = [line.split(" ", 1) for line in ended.stdout.splitlines()]
        return [json.loads(rest[0]) for word, *rest in said if word == "where"]

    with ThreadPoolExecutor() as both:
        first, second = both.map(client, range(2))
    put = files(tmp_path)
    (name,) = (path.name.removesuffix(".tar.gz") for path in put if path.suffix == ".gz")
    assert len(put) == 2
    (tree,) = (path for path in (tmp_path / "nodes").iterdir() if path.is_dir())
    assert tree.name == name
    assert [path.startswith(f"{tree}/") for path in first[0]] == [True, True], first
    assert first == second == [first[0]] * 2
