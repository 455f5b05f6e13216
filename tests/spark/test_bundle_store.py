"""Archives in HDFS: put once, whole, whoever else is at it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import places
import pytest

from nestflow.bundle import prepared, product
from nestflow.bundle.__main__ import main
from nestflow.bundle.hadoop import Hadoop
from nestflow.bundle.publish import publish
from nestflow.bundle.tree import Tree
from nestflow.engine.spark.place import store_at
from nestflow.errors import NestflowRuntimeException

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import nestflow as nf

    Make = Callable[..., nf.Pipeline]

REPETITIONS = int(os.environ.get("NESTFLOW_REPETITIONS", "2"))


@pytest.fixture
def context(spark: Make) -> Any:
    engine = spark()._engine
    engine._opened()
    return engine._context


@pytest.fixture
def thing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> prepared.Prepared:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_bytes(b"bytes" * 100_000)
    tree = Tree()
    tree.add_folder("", str(tmp_path / "files"))
    return prepared.prepare("thing", "system", tree, None, {"version": "1"})


def written(context: Any) -> int:
    """The bytes that HDFS counts as written by the driver."""
    statistics = context._jvm.org.apache.hadoop.fs.FileSystem.getAllStatistics()
    return sum(each.getBytesWritten() for each in statistics if each.getScheme() == "hdfs")


def test_the_second_time_nothing_is_uploaded(
    context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path
) -> None:
    store = store_at(context, f"{hdfs}/tmp/{tmp_path.name}", {})
    first = publish(store, "1", thing)
    files = store.names()
    assert [(name, size) for name, _, size in files] == [
        (f"1/{thing.name}.json", first.uploaded - first.manifest["bytes"]),
        (f"1/{thing.name}.tar.gz", first.manifest["bytes"]),
    ]
    assert first.uri == f"{hdfs}/tmp/{tmp_path.name}/1/{thing.name}.tar.gz"
    before = written(context)
    assert before >= first.uploaded
    assert publish(store, "1", thing).uploaded == 0
    assert written(context) == before
    assert store.names() == files


def test_two_clients_at_once(context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path) -> None:
    thing.archive()
    results: list[Any] = []
    together = threading.Barrier(3)

    def client() -> None:
        store = store_at(context, f"{hdfs}/tmp/{tmp_path.name}", {})
        together.wait()
        try:
            results.append(publish(store, "1", thing).manifest)
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=client) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [results[0]] * 3
    assert results[0]["name"] == thing.name
    assert len(store_at(context, f"{hdfs}/tmp/{tmp_path.name}", {}).names()) == 2


UPLOAD = """
import sys
from nestflow.engine.spark.place import jvm_store

print(jvm_store(sys.argv[1]).put(f"1/{sys.argv[2]}.tar.gz", sys.argv[3]))
"""


@pytest.mark.parametrize("seed", range(REPETITIONS))
def test_a_client_that_is_killed_at_it(
    context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path, seed: int
) -> None:
    """Nobody sees what it has written, another one puts the whole, and what is left goes a day later."""
    folder, chance = f"{hdfs}/tmp/{tmp_path.name}", random.Random(seed)
    system = places.Hdfs(context, folder)
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(2 << 30)
    system.system.mkdirs(system.at("1"))
    client = subprocess.Popen(
        [sys.executable, "-c", UPLOAD, folder, thing.name, str(large)], start_new_session=True
    )
    until = time.monotonic() + 300
    while not system.names("1") and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.3))
    os.killpg(client.pid, signal.SIGKILL)
    client.wait()
    (left,) = system.names("1")
    assert left.startswith(".nestflow-")
    store = store_at(context, folder, {})
    assert store.size(f"1/{thing.name}.tar.gz") is None
    put = publish(store, "1", thing)
    assert put.uploaded == put.manifest["bytes"] + store.size(f"1/{thing.name}.json")
    assert store.digest(f"1/{thing.name}.tar.gz") == put.manifest["sha256"]
    assert publish(store, "1", thing).uploaded == 0
    # Somebody may still write to it.
    assert left in system.names("1")
    system.system.setTimes(system.at(f"1/{left}"), 1000, -1)
    assert store.put("1/other", b"x")
    assert system.names("1") == sorted([f"{thing.name}.json", f"{thing.name}.tar.gz", "other"])


def test_a_scheme_that_only_the_older_interface_knows(
    context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path
) -> None:
    configuration = context._jvm.org.apache.hadoop.conf.Configuration(context._jsc.hadoopConfiguration())
    configuration.unset("fs.AbstractFileSystem.hdfs.impl")
    uri = f"{hdfs}/tmp/{tmp_path.name}"
    with pytest.raises(Exception, match="UnsupportedFileSystemException"):
        context._jvm.org.apache.hadoop.fs.FileContext.getFileContext(
            context._jvm.java.net.URI(uri), configuration
        )
    store = Hadoop(context._jvm, configuration, uri)
    first = publish(store, "1", thing)
    assert first.uploaded > first.manifest["bytes"]
    files = store.names()
    assert publish(store, "1", thing).uploaded == 0
    assert not store.put(f"1/{thing.name}.tar.gz", b"something else")
    assert store.names() == files and len(files) == 2


SECOND = """
import sys
from nestflow.bundle.__main__ import main
from nestflow.bundle.hadoop import Hadoop
from nestflow.engine.spark.place import jvm_store

