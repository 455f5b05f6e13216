"""Nodes with neither Python nor nestflow: all comes from HDFS, where the first job puts it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Ended, Yarn

TOOLS = ("bash", "cat", "chmod", "cp", "date", "env", "find", "id", "kill", "ls", "ln", "mkdir", "nice")
TOOLS += ("readlink", "rm", "sed", "setsid", "sh", "sha256sum", "touch", "wc")
"""What containers are started with, and what checks the archives of a driver there."""


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """Settings for which nodes have these tools, and no other program."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return {
        f"{kind}.PATH": str(tmp_path / "bin") for kind in ("spark.yarn.appMasterEnv", "spark.executorEnv")
    }


def said(ended: Ended, what: str) -> Any:
    """What a program has said of something, once."""
    (line,) = (line for line in ended.text.splitlines() if line.startswith(f"{what}: "))
    return json.loads(line.removeprefix(f"{what}: "))


def archives(tree: dict[str, Any]) -> list[str]:
    """The names of the archives in a folder."""
    return sorted(path.split("/")[-1].removesuffix(".tar.gz") for path in tree if path.endswith(".tar.gz"))


def kept(yarn: Yarn, name: str, unpacked: bool = False) -> dict[str, tuple[int, int]]:
    """What nodes keep of an archive, as it is or unpacked, so that what is fetched again shows."""
    found = yarn.hadoop.folder.glob(f"data/yarn/**/filecache/*/{name}.tar.gz")
    return {
        str(path): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in found
        if path.is_dir() == unpacked
    }


def by_node(places: dict[str, Any]) -> list[str]:
    return [place.split("/filecache/")[0].split("/usercache/")[0] for place in places]


def test_the_second_submit_uploads_nothing(yarn: Yarn, bare: dict[str, str], tmp_path: Path) -> None:
    # What Spark itself uploads goes elsewhere, so that all bytes in HDFS are ours.
    conf = {**bare, "spark.yarn.stagingDir": f"file://{tmp_path}/staging"}
    store = f"{yarn.hadoop.hdfs}/user/tester/nestflow"
    uploaded, found, others = [], [], kept(yarn, "*")
    for _ in range(2):
        before = yarn.hadoop.bytes_written()
        ended = yarn.submit("client", "where.py", store, conf=conf, python=False).succeeded()
        uploaded.append(yarn.hadoop.bytes_written() - before)
        found.append(yarn.hadoop.tree("/user/tester/nestflow"))
        python, program, package = said(ended, "where")
        assert python is None
        (name,) = archives(found[-1])
        assert f"/{name}/python/bin/python" in program and f"/{name}/" in package
    assert uploaded[0] > 10_000_000 and uploaded[1] == 0
    assert found[0] == found[1]
    # Spark would copy it to where YARN takes files from, for each application.
    assert kept(yarn, "*") == others


def test_a_node_fetches_it_once(yarn: Yarn, bare: dict[str, str]) -> None:
    folder = "/tmp/public"
    options = json.dumps({"tmp_data_path": f"hdfs://{folder}"})
    found = []
    for user in ("tester", "another"):
        ended = yarn.submit("client", "runs.py", options, conf=bare, user=user, python=False).succeeded()
        tree = yarn.hadoop.tree(folder)
        (name,) = archives(tree)
        assert f"/{name}/python/bin/python" in said(ended, "nodes")["is"]
        found.append(kept(yarn, name))
    first, second = found
    assert first and first.items() <= second.items()
    assert not [place for place in second if "/usercache/" in place]
    assert len(set(by_node(second))) == len(second)
    # One can tell later what ran: by the tags, and by the log.
    (manifest,) = (path for path in tree if path.endswith(".json"))
    says = json.loads(yarn.hadoop.read(manifest))
    tags = ended.applications[0]["applicationTags"].split(",")
    wanted = {f"nestflow-{says['version']}", f"nestflow-commit-{says['commit']}", name}
    assert wanted | {f"nestflow-bundle-{says['sha256']}", f"nestflow-library-{says['library']}"} <= set(tags)
    # That of the JVM, which shows it unasked, says the same.
    own, of_jvm = sorted(line for line in ended.text.splitlines() if "executors run" in line)[::-1]
    assert own.startswith(f"nestflow.spark: executors run {name} (version {says['version']}, build")
    line = own.removeprefix("nestflow.spark: ")
    assert of_jvm.endswith(f" INFO spark: {line}")
    for each in (says["commit"], f"python {says['python']}", says["sha256"], "; 0 bytes uploaded"):
        assert each in line


def test_a_folder_that_not_everybody_may_enter(yarn: Yarn, bare: dict[str, str]) -> None:
    yarn.hadoop.change("MKDIRS", "/tmp/closed", permission="700")
    yarn.hadoop.change("SETOWNER", "/tmp/closed", owner="tester")
    options = json.dumps({"tmp_data_path": "hdfs:///tmp/closed/deep"})
    ended = yarn.submit("client", "runs.py", options, conf=bare, python=False).succeeded()
    (name,) = archives(yarn.hadoop.tree("/tmp/closed"))
    (line,) = (line for line in ended.text.splitlines() if "not everybody may enter" in line)
    assert f" {yarn.hadoop.hdfs}/tmp/closed: nodes keep the bundle for each user" in line
    assert [place for place in kept(yarn, name) if "/usercache/tester/" in place]


