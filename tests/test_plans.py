"""Golden plans: programs in ``tests/plans`` and the text of what they become.

They are planned as they would run: over files of a fixed size, with two threads. ``NESTFLOW_BLESS=1`` writes
the texts anew.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

import nestflow as nf

PLANS = Path(__file__).parent / "plans"

SIZE = 1 << 20
"""Bytes of each file, unless its name says otherwise: `small` is a hundredth of that."""


def text(path: str) -> nf.TextFile:
    """A file to read, made here."""
    with Path(path).open("wb") as file:
        file.truncate(SIZE // 100 if "small" in path else SIZE)
    return nf.TextFile(path)


def described(path: Path) -> str:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pipeline = nf.Pipeline.create("local", threads=2)
    results = module.program(pipeline, text)
    for handle in results if isinstance(results, tuple) else (results,):
        handle.cache()
    return pipeline.explain()


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.py")), ids=lambda path: path.stem)
def test_plan(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    golden, found = path.with_suffix(".txt"), described(path)
    if os.environ.get("NESTFLOW_BLESS") == "1":
        golden.write_text(found)
    assert found == golden.read_text()
