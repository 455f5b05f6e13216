"""A YARN and an HDFS for all tests of this folder, and ways to run programs on them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hadoop_server
import pytest

import nestflow as nf
from nestflow.engine.spark.jars import jar_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

PROGRAMS = Path(__file__).parent / "programs"

SMALL = {
    "spark.driver.memory": "512m",
    "spark.executor.memory": "512m",
    "spark.executor.cores": "2",
    "spark.executor.instances": "1",
    "spark.ui.enabled": "false",
    "spark.yarn.submit.waitAppCompletion": "true",
}
"""What keeps applications small; what they may take beside that is for nestflow and Spark to say."""

DYNAMIC = {
    "spark.dynamicAllocation.enabled": "true",
    "spark.dynamicAllocation.shuffleTracking.enabled": "true",
    "spark.dynamicAllocation.minExecutors": "0",
    "spark.dynamicAllocation.initialExecutors": "0",
    "spark.dynamicAllocation.maxExecutors": "2",
    "spark.dynamicAllocation.executorIdleTimeout": "10s",
    "spark.dynamicAllocation.cachedExecutorIdleTimeout": "10s",
    "spark.dynamicAllocation.shuffleTracking.timeout": "10s",
    "spark.executor.instances": "0",
    "spark.executor.cores": "1",
}
"""Executors come and go with the work; where no service keeps their blocks, Spark looks who has some."""


class Yarn:
    """Runs programs."""

    def __init__(self, hadoop: hadoop_server.Hadoop) -> None:
        self.hadoop = hadoop

    def submit(
        self,
        mode: str,
        program: str,
        *arguments: str,
        conf: Mapping[str, str] | None = None,
        user: str = "tester",
        spark: str = "3.5.9",
        by: str = "spark-submit",
        python: bool = True,
        options: Sequence[str] = (),
    ) -> Ended:
        """Run a program by spark-submit or by nestflow submit, and wait for its end."""
        home = home_of(spark)
        settings = {**self.settings(home), **(conf or {})}
        if not python:  # the nodes have none
            settings = {key: value for key, value in settings.items() if "PYSPARK_PYTHON" not in key}
        if by == "spark-submit":
            settings.setdefault("spark.jars", jar_for(home))
            command = [f"{home}/bin/spark-submit"]
        else:  # it is to find these itself
            settings = {key: value for key, value in settings.items() if "PYTHON" not in key}
            command = [sys.executable, "-m", "nestflow", "submit", *options]
        command += ["--master=yarn", f"--deploy-mode={mode}"]
        command += [f"--conf={key}={value}" for key, value in settings.items()]
        return self._run([*command, str(PROGRAMS / program), *arguments], home, user, python)

    def bundle(self, *arguments: str) -> str:
        """Run a command of `nestflow bundle`, and give what it says."""
        environment = {**os.environ, **self.environment(home_of("3.5.9"), "tester")}
        command = [sys.executable, "-m", "nestflow", "bundle", *arguments]
        ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        return ended.stdout

    def settings(self, home: str) -> dict[str, str]:
        """Give what a user sets for this cluster."""
        # Otherwise, each application brings all of Spark.
        nodes = {"spark.yarn.jars": f"local:{home}/jars/*"}
        nodes["spark.nestflow.bundle.folder"] = str(self.hadoop.folder / "bundles")
        for kind in ("spark.yarn.appMasterEnv", "spark.executorEnv"):
            nodes[f"{kind}.PYSPARK_PYTHON"] = sys.executable
            nodes[f"{kind}.SPARK_LOCAL_IP"] = "127.0.0.1"
        return {**SMALL, **nodes}

    def environment(self, home: str, user: str) -> dict[str, str]:
        """Give what says to a process where the cluster is, and who it is there."""
        return {
            "HADOOP_CONF_DIR": str(self.hadoop.conf),
            "HADOOP_USER_NAME": user,
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_HOME": home,
            "SPARK_LOCAL_IP": "127.0.0.1",
        }

    def _run(self, command: list[str], home: str, user: str, python: bool) -> Ended:
        before = {app["id"] for app in self.hadoop.applications()}
        environment = {**os.environ, **self.environment(home, user)}
        if not python:
            environment["PYSPARK_DRIVER_PYTHON"] = environment.pop("PYSPARK_PYTHON")
        ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        return Ended(self.hadoop, ended, self.hadoop.ended_since(before))


class Ended:
    """A program that has run."""

    def __init__(
        self, hadoop: hadoop_server.Hadoop, ended: subprocess.CompletedProcess[str], applications: list[dict]
    ) -> None:
        self.status = ended.returncode
        self.applications = applications
        said = [hadoop.said(app["id"]) for app in applications]
        self.text = "\n".join([ended.stdout, ended.stderr, *said])

    def succeeded(self) -> Ended:
        """Make sure that it did."""
        assert self.status == 0, self.text[-20_000:]
        assert [app["finalStatus"] for app in self.applications] == ["SUCCEEDED"] * len(self.applications)
        return self


def home_of(version: str) -> str:
    """Where a version of Spark is installed."""
    found = subprocess.run(
        ["scripts/spark", version], cwd=hadoop_server.ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return found.stdout.strip()


@pytest.fixture(scope="session")
def yarn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yarn]:
    """The cluster; it takes ten seconds to start."""
    with hadoop_server.started(tmp_path_factory.mktemp("hadoop"), yarn=True) as hadoop:
        yield Yarn(hadoop)


@pytest.fixture(scope="session")
def _session(yarn: Yarn) -> Iterator[dict[str, str]]:
    """Lets this process make a session on YARN, one for all tests; gives its settings."""
    home = home_of("3.5.9")
    os.environ.update(yarn.environment(home, "tester"))
    alone = {
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.showConsoleProgress": "false",
    }
    yield {"spark.master": "yarn", **yarn.settings(home), **alone, **DYNAMIC}
    import pyspark  # type: ignore[import-not-found, unused-ignore]

    if pyspark.SparkContext._active_spark_context is not None:
        pyspark.SparkContext._active_spark_context.stop()


@pytest.fixture
def create(_session: dict[str, str]) -> Iterator[Callable[..., nf.Pipeline]]:
    """Makes pipelines in this process; its session takes executors as it needs them."""
    pipelines: list[nf.Pipeline] = []

    def make(**options: Any) -> nf.Pipeline:
        pipelines.append(nf.Pipeline.create("spark", spark_conf=_session, progress=False, **options))
        return pipelines[-1]

    yield make
    for pipeline in pipelines:
        pipeline.close()
