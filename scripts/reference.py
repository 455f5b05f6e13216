#!/usr/bin/env python
"""Writes the reference of all public names, from their docstrings, beside copies of the guides.

Usage: scripts/reference.py FOLDER. What is public is what docs/coverage.md lists.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main(folder: Path) -> None:
    """Write the pages into the folder, which is made."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder)
    pages = folder / "reference"
    pages.mkdir()
    sections = runpy.run_path(str(ROOT / "scripts" / "coverage.py"))["public"]()
    index = ["# Reference", ""]
    for title, names in sections.items():
        file = title.lower().replace(" ", "-") + ".md"
        index += [f"- [{title}]({file})"]
        lines = [f"# {title}"]
        for name in sorted(names):
            lines += ["", *_entry(name)]
        (pages / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (pages / "index.md").write_text("\n".join(index) + "\n", encoding="utf-8")


def _entry(name: str) -> list[str]:
    named = found(name)
    shown = f"nestflow.{name}"
    if inspect.isfunction(named) or inspect.isclass(named):
        # What is built in C has no signature: the docstring has to do. Annotations are texts here.
        with contextlib.suppress(TypeError, ValueError):
            shown += re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(named)))
    text = inspect.getdoc(named) if callable(named) else None
    return [f"## `{name}`", "", "```python", shown, "```", "", "```text", text or repr(named), "```"]


def found(name: str) -> Any:
    """Give what a name below ``nestflow`` stands for."""
    found: Any = importlib.import_module("nestflow")
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            found = importlib.import_module(f"{found.__name__}.{part}")
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
