"""The page of what is tested where is current, and no public name is without a test."""

from __future__ import annotations

import inspect
import runpy
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_reference(tmp_path: Path) -> None:
    """Every public name has an entry with its docstring."""
    runpy.run_path(str(ROOT / "scripts" / "reference.py"))["main"](tmp_path / "docs")
    transforms = (tmp_path / "docs" / "reference" / "transforms.md").read_text(encoding="utf-8")
    assert "## `transforms.cogroup`" in transforms
    assert "a key of any of them is a key" in transforms
    names = runpy.run_path(str(ROOT / "scripts" / "coverage.py"))["public"]()
    pages = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "docs" / "reference").iterdir())
    assert all(f"## `{name}`" in pages for section in names.values() for name in section)


def test_examples() -> None:
    """Every public name has an example in its docstring; `test_docs` runs them."""
    names = runpy.run_path(str(ROOT / "scripts" / "coverage.py"))["public"]()
    found = runpy.run_path(str(ROOT / "scripts" / "reference.py"))["found"]
    lacking = [
        name
        for section in names.values()
        for name in section
        if callable(found(name)) and ">>> " not in (inspect.getdoc(found(name)) or "")
    ]
    assert not lacking, "these names have no example that runs"


def test_page() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "coverage.py"))["page"]()
    untested = [line for line in made.splitlines() if "**none**" in line]
    assert not untested, "these names have no test"
    found = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert found == made, "run scripts/coverage.py"
