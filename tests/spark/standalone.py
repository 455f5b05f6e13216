"""A cluster of Spark's own: a master, and workers under addresses of this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextlib.contextmanager
def cluster(folder: Path, workers: int, cores: int = 1, **settings: str) -> Iterator[str]:
    """Start one, and give its address; ``settings`` are those of the workers, with ``_`` for points."""
    port = free_port()
    deploy = "org.apache.spark.deploy"
    address = f"spark://127.0.0.1:{port}"
    master = [f"{deploy}.master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"]
    options = ["--cores", str(cores), "--memory", f"{cores}g", "--webui-port", "0"]
    options += ["--work-dir", str(folder / "work")]
    servers = [master]
    servers += [
        [f"{deploy}.worker.Worker", "--host", f"127.0.0.{2 + i}", *options, address] for i in range(workers)
    ]
    start = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", f"{os.environ['SPARK_HOME']}/jars/*"]
    start += [f"-Dspark.{name.replace('_', '.')}={value}" for name, value in settings.items()]
    # What Spark's scripts set, and the code that starts executors looks for.
    environment = {**os.environ, "SPARK_SCALA_VERSION": "2.13"}
    with contextlib.ExitStack() as ends, (folder / "log").open("wb") as log:
        for server in servers:
            started = subprocess.Popen(
                [*start, *server], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
            ends.callback(started.wait)
            ends.callback(started.terminate)
        yield address
