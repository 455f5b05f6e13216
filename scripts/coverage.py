#!/usr/bin/env python
"""Writes docs/coverage.md: each public name, and how many tests used it on which engine.

Made of what `make test` recorded (`scripts/record_tests.py`) in out/coverage, a file for each part of the
tests, and of what `make soak` did, which tries all cases on Spark. A name that no test used is shown as
such: nothing is missing silently.
"""

from __future__ import annotations

import json
import runpy
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDS = ROOT / "out" / "coverage"
SOAK = ROOT / "out" / "coverage-of-all-cases"
PAGE = ROOT / "docs" / "coverage.md"

ENGINES = {
    "client": "nothing runs: what happens while a pipeline is built",
    "in process": "the local engine, functions in this interpreter",
    "workers": "the local engine, functions in worker processes",
    "little memory": "the local engine with 8 MB, and data in several parts",
    "Spark 3.5": "Spark on this machine, of that version",
    "Spark 4.3": "Spark on this machine, of that version",
    "cluster": "Spark with executors of their own (`local-cluster`), of both versions",
    "embedded": "Spark, functions in the interpreter inside of its JVMs",
    "YARN": "Spark on a small cluster of Hadoop's",
}
"""Where tests run, and what that is."""

HERE = ("client", "in process", "workers", "little memory")
"""Where all tests run that can."""

MOST = 3
"""So many cases are named; how many more there are is told."""

Used = dict[str, dict[str, set[str]]]


def recorded() -> Used:
    """Give, by name and by engine, the tests that used it."""
    used: Used = defaultdict(lambda: defaultdict(set))
    for file in sorted([*RECORDS.glob("*.json"), *SOAK.glob("*.json")]):
        for name, engines in json.loads(file.read_text(encoding="utf-8")).items():
            for engine, tests in engines.items():
                used[name][engine].update(tests)
    return used


def unused(used: Used) -> list[str]:
    """Give the public names that no test used."""
    return [name for names in _public().values() for name in names if name not in used]


def lost(used: Used) -> list[str]:
    """Give the names that the page has tests for on this machine's engine where no test used them now.

    On Spark, `make test` tries some of the cases only.
    """
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            name, *counts = (cell.strip(" `") for cell in line.split("|")[1 : len(ENGINES) + 2])
            known = used.get(name, {})
            found += [
                f"{name} ({engine})"
                for engine, count in zip(ENGINES, counts, strict=True)
                if engine in HERE and count and not known.get(engine)
            ]
    return found


def page(used: Used) -> str:
    """Give the text of the page."""
    lines = [
        "# What is tested where",
        "",
        "Made by `scripts/coverage.py` from what `make test` and `make soak` recorded; do not edit.",
        "Numbers are tests that used a name where they ran, a test with several parameters counted once.",
        "Every case of `tests/cases` runs on whole datasets, on empty ones, and in the groups of tables of",
        "depth 1 to 3. On Spark, `make test` tries a quarter of the cases on either one, `make soak` all.",
        "What only the client does (refusals, exceptions, small functions) stands under *client*.",
        "",
        *(f"- *{engine}*: {meaning}" for engine, meaning in ENGINES.items()),
    ]
    for title, names in _public().items():
        heads = ["name", *ENGINES, "cases", "other tests"]
        lines += ["", f"## {title}", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        lines += [_row(name, used.get(name, {})) for name in names]
    return "\n".join(lines) + "\n"


def _row(name: str, engines: dict[str, set[str]]) -> str:
    tests = set().union(*engines.values())
    counts = [str(len(engines[engine])) if engines.get(engine) else "" for engine in ENGINES]
    cases = sorted(test.partition(": ")[2] for test in tests if test.startswith("case: "))
    files = sorted({test.partition(": ")[0] for test in tests if not test.startswith("case: ")})
    more = f" and {len(cases) - MOST} more" if len(cases) > MOST else ""
    shown = "; ".join(case.replace("|", "\\|") for case in cases[:MOST]) + more
    where = ", ".join(file.removeprefix("test_") for file in files) or ("" if cases else "**none**")
    return f"| `{name}` | {' | '.join(counts)} | {shown} | {where} |"


def _public() -> dict[str, list[str]]:
    sys.path[:0] = [str(ROOT / "python-api" / "python")]
    sections: dict[str, list[str]] = runpy.run_path(str(ROOT / "scripts" / "public_names.py"))["public"]()
    return sections


if __name__ == "__main__":
    PAGE.write_text(page(recorded()), encoding="utf-8")
