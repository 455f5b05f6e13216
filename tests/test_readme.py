"""The program in the README runs and prints what its comments say."""

from __future__ import annotations

import contextlib
import io
import re
from ast import literal_eval
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
VISITS = "alpha.org\tann\nalpha.org\tbob\nalpha.org\tann\nbeta.org\tcyd\n"


def test_readme(tmp_path, monkeypatch):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "visits.txt").write_text(VISITS)
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(program, {"__name__": "__main__"})
    expected = re.findall(r"^print\(.*# (.*)$", program, re.M)
    assert [literal_eval(line) for line in printed.getvalue().splitlines()] == list(
        map(literal_eval, expected)
    )
    assert len(expected) == 2


def test_linked_files_exist():
    links = re.findall(r"\]\(([^)#]+?)\)", README.read_text(encoding="utf-8"))
    assert [link for link in links if not (README.parent / link).exists()] == []
