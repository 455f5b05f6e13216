"""Measures what a job on a cluster costs before its first task: archives, and nestflow beside PySpark.

    python bench/cluster.py [ROUNDS]

Starts the HDFS and the YARN of the tests, and submits programs in client mode; each is a new process, and the
time is that from its start to the start of its first function on a node. PySpark has an interpreter on the
nodes and brings nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import hadoop_server  # noqa: E402

PACKAGES = ["numpy", "pandas", "polars", "pyarrow", "scikit-learn"]
"""With an interpreter, the archives come to more than 200 MB."""

STORE = "/tmp/nestflow"

PROGRAMS = {
    "nestflow": """
import json, sys, time
import nestflow as nf
conf, store, env = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
p = nf.Pipeline.create("spark", spark_conf=conf, tmp_data_path=store, python_env=env, progress=False)
print("first task", p.parallelize([0]).map(lambda _: time.time()).get()[0])
""",
    "pyspark": """
import json, sys, time
from pyspark import SparkConf, SparkContext
context = SparkContext(conf=SparkConf().setAll(json.loads(sys.argv[1]).items()))
print("first task", context.parallelize([0], 1).map(lambda _: time.time()).collect()[0])
""",
}


def main(rounds: int) -> None:
    """Print a table."""
    found = subprocess.run(
        ["scripts/spark", "3.5.9"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    home = found.stdout.strip()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = made(folder / "env")
        (folder / "hadoop").mkdir()
        with hadoop_server.started(folder / "hadoop", yarn=True) as hadoop:
            measure(hadoop, home, folder, env, rounds)


def made(env: Path) -> Path:
    """Make an environment with packages."""
    subprocess.run([sys.executable, "-m", "venv", str(env)], check=True)
    subprocess.run([str(env / "bin" / "python"), "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return env


def measure(hadoop: hadoop_server.Hadoop, home: str, folder: Path, env: Path, rounds: int) -> None:
    """Submit programs, and say how long each took to its first task."""
    nodes = folder / "nodes"
    conf = {
        "spark.master": "yarn",
        "spark.driver.memory": "512m",
        "spark.executor.memory": "512m",
        "spark.executor.instances": "1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.executorEnv.SPARK_LOCAL_IP": "127.0.0.1",
        "spark.yarn.jars": f"local:{home}/jars/*",
        "spark.nestflow.bundle.folder": str(nodes),
    }
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYSPARK_PYTHON"},
        "HADOOP_CONF_DIR": str(hadoop.conf),
        "HADOOP_USER_NAME": "tester",
        "SPARK_HOME": home,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "python-api" / "python"), *_spark_modules(home)]),
    }

    def seconds(program: str) -> tuple[float, int]:
        before, known = uploaded(hadoop), {app["id"] for app in hadoop.applications()}
        more = {"PYSPARK_PYTHON": sys.executable} if program == "pyspark" else {}
        began = time.time()
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAMS[program], json.dumps(conf), f"hdfs://{STORE}", str(env)],
            capture_output=True,
            text=True,
            check=False,
            env={**environment, **more},
        )
        if ended.returncode:
            raise SystemExit(ended.stderr[-5000:])
        hadoop.ended_since(known)
        (line,) = (line for line in ended.stdout.splitlines() if line.startswith("first task "))
        return float(line.split()[-1]) - began, uploaded(hadoop) - before

    print(f"load {os.getloadavg()[0]:.1f} at the start")
    print("| submit | seconds to the first task | bytes uploaded |\n|---|---|---|")

    def say(what: str, program: str) -> None:
        taken, put = seconds(program)
        print(f"| {what} | {taken:.1f} | {put} |", flush=True)

    say("PySpark, the first application", "pyspark")
    say("nestflow, nothing is there", "nestflow")
    tree = max((path for path in nodes.iterdir() if path.is_dir()), key=_size)
    sizes = [_size(path) for path in nodes.iterdir() if path.is_dir()]
    shutil.rmtree(nodes)
    say("nestflow, the node's folder is empty", "nestflow")
    taken: dict[str, list[float]] = {"nestflow": [], "pyspark": []}
    for _ in range(rounds):
        for program, each in taken.items():
            each.append(seconds(program)[0])
    for program, each in taken.items():
        print(
            f"| {program}, again: median of {rounds} ({min(each):.1f} to {max(each):.1f}) "
            f"| {statistics.median(each):.1f} | |"
        )
    packed = {path.name: path.stat().st_size for path in (folder / "cache").rglob("*.tar.gz")}
    print(f"unpacked: {sorted(sizes)} bytes, the larger in {tree.name}; packed: {packed}")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


def uploaded(hadoop: hadoop_server.Hadoop) -> int:
    """Give the bytes of all archives; what Spark itself uploads for an application is not counted."""
    return sum(size for _, _, size in hadoop.tree(STORE).values()) if hadoop.status(STORE) else 0


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _spark_modules(home: str) -> list[str]:
    return [str(path) for path in Path(home, "python", "lib").glob("*.zip")] or [str(Path(home).parent)]


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
