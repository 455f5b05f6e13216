"""The page of what is tested where is current, and no public name is without a test."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_page() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "coverage.py"))["page"]()
    untested = [line for line in made.splitlines() if "**none**" in line]
    assert not untested, "these names have no test"
    found = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert found == made, "run scripts/coverage.py"
