"""The tutorial runs: its Python blocks as one program, and what they print is what stands under them."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parent.parent / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?", re.M | re.S)


def blocks():
    """The line, code, and expected output (or None) of each block."""
    text = TUTORIAL.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start("code")), m["code"], m["printed"]) for m in BLOCK.finditer(text)]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes of exceptions came with Python 3.11")
def test_tutorial():
    program = {"__name__": "__main__"}
    for line, code, expected in blocks():
        printed = io.StringIO()
        # Lines of errors are then lines of the page.
        compiled = compile("\n" * line + code, str(TUTORIAL), "exec")
        with contextlib.redirect_stdout(printed):
            exec(compiled, program)
        if expected is not None:
            assert printed.getvalue() == expected, f"at line {line} of the tutorial"


def test_no_block_is_overlooked():
    assert len(blocks()) == TUTORIAL.read_text(encoding="utf-8").count("```python")
