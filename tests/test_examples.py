"""The example programs give what they state, on every engine."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import nestflow as nf

EXAMPLES = Path(__file__).parent.parent / "examples"

EXPECTED: dict[str, Any] = {
    "word_cnt": {
        "the": 3,
        "quick": 3,
        "dog": 3,
        "brown": 1,
        "fox": 1,
        "jumps": 1,
        "over": 1,
        "lazy": 1,
        "barks": 1,
    },
    "pagerank": [(2, 1), (3, 110), (4, 110), (1, 177), (0, 178)],
    "uv": ["alpha.org 2", "beta.org 1", "gamma.org 1"],
    "grouped_top_3": {0: [28, 24, 20], 1: [29, 25, 21], 2: [30, 26, 22], 3: [27, 23, 19]},
    "avg": 5,
    "white_black_list": 3021,
}


@pytest.mark.parametrize("name", EXPECTED)
def test_example(p: nf.Pipeline, name: str) -> None:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main(p) == EXPECTED[name]
