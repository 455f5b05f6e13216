"""Runs the tests of Rust and of Python, and ends with one line that counts all of them.

What is built must be up to date before (`make test` sees to that). Gives a status other than 0 if
anything failed, a part that could not be run at all included. With `--fast`, the tests on YARN are left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ["-c", str(ROOT / "python-api" / "pyproject.toml"), "--rootdir", str(ROOT)]
SPARK = {
    "3.5.9": ["tests/test_cases.py", "-k", "in_one_run and not scattered"],
    "4.3.0": [
        "tests/test_cases.py",
        "tests/test_errors.py",
        "tests/test_runs.py",
        "tests/test_files.py",
        "tests/test_serdes.py",
        "tests/test_bigflow.py",
        "tests/test_defects.py",
        "tests/test_util.py",
        "tests/test_native_functions.py",
        "tests/test_state.py",
        "tests/test_resources.py",
        "tests/test_batches.py",
        "tests/test_error_classes.py",
        "tests/test_parts.py",
        "tests/test_streaming.py",
        "tests/test_random_pipelines.py",
        "tests/test_random_functions.py",
        "tests/test_guides.py",
        "tests/test_cancel.py",
        "-k",
        "(scattered or test_resources or json_schema_to_spark or guide and native-functions) and not alone",
    ],
}
"""The versions of Spark that are tested, and with which tests besides its own."""
EMBEDDED = [
    "tests/test_batches.py",
    "tests/test_state.py",
    "tests/test_resources.py",
    *(
        f"tests/test_native_functions.py::{name}"
        for name in ("test_in_every_transform", "test_go_on_engines", "test_go_on_threads_of_a_jvm")
    ),
    "-k",
    "not scattered",
]
"""Tests that also run with functions in the JVM, on the first of them."""
CORE = [
    "tests/test_cases.py",
    "tests/test_random_pipelines.py",
    "-k",
    "scattered and (programs or in_one_run and (cogroup or distinct or side or transform or accumulate))",
]
"""Tests of the local engine that also run where executors are processes of their own."""
CARGO_RESULT = re.compile(r"test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored")


class Result(NamedTuple):
    """What one part of the tests gave."""

    part: str
    passed: int
    failed: int
    skipped: int
    seconds: float


def rust() -> Result:
    """Run the tests of the crates that are not Python modules; those are tested from Python."""
    print("\n== Rust tests", flush=True)
    command = ["scripts/cargo", "test", "--workspace", "--no-fail-fast"]
    command += ["--exclude", "nestflow-python", "--exclude", "nestflow-host"]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    counts = [0, 0, 0]
    for line in process.stdout or ():
        print(line, end="", flush=True)
        if found := CARGO_RESULT.search(line):
            counts = [a + int(b) for a, b in zip(counts, found.groups(), strict=True)]
    return _result("Rust", counts, process.wait(), started)


def python(
    part: str, folder: Path, arguments: list[str], environment: dict[str, str] | None = None
) -> Result:
    """Run pytest in a folder."""
    print(f"\n== {part} tests", flush=True)
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [sys.executable, "-m", "pytest", f"--junitxml={report.name}", *arguments]
        run = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, env=environment, check=False)
        status = run.returncode
        counts = _counted(report.name)
    # Pytest gives 5 where it found no test.
    return _result(part, counts, 0 if status == 5 else status, started)


def spark(fast: bool) -> list[Result]:
    """Run the pipelines' tests on Spark: on one machine, on a small cluster and on YARN."""
    if not list((ROOT / "python-api/python/nestflow/engine/spark/jars").glob("*.jar")):
        print("\n== No tests on Spark: there is no jar, since there is no JDK or no Maven", flush=True)
        return []
    results = []
    for version, cases in SPARK.items():
        install = subprocess.run(
            ["scripts/spark", version], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
        )
        if install.returncode:
            results.append(Result(f"Spark {version}", 0, 1, 0, 0))
            continue
        home = {"SPARK_HOME": install.stdout.strip(), "SPARK_LOCAL_IP": "127.0.0.1"}
        cluster = "local-cluster[2,1,1024]"
        for part, master, arguments in (
            ("local-cluster", cluster, ["tests/spark"]),
            ("core on a cluster", cluster, CORE),
            ("local", "local[2]", cases),
        ):
            environment = {**os.environ, **home, "NESTFLOW_TEST_SPARK": master}
            results.append(python(f"Spark {version}, {part}", ROOT, [*CONFIG, *arguments], environment))
        if version == next(iter(SPARK)):
            environment["NESTFLOW_SPARK_HOST"] = "embedded"
            results.append(python(f"Spark {version}, embedded", ROOT, [*CONFIG, *EMBEDDED], environment))
        # A local cluster leaves the folders of its executors, with a copy of the jar in each.
        shutil.rmtree(Path(install.stdout.strip()) / "work", ignore_errors=True)
    if not fast:
        results.append(python("YARN", ROOT, [*CONFIG, "tests/yarn"]))
    return results


def main() -> int:
    """Run all parts, show what each gave, and the sum."""
    api = ROOT / "python-api"
    # One run of pytest for each folder: their modules have equal names.
    results = [
        rust(),
        python("API", api, ["tests/api"]),
        python("host", api, ["tests/host"]),
        python("pipeline", ROOT, [*CONFIG, "tests"]),
        *spark(fast="--fast" in sys.argv[1:]),
    ]
    print()
    for part, passed, failed, skipped, seconds in results:
        note = f", {skipped} skipped" if skipped else ""
        print(f"{part:26} {passed:6} passed, {failed} failed{note} in {seconds:.0f} s")
    failed = sum(result.failed for result in results)
    print(f"{sum(result.passed for result in results)} passed, {failed} failed")
    return 1 if failed else 0


def _counted(report: str) -> list[int]:
    try:
        suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    except ElementTree.ParseError:
        return [0, 0, 0]

    def total(name: str) -> int:
        return sum(int(suite.get(name, 0)) for suite in suites)

    failed, skipped = total("failures") + total("errors"), total("skipped")
    return [total("tests") - failed - skipped, failed, skipped]


def _result(part: str, counts: list[int], status: int, started: float) -> Result:
    passed, failed, skipped = counts
    if status and not failed:
        failed = 1  # it did not even come to the tests
    return Result(part, passed, failed, skipped, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
