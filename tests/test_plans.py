"""Golden plans: programs in ``tests/plans`` and the text of what they become.

``NESTFLOW_BLESS=1`` writes the texts anew.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

import nestflow as nf

PLANS = Path(__file__).parent / "plans"


def described(path: Path) -> str:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pipeline = nf.Pipeline.create("local")
    results = module.program(pipeline, nf.TextFile)
    for handle in results if isinstance(results, tuple) else (results,):
        handle.cache()
    return pipeline.explain()


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.py")), ids=lambda path: path.stem)
def test_plan(path: Path) -> None:
    golden, found = path.with_suffix(".txt"), described(path)
    if os.environ.get("NESTFLOW_BLESS") == "1":
        golden.write_text(found)
    assert found == golden.read_text()