def test_a_driver_on_a_node(yarn: Yarn, bare: dict[str, str], tmp_path: Path) -> None:
    folder = "/tmp/drivers"
    bare["spark.nestflow.bundle.folder"] = str(tmp_path / "unpacked")
    options = [f"--tmp-data-path=hdfs://{folder}", "--memory=64m"]
    found = []
    for user in ("tester", "another"):
        ended = yarn.submit(
            "cluster",
            "runs.py",
            "{}",
            conf=bare,
            user=user,
            by="nestflow submit",
            options=options,
            python=False,
        ).succeeded()
        tree = yarn.hadoop.tree(folder)
        (name,) = archives(tree)
        for place in ("driver", "nodes"):
            runs = said(ended, place)
            assert runs["python"] is None
            assert f"/{name}/python/bin/python" in runs["is"] and f"/{name}/site/" in runs["nestflow"]
        assert said(ended, "memory") == f"{64 << 20}b"
        found.append((tree, kept(yarn, name, unpacked=True)))
    # Nothing is uploaded again, nor fetched: what nodes have unpacked for the driver is for executors too.
    assert found[0][0] == found[1][0]
    assert found[0][1] and found[0][1].items() <= found[1][1].items()
    assert len(set(by_node(found[1][1]))) == len(found[1][1])
    # Executors have read all of it, and unpacked nothing.
    assert {path.suffix for path in (tmp_path / "unpacked").iterdir()} == {".lock", ".mark"}
    assert "; 0 bytes uploaded" in ended.text


def test_a_driver_is_not_started_from_what_somebody_has_changed(
    yarn: Yarn, bare: dict[str, str], tmp_path: Path
) -> None:
    """Node managers unpack what they find: it has the right name and size, and one file more."""
    folder, ran = "/tmp/changed", tmp_path / "ran"
    pushed = yarn.bundle("push", f"hdfs://{folder}")
    path = pushed.splitlines()[0].removeprefix(yarn.hadoop.hdfs)
    whole = yarn.hadoop.read(path)
    work = tmp_path / "work"
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        archive.extractall(work)
    (site,) = work.glob("python/lib/python3.*/site.py")
    (site.parent / "sitecustomize.py").write_text(f"open({str(ran)!r}, 'w').close()\n")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=9) as archive:
        archive.add(work, "")
    changed = packed.getvalue()
    assert len(changed) < len(whole)
    yarn.hadoop.put(path, changed.ljust(len(whole), b"\0"))
    ended = yarn.submit(
        "cluster",
        "runs.py",
        "{}",
        conf={**bare, "spark.yarn.maxAppAttempts": "1"},
        by="nestflow submit",
        options=[f"--tmp-data-path=hdfs://{folder}"],
        python=False,
    )
    assert ended.status == 1, ended.text[-20_000:]
    assert f"({yarn.hadoop.hdfs}{path}) is damaged; nothing of it was run" in ended.text
    assert not ran.exists()


def test_nothing_is_put_for_another_python(yarn: Yarn, bare: dict[str, str], tmp_path: Path) -> None:
    other = tmp_path / "opt" / "python3.99"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho 3.99.1\n")
    other.chmod(0o755)
    options = json.dumps({"tmp_data_path": "hdfs:///tmp/another", "python_env": str(other)})
    ended = yarn.submit("client", "runs.py", options, conf=bare, python=False)
    assert ended.status == 1, ended.text[-20_000:]
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"{other} of the machines has Python 3.99.1, but this program runs on {here}" in ended.text
    assert yarn.hadoop.status("/tmp/another") is None


def test_a_driver_with_packages_of_the_user(yarn: Yarn, bare: dict[str, str], tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python3.*/site-packages")
    (site / "tiny_thing.py").write_text("value = 42\n")
    options = ["--tmp-data-path=hdfs:///tmp/packages", f"--python-env={tmp_path / 'venv'}"]
    ended = yarn.submit(
        "cluster", "runs.py", "{}", conf=bare, by="nestflow submit", options=options, python=False
    ).succeeded()
    env, bundle = archives(yarn.hadoop.tree("/tmp/packages"))
    for place in ("driver", "nodes"):
        runs = said(ended, place)
        assert (runs["python"], runs["tiny"]) == (None, 42)
        assert f"/{env}/python/bin/python" in runs["is"] and f"/{bundle}/site/" in runs["nestflow"]
    # It is its user's alone, in HDFS and on the nodes.
    status = yarn.hadoop.status("/tmp/packages/environments-tester") or {}
    assert status["permission"] == "700"
    places = kept(yarn, env, unpacked=True)
    assert places and all("/usercache/tester/" in place for place in places)
    tags = ended.applications[0]["applicationTags"].split(",")
    says = json.loads(yarn.hadoop.read(f"/tmp/packages/environments-tester/{env}.json"))
    assert {f"nestflow-environment-{says['sha256']}", "nestflow-environment-named-venv"} <= set(tags)
