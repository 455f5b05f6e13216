"""Runs the tests of Rust and of Python, and ends with one line that counts all of them.

What is built must be up to date before (`make test` sees to that). Gives a status other than 0 if
anything failed, a part that could not be run at all included.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
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


def python(part: str, folder: Path, arguments: list[str]) -> Result:
    """Run pytest in a folder."""
    print(f"\n== {part} tests", flush=True)
    started = time.monotonic()
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        command = [sys.executable, "-m", "pytest", f"--junitxml={report.name}", *arguments]
        status = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, check=False).returncode
        counts = _counted(report.name)
    # Pytest gives 5 where it found no test.
    return _result(part, counts, 0 if status == 5 else status, started)


def main() -> int:
    """Run all parts, show what each gave, and the sum."""
    config = ["-c", str(ROOT / "python-api" / "pyproject.toml"), "--rootdir", str(ROOT)]
    api = ROOT / "python-api"
    # One run of pytest for each folder: their modules have equal names.
    results = [
        rust(),
        python("API", api, ["tests/api"]),
        python("host", api, ["tests/host"]),
        python("pipeline", ROOT, [*config, "tests"]),
    ]
    print()
    for part, passed, failed, skipped, seconds in results:
        note = f", {skipped} skipped" if skipped else ""
        print(f"{part:8} {passed:6} passed, {failed} failed{note} in {seconds:.0f} s")
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
