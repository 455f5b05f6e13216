"""Programs whose executors are on machines with neither this package nor any Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from on_spark import CONF

if TYPE_CHECKING:
    from pathlib import Path

TOOLS = ("chmod", "sh", "bash", "id", "ls", "whoami", "groups", "mkdir", "rm", "ln", "readlink")
"""What Spark itself starts there."""


def run(tmp_path: Path, program: str, *arguments: str) -> list[Any]:
    """Run a program with settings for such machines, and what is said further; gives what it answers."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in TOOLS:
        (tools / tool).symlink_to(str(shutil.which(tool)))
    conf = {
        **CONF,
        "spark.executorEnv.PATH": str(tools),
        "spark.nestflow.bundle.folder": str(tmp_path / "nodes" / "{user}"),
    }
    (tmp_path / "job.py").write_text(program)
    environment = {name: value for name, value in os.environ.items() if name != "PYSPARK_PYTHON"}
    ended = subprocess.run(
        [sys.executable, str(tmp_path / "job.py"), json.dumps(conf), *arguments],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
        env={**environment, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )
    assert ended.returncode == 0, ended.stderr[-5000:]
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith("answer "))
    answers: list[Any] = json.loads(line.removeprefix("answer "))
    return answers
