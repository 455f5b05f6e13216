"""The guides run: the Python blocks of a page as one program, and what they print is what stands there."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from pathlib import Path

import guide_surroundings
import pytest

DOCS = Path(__file__).parent.parent / "docs"
NAMES = ("tutorial", "from-pyspark", "from-bigflow", "hosts", "user-functions", "native-functions")
GUIDES = [DOCS / f"{name}.md" for name in NAMES]
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?", re.M | re.S)


def blocks(guide: Path):
    """The line, code, and expected output (or None) of each block."""
    text = guide.read_text(encoding="utf-8")
    return [(text.count("\n", 0, m.start("code")), m["code"], m["printed"]) for m in BLOCK.finditer(text)]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes of exceptions came with Python 3.11")
@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_guide(guide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = {"__name__": "__main__"}
    around = guide_surroundings.AROUND.get(guide.stem)
    if around is not None:
        monkeypatch.chdir(tmp_path)
    for number, (line, code, expected) in enumerate(blocks(guide)):
        if around is not None:
            around(number, program)
        printed = io.StringIO()
        # Lines of errors are then lines of the page.
        compiled = compile("\n" * line + code, str(guide), "exec")
        with contextlib.redirect_stdout(printed):
            exec(compiled, program)
        if expected is not None:
            assert printed.getvalue() == expected, f"at line {line} of {guide.name}"
    if around is not None:
        around(number + 1, program)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_no_block_is_overlooked(guide: Path):
    assert 0 < len(blocks(guide)) == guide.read_text(encoding="utf-8").count("```python")
