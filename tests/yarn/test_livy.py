"""A program that nobody has changed, given to a Livy server, which runs it on YARN."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import hadoop_server
from conftest import PROGRAMS, home_of
from test_submit import COUNTS, LINES

from nestflow.engine.spark.jars import jar_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Yarn

OPENED = ["lang", "lang.invoke", "nio", "io", "net", "util", "util.concurrent", "util.concurrent.atomic"]
"""What the old server looks into, of a JVM that would not let it."""


@contextmanager
def livy(yarn: Yarn, home: str, folder: Path) -> Iterator[str]:
    """Start a server, and stop it; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("conf", "logs", "work"):
        (folder / name).mkdir()
    settings = {
        "livy.server.host": "127.0.0.1",
        "livy.server.port": port,
        "livy.spark.master": "yarn",
        "livy.spark.deploy-mode": "cluster",
        "livy.spark.scala-version": "2.12",
        "livy.ui.enabled": "false",
        "livy.server.yarn.poll-interval": "1s",
    }
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    (folder / "conf" / "livy.conf").write_text(lines)
    jars = subprocess.run(
        ["scripts/livy"], cwd=hadoop_server.ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    opened = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in OPENED]
    opened += [f"--add-opens=java.base/sun.{name}=ALL-UNNAMED" for name in ("nio.ch", "util.calendar")]
    opened += [f"--add-exports=java.base/sun.{name}=ALL-UNNAMED" for name in ("net.dns", "net.util")]
    classes = f"{folder / 'conf'}:{jars.stdout.strip()}:{yarn.hadoop.conf}"
    environment = {
        **os.environ,
        **yarn.environment(home, "tester"),
        "LIVY_HOME": str(folder),
        "LIVY_CONF_DIR": str(folder / "conf"),
        "PYSPARK_DRIVER_PYTHON": sys.executable,
    }
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            ["java", "-Xmx384m", *opened, "-cp", classes, "org.apache.livy.server.LivyServer"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder / "work",
            env=environment,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        while not _is_up(address):
            assert server.poll() is None, (folder / "log").read_text()[-3000:]
            time.sleep(0.2)
        yield address
    finally:
        server.kill()
        server.wait()


def _is_up(address: str) -> bool:
    try:
        with urlopen(f"{address}/batches") as answer:
            return bool(answer.status == 200)
    except URLError:
        return False


def asked(address: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the server."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "X-Requested-By": "tests"}
    with urlopen(Request(address, data, headers)) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_a_batch(yarn: Yarn, tmp_path: Path) -> None:
    home = home_of("3.5.9")
    hdfs, folder = yarn.hadoop, "/user/tester/livy"
    with open(jar_for(home), "rb") as file:
        jar = hdfs.put(f"{folder}/nestflow-spark.jar", file.read())
    program = hdfs.put(f"{folder}/words.py", (PROGRAMS / "words.py").read_bytes())
    hdfs.put(f"{folder}/in", "\n".join(LINES).encode())
    with livy(yarn, home, tmp_path) as server:
        # The server takes no settings of where to run.
        batch = {
            "file": program,
            "jars": [jar],
            "args": [f"hdfs://{folder}/in", f"hdfs://{folder}/out"],
            "conf": yarn.settings(home),
        }
        number = asked(f"{server}/batches", batch)["id"]
        while (state := asked(f"{server}/batches/{number}")["state"]) in ("starting", "running"):
            time.sleep(0.5)
        log = "\n".join(asked(f"{server}/batches/{number}/log?size=1000")["log"])
    assert state == "success", log[-5000:]
    assert hdfs.lines(f"{folder}/out") == COUNTS
