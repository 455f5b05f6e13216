"""The guides run: the Python blocks of a page as one program, and what they print is what stands there."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
GUIDES = [DOCS / name for name in ("tutorial.md", "from-pyspark.md", "from-bigflow.md")]
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?", re.M | re.S)


def blocks(guide: Path):
    """The line, code, and expected output (or None) of each block."""
    text = guide.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start("code")), m["code"], m["printed"]) for m in BLOCK.finditer(text)]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes of exceptions came with Python 3.11")
@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_guide(guide: Path):
    program = {"__name__": "__main__"}
    for line, code, expected in blocks(guide):
        printed = io.StringIO()
        # Lines of errors are then lines of the page.
        compiled = compile("\n" * line + code, str(guide), "exec")
        with contextlib.redirect_stdout(printed):
            exec(compiled, program)
        if expected is not None:
            assert printed.getvalue() == expected, f"at line {line} of {guide.name}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_no_block_is_overlooked(guide: Path):
    assert len(blocks(guide)) == guide.read_text(encoding="utf-8").count("```python")
