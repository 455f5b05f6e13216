"""The second half of the demo: the same program on a small cluster, and the comparison of the two."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from on_spark import MASTER
from test_demo import EXAMPLE, small_year, write

if TYPE_CHECKING:
    from pathlib import Path


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLE / program, *arguments], capture_output=True, text=True, check=False
    )


@pytest.mark.skipif("cluster" not in str(MASTER), reason="the demo is one of several processes")
def test_both_engines_give_the_same_and_the_comparison_sees_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write(small_year(), data)
    for name, options in (("local", []), ("spark", ["--engine", "spark", "--master", str(MASTER)])):
        done = run("flights.py", "--data", data, "--out", tmp_path / name, *options)
        assert done.returncode == 0, done.stderr[-3000:]
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "report.txt").write_text(done.stdout)
    compared = run("compare.py", tmp_path / "local", tmp_path / "spark")
    assert compared.returncode == 0, compared.stdout
    assert compared.stdout.count(": equal, ") == 3
    # A line that differs is shown.
    part = next((tmp_path / "spark" / "routes").glob("part-*"))
    part.write_text(part.read_text().replace("HNL", "XXX", 1))
    compared = run("compare.py", tmp_path / "local", tmp_path / "spark")
    assert compared.returncode == 1
    assert "routes: different: " in compared.stdout and "XXX" in compared.stdout
    assert os.path.exists(tmp_path / "spark" / "plan.txt")
