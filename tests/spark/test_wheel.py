"""The wheel alone is enough: no compiler, no sbt, no checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
from on_spark import CONF

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import json, os, shutil, sys

import nestflow as nf

assert [shutil.which(tool) for tool in ("cargo", "sbt", "mvn", "python3")] == [None] * 4
for options in json.loads(sys.argv[1]):
    p = nf.Pipeline.create(options.pop("kind"), progress=False, **options)
    squares = p.parallelize([1, 2, 3]).map(lambda x: (x * x, os.path.realpath(nf.__file__))).get()
    print("answer", json.dumps([nf.__file__, squares]))
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

    def answers(*options: dict[str, Any]) -> list[Any]:
        ended = subprocess.run(
            [tools / "python", tmp_path / "job.py", json.dumps(options)],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=tmp_path,
        )
        assert ended.returncode == 0, ended.stderr[-3000:]
        said = [line.partition(" ") for line in ended.stdout.splitlines()]
        return [json.loads(text) for word, _, text in said if word == "answer"]

    def squares(place: str) -> list[Any]:
        return [f"{site}/nestflow/__init__.py", [[number, place] for number in (1, 4, 9)]]

    conf, here = {**CONF, "spark.master": "local[2]"}, squares(f"{site}/nestflow/__init__.py")
    assert answers({"kind": "local", "host": "workers"}, {"kind": "spark", "spark_conf": conf}) == [here] * 2
    # Executors elsewhere run from a bundle of what the wheel carries.
    nodes, store = tmp_path / "nodes", tmp_path / "store"
    conf |= {"spark.master": "local-cluster[1,1,1024]", "spark.nestflow.bundle.folder": str(nodes)}
    found = answers({"kind": "spark", "spark_conf": conf, "tmp_data_path": f"file://{store}"})
    (archive,) = store.glob("*/nestflow-*.tar.gz")
    unpacked = nodes / archive.name.removesuffix(".tar.gz")
    assert found == [squares(f"{unpacked}/site/nestflow/__init__.py")]
    bundle = [tools / "nestflow", "bundle", "push"]
    for folder, uploads in (store, False), (tmp_path / "other", True):
        pushed = subprocess.run(
            [*bundle, folder], capture_output=True, text=True, check=True, env=environment
        )
        assert (pushed.stdout.splitlines()[1] != "0 bytes uploaded") is uploads
        assert len(list(folder.glob("*/nestflow-*"))) == 2
