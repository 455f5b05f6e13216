"""A session of ours on YARN: `Pipeline.create` alone, in a process that knows where the cluster is."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING

import pytest

import nestflow as nf
from nestflow.bundle import product

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Yarn

    Make = Callable[..., nf.Pipeline]

LINES = [f"{number} {'ä' * (number % 40)}" for number in range(30_000)]


def executors(p: nf.Pipeline) -> int:
    """The executors that a session has now."""
    tracker = p._engine._context._jsc.sc().statusTracker()  # type: ignore[attr-defined]
    return len(tracker.getExecutorInfos()) - 1  # the driver is one of them


def refused(p: nf.Pipeline, target: str) -> str:
    """The text of the error of a run that cannot write."""
    p.write(p.parallelize(LINES), nf.output.TextFile(target))
    with pytest.raises(nf.errors.NestflowRuntimeException) as caught:
        p.run()
    return str(caught.value)


@pytest.fixture
def shared(yarn: Yarn) -> Iterator[str]:
    """A folder with an output; whatever is tried, the output stays, and nothing comes beside it."""
    folder = "/tmp/shared"
    yarn.hadoop.put(f"{folder}/out/part-00000", b"old\n")
    yield folder
    assert yarn.hadoop.lines(f"{folder}/out") == ["old"]
    assert yarn.hadoop.names(folder) == ["out"]


def test_no_permission(create: Make, yarn: Yarn, shared: str) -> None:
    yarn.hadoop.change("SETPERMISSION", shared, permission="555")
    try:
        error = refused(create(), f"hdfs://{shared}/out")
        assert f"{shared}/.writing-out-" in error
        assert "Permission denied: user=tester, access=WRITE" in error
        yarn.hadoop.change("SETPERMISSION", f"{shared}/out/part-00000", permission="000")
        with pytest.raises(nf.errors.NestflowRuntimeException, match="part-00000: Permission denied: user"):
            create().read(nf.TextFile(f"hdfs://{shared}/out")).get()
    finally:
        yarn.hadoop.change("SETPERMISSION", f"{shared}/out/part-00000", permission="644")
        yarn.hadoop.change("SETPERMISSION", shared, permission="777")


def test_no_such_path(create: Make, shared: str) -> None:
    with pytest.raises(nf.errors.NestflowRuntimeException, match="/tmp/shared/in: no such file or directory"):
        create().read(nf.TextFile(f"hdfs://{shared}/in")).get()


@pytest.mark.parametrize("quota", ["storagespacequota", "namespacequota"])
def test_quota(create: Make, yarn: Yarn, shared: str, quota: str) -> None:
    # Enough for what is there, and for a temporary folder.
    yarn.hadoop.change("SETQUOTA", shared, **{quota: 100_000 if quota.startswith("storage") else 5})
    try:
        error = refused(create(), f"hdfs://{shared}/out")
    finally:
        yarn.hadoop.change("SETQUOTA", shared, **{quota: -1})
    assert "quota" in error and f" {shared} is exceeded: quota" in error


def test_safe_mode(create: Make, yarn: Yarn) -> None:
    p = create()
    yarn.hadoop.safe_mode(True)
    try:
        error = refused(p, "hdfs:///tmp/safe")
    finally:
        yarn.hadoop.safe_mode(False)
    assert "Name node is in safe mode" in error
    p.run()  # what failed is still to be done
    assert yarn.hadoop.lines("/tmp/safe") == LINES


def test_mounted_file_systems(create: Make, yarn: Yarn) -> None:
    hdfs = yarn.hadoop
    hdfs.put("/tmp/behind/in/a", b"of the mount\n")
    mount = "fs.viewfs.mounttable.here.link."
    p = create(hadoop_conf={f"{mount}/data": f"{hdfs.hdfs}/tmp/behind", f"{mount}/home": f"{hdfs.hdfs}/user"})
    lines = p.read(nf.TextFile("viewfs://here/data/in"))
    p.write(lines, nf.output.TextFile("viewfs://here/data/out"))
    assert lines.get() == hdfs.lines("/tmp/behind/out") == ["of the mount"]
    assert hdfs.names("/tmp/behind") == ["in", "out"]


def test_one_can_tell_what_runs(create: Make, yarn: Yarn) -> None:
    """Also where the bundle is given to Spark, and lies nowhere."""
    p = create()
    p._engine._opened()  # type: ignore[attr-defined]
    number = p._engine._context.applicationId  # type: ignore[attr-defined]
    (application,) = (each for each in yarn.hadoop.applications() if each["id"] == number)
    bundle = product.bundle(interpreter=False)
    facts = bundle.facts
    wanted = {bundle.name, f"nestflow-bundle-{bundle.archive().sha256}"}
    wanted |= {f"nestflow-{facts['version']}", f"nestflow-library-{facts['library']}"}
    assert wanted <= set(application["applicationTags"].split(","))


def test_settings_of_hadoop(create: Make, yarn: Yarn, tmp_path: Path) -> None:
    site = tmp_path / "site.xml"
    value = "<property><name>dfs.replication</name><value>3</value></property>"
    site.write_text(f"<configuration>{value}</configuration>")
    for options in ({"hadoop_config_path": str(site)}, {"hadoop_conf": {"dfs.replication": "3"}}, {}):
        p = create(**options)
        p.write(p.parallelize(["x"]), nf.output.TextFile("hdfs:///tmp/replicated"))
        p.run()
        status = yarn.hadoop.status("/tmp/replicated/part-00000")
        assert status is not None and status["replication"] == (3 if options else 1)


def test_files_of_this_machine(create: Make, yarn: Yarn, tmp_path: Path) -> None:
    hdfs = yarn.hadoop
    for name in ("young", "dead"):
        hdfs.put(f"/tmp/copies/temporary-tester-{name}/owner", b"")
    old = 1_000 * int(time.time() - 25 * 3600)
    hdfs.change("SETTIMES", "/tmp/copies/temporary-tester-dead", modificationtime=old)
    (tmp_path / "in.txt").write_text("".join(f"{line}\n" for line in LINES))
    (tmp_path / "in.gz").write_bytes(gzip.compress(b"of an archive\n"))
    p = create(tmp_data_path="hdfs:///tmp/copies")
    by_file = p.read(nf.TextFile(f"{tmp_path}/in*", partitioned=True))
    lines = by_file.flatten_values()
    p.write(lines.map(str.upper), nf.output.TextFile(f"{tmp_path}/out"))
    assert by_file.apply_values(nf.transforms.count).get() == {
        f"{tmp_path}/in.gz": 1,
        f"{tmp_path}/in.txt": len(LINES),
    }
    parts = sorted((tmp_path / "out").iterdir())
    written = [line for part in parts for line in part.read_text().splitlines()]
    assert sorted(written) == sorted(line.upper() for line in [*LINES, "of an archive"])
    # What every machine has does not travel.
    every = p.read(nf.TextFile(f"file://{tmp_path}/in.txt"))
    p.write(every, nf.output.TextFile(f"file://{tmp_path}/every"))
    assert every.count().get() == len(LINES)
    parts = sorted((tmp_path / "every").iterdir())
    assert sum(len(part.read_text().splitlines()) for part in parts) == len(LINES)
    # One copy of each, also for the next run; nobody else sees them.

    def folders() -> list[str]:
        return [name for name in hdfs.names("/tmp/copies") if name.startswith("temporary-")]

    mine, young = folders()
    assert young == "temporary-tester-young"
    status = hdfs.status(f"/tmp/copies/{mine}")
    assert status is not None and status["permission"] == "700"
    assert lines.count().get() == len(LINES) + 1
    names = hdfs.names(f"/tmp/copies/{mine}")
    assert [name.split("-")[0] for name in names] == ["input", "input", "owner"]
    rights = [(hdfs.status(f"/tmp/copies/{mine}/{name}") or {})["permission"] for name in names[:2]]
    assert rights == ["600", "600"]
    # A run of this pipeline reads what it has read before, or fails.
    (tmp_path / "in.gz").unlink()
    with pytest.raises(nf.errors.NestflowRuntimeException, match=r"in\*: no such file|in\.gz"):
        p.read(nf.TextFile(f"{tmp_path}/in.gz")).get()
    p.close()
    assert folders() == [young]


def test_executors_come_and_go(create: Make, yarn: Yarn) -> None:
    p = create()
    kept = p.parallelize(LINES).map(lambda line: line.upper()).cache()
    yarn.hadoop.put("/tmp/dynamic/in", "\n".join(LINES).encode())
    lines = p.read(nf.TextFile("hdfs:///tmp/dynamic/in")).map(str.upper)
    p.run()
    assert executors(p) > 0
    until = time.monotonic() + 120
    while executors(p) and time.monotonic() < until:
        time.sleep(0.5)
    assert executors(p) == 0
    # What they kept is made again, on others.
    assert sorted(kept.get()) == sorted(line.upper() for line in LINES)
    assert lines.distinct().count().get() == len(LINES)
