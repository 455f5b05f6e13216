"""The wheel alone is enough: no compiler, no sbt, no checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cloudpickle
from on_spark import CONF

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import json, shutil, sys

import nestflow as nf

assert [shutil.which(tool) for tool in ("cargo", "sbt", "mvn", "python3")] == [None] * 4
conf = {**json.loads(sys.argv[1]), "spark.master": "local[2]"}
for options in ({"kind": "local", "host": "workers"}, {"kind": "spark", "spark_conf": conf}):
    p = nf.Pipeline.create(options.pop("kind"), progress=False, **options)
    print("answer", nf.__file__, p.parallelize([1, 2, 3]).map(lambda x: x * x).get())
    p.close()
"""


def test_pip_install_and_create(tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, ROOT / "scripts" / "wheel.py", tmp_path], capture_output=True, text=True, check=True
    )
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    tools = tmp_path / "venv" / "bin"
    wheel = made.stdout.strip()
    pip = [tools / "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    subprocess.run([*pip, wheel], check=True)
    (site,) = (tmp_path / "venv" / "lib").glob("python3*/site-packages")
    shutil.copytree(Path(cloudpickle.__file__).parent, site / "cloudpickle")
    bare = tmp_path / "bin"
    bare.mkdir()
    for tool in ("java", "bash", "sh", "chmod", "dirname", "ps", "uname", "basename", "cat", "tput", "env"):
        found = shutil.which(tool)
        if found:
            (bare / tool).symlink_to(found)
    java = Path(str(shutil.which("java"))).resolve().parents[1]
    names = ("SPARK_HOME", "SPARK_LOCAL_IP", "HOME")
    environment = {name: os.environ[name] for name in names if name in os.environ}
    environment |= {"PATH": str(bare), "JAVA_HOME": str(java), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    (tmp_path / "job.py").write_text(PROGRAM)
    command = [tools / "python", tmp_path / "job.py", json.dumps(CONF)]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    answers = [line for line in ended.stdout.splitlines() if line.startswith("answer")]
    assert answers == [f"answer {site}/nestflow/__init__.py [1, 4, 9]"] * 2
    bundle = [tools / "nestflow", "bundle", "push", tmp_path / "store"]
    pushed = subprocess.run(bundle, capture_output=True, text=True, check=True, env=environment)
    assert pushed.stdout.splitlines()[1].endswith(" bytes uploaded")
    assert len(list((tmp_path / "store").glob("*/nestflow-*"))) == 2
