"""Public names: all are on the page of what is tested where, and have an example.

That each is used by a test, `scripts/test.py` sees at its end.
"""

from __future__ import annotations

import inspect
import json
import runpy
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
PUBLIC = runpy.run_path(str(ROOT / "scripts" / "public_names.py"))
NAMES = [name for section in PUBLIC["public"]().values() for name in section]


def test_examples() -> None:
    """Every public name has an example in its docstring; `test_docs` runs them."""
    lacking = []
    for name in NAMES:
        named, owner = PUBLIC["found"](name), PUBLIC["found"](name.rpartition(".")[0])
        # What users override is shown as a whole, and operators are Python's.
        shown = [named, owner] if inspect.isclass(owner) and _is_shown_by_its_class(name) else [named]
        if callable(named) and not any(">>> " in (inspect.getdoc(one) or "") for one in shown):
            lacking.append(name)
    assert not lacking, "these names have no example that runs"


def _is_shown_by_its_class(name: str) -> bool:
    owner, _, last = name.rpartition(".")
    return last.startswith("_") or owner in ("Transformer", "input.UserInputBase", "output.UserOutputBase")


def test_page() -> None:
    page = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip(" `") for line in page.splitlines() if line.startswith("| `")]
    assert rows == NAMES, "run make test, then scripts/coverage.py"


PROGRAMS = """
import nestflow as nf
from nestflow import serde

class Own(nf.Transformer):
    def process(self, record):
        return [record]

def test_runs():
    with nf.Pipeline.create("local", host="in_process", progress=False) as p:
        assert p.parallelize([1]).transform(Own()).map(lambda x: x).get() == [1]

def test_builds():
    p = nf.Pipeline.create("local")
    table = p.parallelize([(1, 2)], serde=(int, serde._)).group_by_key()
    table.apply_values(lambda v: v.count() + 1)
"""


def test_recorder(tmp_path: Path) -> None:
    """A call, an override and a constant are uses; the engine is the one that ran."""
    (tmp_path / "test_own.py").write_text(PROGRAMS, encoding="utf-8")
    record = tmp_path / "used.json"
    recorder = ROOT / "scripts" / "record_tests.py"
    subprocess.run([sys.executable, recorder, record, "-q", "test_own.py"], cwd=tmp_path, check=True)
    used = json.loads(record.read_text(encoding="utf-8"))
    for name in ("PCollection.map", "transforms.map", "PCollection.get", "Transformer.process"):
        assert used[name] == {"in process": ["test_own: test_runs"]}
    for name in ("PObject.__add__", "serde._", "PCollection.count"):
        assert used[name] == {"client": ["test_own: test_builds"]}
    assert set(used["Pipeline.parallelize"]) == {"client", "in process"}
    assert not {"PObject.__radd__", "PTable.flatten", "Pipeline.write"} & set(used)
