"""Runs the tests of Rust and of Python, and ends with one line that counts all of them.

What is built must be up to date before (`make test` sees to that). Gives a status other than 0 if
anything failed, a part that could not be run at all included. With `--fast`, those that start an HDFS, a YARN
or an S3 server are left out; with other words, only the parts run whose names have one of them:
`scripts/test.py "Spark 4.3"`.

After Rust's, lanes run side by side, since much of the time on Spark is waiting: what needs no Spark, and
each version of it. A part's output is shown when it has ended.
"""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
API = ROOT / "python-api"
CONFIG = ["-c", str(ROOT / "python-api" / "pyproject.toml"), "--rootdir", str(ROOT)]
FAKED = [
    f"--ignore=tests/api/test_{name}.py"
    for name in ("bundle", "environment", "hadoop", "names", "plan", "submit")
]
"""Tests of the API that never come to an engine: once is enough for them."""

SPARK = {
    "3.5.9": [
        "tests/test_cases.py",
        "tests/test_examples.py",
        "tests/test_channels.py",
        "tests/test_random_pipelines.py",
        "tests/test_random_functions.py",
        "-k",
        "not scattered and not alone",
    ],
    "4.3.0": [
        "tests/test_cases.py",
        "tests/test_errors.py",
        "tests/test_runs.py",
        "tests/test_files.py",
        "tests/test_stated.py",
        "tests/test_examples.py",
        "tests/test_shown_keys.py",
        "tests/test_schema.py",
        "tests/test_sample.py",
        "tests/test_key_classes.py",
        "tests/test_serdes.py",
        "tests/test_bigflow.py",
        "tests/test_defects.py",
        "tests/test_util.py",
        "tests/test_native_functions.py",
        "tests/test_state.py",
        "tests/test_resources.py",
        "tests/test_batches.py",
        "tests/test_channels.py",
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
    "tests/test_cases.py",
    "tests/test_errors.py",
    "tests/test_batches.py",
    "tests/test_state.py",
    "tests/test_resources.py",
    *(
        f"tests/test_native_functions.py::{name}"
        for name in ("test_in_every_transform", "test_go_on_engines", "test_go_on_threads_of_a_jvm")
    ),
    "-k",
    "not scattered and not alone",
]
"""Tests that also run with functions in the JVM, on the first of them."""
OLDER = [
    f"tests/spark/test_{name}.py"
    for name in (
        "cluster",
        "driver",
        "files",
        "frames",
        "jobs",
        "memory",
        "misuse",
        "s3",
        "unpack",
    )
]
"""Tests of Spark itself that depend on its version, or on the jars that only the first of them has."""
CORE = [
    "tests/test_cases.py",
    "tests/test_batches.py",
    "tests/test_random_pipelines.py",
    "-k",
    "scattered and (programs or instances or in_one_run and (cogroup or transform))",
]
"""Tests of the local engine that also run where executors are processes of their own."""
FEW = {"NESTFLOW_CASES": "4", "NESTFLOW_EXAMPLES": "5"}
"""A quarter of the cases, and few random ones: each takes a second. `make soak` tries all, on both."""
INSIDE = {"NESTFLOW_SPARK_HOST": "embedded", "NESTFLOW_CASES": "8"}
"""With functions in the JVM, half as many: the engine is the same."""
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


def python(part: str, folder: Path, arguments: list[str], variables: dict[str, str]) -> Result:
    """Run pytest in a folder, with more variables in its environment; show its output at the end."""
    tell(f"== {part} tests began")
    if "--fast" in sys.argv[1:]:
        arguments = [*arguments, "-m", "not servers"]
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".xml") as report, tempfile.TemporaryFile("w+") as output:
        record = ROOT / "out" / "coverage" / f"{re.sub('[^a-z0-9]+', '-', part.lower())}.json"
        command = [sys.executable, str(ROOT / "scripts" / "record_tests.py"), str(record), "--durations=15"]
        command += [f"--junitxml={report.name}", *arguments]
        environment = {**os.environ, **variables}
        run = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        )
        output.seek(0)
        tell(f"\n== {part} tests", output.read())
        counts = _counted(report.name)
    # Pytest gives 5 where it found no test.
    return _result(part, counts, 0 if run.returncode == 5 else run.returncode, started)


_telling = threading.Lock()


def tell(*texts: str) -> None:
    """Print what stays together, though two lanes print."""
    with _telling:
        print(*texts, sep="\n", flush=True)