folder, pushed = sys.argv[1:]
status = main(["push", folder, "--no-python"])
store = jvm_store(folder)
if not status:
    assert Hadoop(store._jvm, store._configuration, folder, True).put("environments-second/thing", b"mine")
try:
    store.remove(pushed)
except OSError as error:
    print(error, file=sys.stderr)
sys.exit(status)
"""


def second(*arguments: str) -> tuple[int, str]:
    """What another user does who has a bundle of his own, and an environment."""
    ended = subprocess.run(
        [sys.executable, "-c", SECOND, *arguments],
        env={**os.environ, "HADOOP_USER_NAME": "second"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stderr


def test_two_users(context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path) -> None:
    folder = f"{hdfs}/tmp/{tmp_path.name}"
    version = str(product.bundle().facts["version"])
    pushed = publish(store_at(context, folder, {}), version, thing).name
    status, said = second(folder, f"{version}/{pushed}.tar.gz")
    assert status == 0, said
    assert "Permission denied by sticky bit: user=second" in said
    system = places.Hdfs(context, folder)
    assert len(system.names(version)) == 4 and f"{pushed}.tar.gz" in system.names(version)
    for name in ("", version):
        assert system.system.getFileStatus(system.at(name)).getPermission().toOctal() == 1777
    assert system.names() == sorted([version, "environments-second"])
    # As an administrator may want it.
    system.system.setPermission(
        system.at(""), context._jvm.org.apache.hadoop.fs.permission.FsPermission("755")
    )
    status, said = second(f"{folder}/deeper", "none")
    assert status == 1 and f'inode="/tmp/{tmp_path.name}"' in said
    assert "; its owner can let others add files, but remove only their own: the rights 1777" in said


def test_use_is_marked(context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path) -> None:
    store = store_at(context, f"{hdfs}/tmp/{tmp_path.name}", {})
    publish(store, "1", thing)
    system = places.Hdfs(context, f"{hdfs}/tmp/{tmp_path.name}")
    for name, _, _ in store.names():
        system.system.setTimes(system.at(name), 1000, -1)
    assert publish(store, "1", thing).uploaded == 0
    manifest, archive = (changed for _, changed, _ in store.names())
    assert archive == 1 and manifest > time.time() - 3600


def test_commands(
    context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = f"{hdfs}/tmp/{tmp_path.name}"

    def said(*arguments: str) -> list[str]:
        assert main(list(arguments)) == 0
        return capsys.readouterr().out.splitlines()

    rights, system = context._jvm.org.apache.hadoop.fs.permission.FsPermission, places.Hdfs(context, folder)
    for others in ("environments-another", "temporary-another-1"):
        system.put(f"{others}/file.tar.gz", b"x")
        system.system.setPermission(system.at(others), rights("000"))
    uri, uploaded = said("push", folder)
    assert uri.startswith(f"{folder}/") and int(uploaded.split(" ")[0]) > 10_000_000
    assert said("push", folder) == [uri, "0 bytes uploaded"]
    name = uri.removeprefix(f"{folder}/")
    (line,) = said("list", folder)
    assert line.startswith(f"{name}\t") and f"python {sys.version.split()[0]}" in line
    assert said("verify", folder) == [f"{name}\tgood"]
    store = store_at(context, folder, {})
    publish(store, name.split("/")[0], thing)
    for each in (name, name.removesuffix(".tar.gz") + ".json"):
        system.system.setTimes(system.at(each), 1000, -1)
    assert said("prune", folder, "--older-than", "1") == [f"{name}\twould be removed (--yes)"]
    assert said("prune", folder, "--older-than", "1", "--yes") == [f"{name}\tremoved"]
    assert [each.split("\t")[0].endswith(f"{thing.name}.tar.gz") for each in said("list", folder)] == [True]
    store.remove(f"{name.split('/')[0]}/{thing.name}.tar.gz")
    store.put(f"{name.split('/')[0]}/{thing.name}.tar.gz", b"something else")
    assert main(["verify", folder]) == 1
    assert "\tdamaged" in capsys.readouterr().out


def test_settings_of_a_file(context: Any, spark: Make, thing: prepared.Prepared, tmp_path: Path) -> None:
    """An address that only a file of settings knows, such as one of a mount."""
    site, behind = tmp_path / "site.xml", tmp_path / "behind"
    behind.mkdir()
    mount = "<name>fs.viewfs.mounttable.here.link./store</name>"
    site.write_text(
        f"<configuration><property>{mount}<value>file://{behind}</value></property></configuration>"
    )
    options = {"hadoop_config_path": str(site)}
    store = store_at(context, "viewfs://here/store", options)
    assert publish(store, "1", thing).uploaded > 0
    assert (behind / "1" / f"{thing.name}.tar.gz").exists()
    # Executors take it from there.
    p = spark(tmp_data_path="viewfs://here/store", **options)
    assert p.parallelize([1, 2]).map(lambda x: x + 1).get() == [2, 3]
    assert list(behind.glob("*/nestflow-*.tar.gz"))


def test_a_private_folder_of_others(
    context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path
) -> None:
    folder = f"{hdfs}/tmp/{tmp_path.name}"
    store = store_at(context, folder, {}, private=True)
    assert store.user() == "tester"
    assert publish(store, "mine", thing).uploaded > 0
    assert publish(store, "mine", thing).uploaded == 0
    place = places.Hdfs(context, folder)
    rights = context._jvm.org.apache.hadoop.fs.permission.FsPermission("750")
    place.system.setPermission(place.at("mine"), rights)
    with pytest.raises(PermissionError, match=f"{folder}/mine holds .* the rights rwxr-x---"):
        publish(store, "mine", thing)
    with pytest.raises(PermissionError, match="nothing in it is used"):
        store.put("mine/other", b"x")
    assert publish(store_at(context, folder, {}), "mine", thing).uploaded == 0
    # That of the administrator.
    with pytest.raises(PermissionError, match=f"{hdfs}/tmp holds what only this user"):
        store_at(context, f"{hdfs}/", {}, private=True).check("tmp")


def test_damage_and_denial(context: Any, hdfs: str, thing: prepared.Prepared, tmp_path: Path) -> None:
    store = store_at(context, f"{hdfs}/tmp/{tmp_path.name}", {})
    publish(store, "1", thing)
    store.remove(f"1/{thing.name}.tar.gz")
    store.put(f"1/{thing.name}.tar.gz", b"something else")
    with pytest.raises(NestflowRuntimeException, match=r"\.tar\.gz is damaged: it has 14 bytes"):
        publish(store, "1", thing)
    assert publish(store, "1", thing, again=True).uploaded > 14
    with pytest.raises(OSError, match=f"{hdfs}: Permission denied: user=tester"):
        publish(store_at(context, f"{hdfs}/", {}), "1", thing)
