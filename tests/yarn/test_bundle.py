"""Nodes with neither Python nor nestflow: all comes from HDFS, where the first job puts it."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Yarn

TOOLS = ("bash", "cat", "chmod", "cp", "date", "env", "find", "id", "kill", "ls", "ln", "mkdir", "nice")
TOOLS += ("readlink", "rm", "setsid", "sh", "touch")
"""What containers are started with."""


def test_the_second_submit_uploads_nothing(yarn: Yarn, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    conf = {
        "spark.executorEnv.PATH": str(tmp_path / "bin"),
        # What Spark itself uploads goes elsewhere, so that all bytes in HDFS are ours.
        "spark.yarn.stagingDir": f"file://{tmp_path}/staging",
    }
    store = f"{yarn.hadoop.hdfs}/user/tester/nestflow"
    uploaded, found = [], []
    for _ in range(2):
        before = yarn.hadoop.bytes_written()
        ended = yarn.submit("client", "where.py", store, conf=conf, python=False).succeeded()
        uploaded.append(yarn.hadoop.bytes_written() - before)
        found.append(yarn.hadoop.tree("/user/tester/nestflow"))
        (said,) = (line for line in ended.text.splitlines() if line.startswith("where: "))
        python, program, package = json.loads(said.removeprefix("where: "))
        assert python is None
        (name,) = {
            path.split("/")[-1].removesuffix(".tar.gz") for path in found[-1] if path.endswith(".tar.gz")
        }
        assert f"/{name}/python/bin/python" in program and f"/{name}/" in package
    assert uploaded[0] > 10_000_000 and uploaded[1] == 0
    assert found[0] == found[1]