def python_parts() -> Iterator[tuple[str, Path, list[str], dict[str, str]]]:
    """Give the parts that need nothing but Python: name, folder, arguments of pytest, variables."""
    # One run of pytest for each folder: their modules have equal names.
    yield "API", API, ["tests/api"], {}
    yield "API, compiled", API, ["tests/api", *FAKED], {"NESTFLOW_COMPILED": "1"}
    yield "host", API, ["tests/host"], {}
    yield "pipeline", ROOT, [*CONFIG, "tests"], {}


def spark_parts(version: str) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Give the parts on a version of Spark: in several processes, in one, and with functions in its JVM."""
    older = version == next(iter(SPARK))
    several = {"NESTFLOW_TEST_SPARK": "local-cluster[2,1,1024]", **FEW}
    one = {"NESTFLOW_TEST_SPARK": "local[2]", **FEW}
    yield f"Spark {version}, local-cluster", OLDER if older else ["tests/spark"], several
    yield f"Spark {version}, core on a cluster", CORE, several
    yield f"Spark {version}, local", SPARK[version], one
    if older:
        yield f"Spark {version}, embedded", EMBEDDED, {**one, **INSIDE}


def spark(version: str, wanted: list[str]) -> Iterator[Result]:
    """Run the pipelines' tests on a version of Spark: on one machine and on a small cluster."""
    parts = [part for part in spark_parts(version) if is_wanted(part[0], wanted)]
    if not parts:
        return
    install = subprocess.run(
        ["scripts/spark", version], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if install.returncode:
        yield Result(f"Spark {version}", 0, 1, 0, 0)
        return
    home = install.stdout.strip()
    for name, arguments, variables in parts:
        environment = {"SPARK_HOME": home, "SPARK_LOCAL_IP": "127.0.0.1", **variables}
        yield python(name, ROOT, [*CONFIG, *arguments], environment)
    # A local cluster leaves the folders of its executors, with a copy of the jar in each.
    shutil.rmtree(Path(home) / "work", ignore_errors=True)


def yarn(wanted: list[str]) -> Iterator[Result]:
    """Run the tests on YARN, which start one."""
    if "--fast" not in sys.argv[1:] and is_wanted("YARN", wanted):
        yield python("YARN", ROOT, [*CONFIG, "tests/yarn"], {})


def lanes(wanted: list[str]) -> Iterator[Iterator[Result]]:
    """Give the parts that run side by side, each lane one after the other."""
    yield (python(*part) for part in python_parts() if is_wanted(part[0], wanted))
    if not list((API / "python/nestflow/engine/spark/jars").glob("*.jar")):
        tell("== No tests on Spark: there is no jar, since there is no JDK or no Maven")
        return
    older, newer = SPARK
    yield chain(spark(older, wanted), yarn(wanted))
    yield spark(newer, wanted)


def coverage() -> Result:
    """Fail for public names that no test has used, and tell those not used where docs/coverage.md says so."""
    started = time.monotonic()
    made = runpy.run_path(str(ROOT / "scripts" / "coverage.py"))
    used = made["recorded"]()
    unused, lost = made["unused"](used), made["lost"](used)
    for failure, names in {"No test used": unused, "No test used any more": lost}.items():
        if names:
            print(f"\n== {failure} {', '.join(names)}")
    # Without what `make soak` records, it would say less than it does.
    if made["SOAK"].is_dir() and made["PAGE"].read_text(encoding="utf-8") != made["page"](used):
        print("\n== docs/coverage.md can be made anew: scripts/coverage.py")
    return Result("public names with tests", len(used), len(unused), 0, time.monotonic() - started)


def is_wanted(part: str, wanted: list[str]) -> bool:
    """Whether a part is to be run; without wishes all are."""
    return not wanted or any(word in part for word in wanted)


def main() -> int:
    """Run all parts, show what each gave, and the sum."""
    wanted = [word for word in sys.argv[1:] if word != "--fast"]
    results = [rust()] if is_wanted("Rust", wanted) else []
    if not wanted:
        shutil.rmtree(ROOT / "out" / "coverage", ignore_errors=True)
    with ThreadPoolExecutor() as pool:
        *_, on_spark = side_by_side = list(pool.map(list, lanes(wanted)))
    results += chain.from_iterable(side_by_side)
    if len(side_by_side) > 1 and on_spark and len(sys.argv) == 1:
        results.append(coverage())
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
