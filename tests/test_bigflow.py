"""Programs written for Bigflow run as they are after one import, on every engine."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_examples import EXPECTED

import nestflow as nf
from nestflow.compat.bigflow import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PROGRAMS = Path(__file__).parent / "bigflow_programs"

NAMES = "word_cnt", "grouped_top_3", "avg", "white_black_list"
"""The programs that give what the examples of the same names give."""


def _ranks() -> list[tuple[int, int]]:
    """What the program of ranks has to give, by plain Python."""
    edges = [(0, 1), (0, 2), (1, 0), (1, 3), (1, 4), (3, 0), (3, 1), (4, 0), (4, 1)]
    nodes = {node for edge in edges for node in edge}
    ranks = dict.fromkeys(nodes, 100)
    for _ in range(5):
        sums = dict.fromkeys(nodes, 0)
        for source, target in edges:
            sums[target] += ranks[source] // sum(edge[0] == source for edge in edges)
        ranks = sums
    return sorted(ranks.items())


@pytest.fixture
def program(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The program as a module that workers import too: it imports ``bigflow`` there."""
    sys.path.insert(0, str(PROGRAMS))
    yield importlib.import_module(request.param)
    sys.path.remove(str(PROGRAMS))
    sys.modules.pop(request.param)


@pytest.mark.parametrize("program", NAMES, indirect=True)
def test_program(p: nf.Pipeline, program: ModuleType) -> None:
    assert program.main(p) == EXPECTED[program.__name__]


@pytest.mark.parametrize("program", ["pagerank"], indirect=True)
def test_ranks(p: nf.Pipeline, program: ModuleType) -> None:
    assert program.main(p) == _ranks()


@pytest.mark.parametrize("program", ["uv"], indirect=True)
def test_visitors(p: nf.Pipeline, program: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "visits").write_text("b.org\t1\na.org\t1\na.org\t2\na.org\t1\n")
    program.main(p, str(tmp_path / "visits"), str(tmp_path / "out"))
    assert (tmp_path / "out" / "part-00000").read_text() == "a.org 2\nb.org 1\n"


def test_names_are_the_same_modules() -> None:
    import bigflow.error
    import bigflow.future.fields
    import bigflow.transform_impls.sort
    import bigflow.util.path_util
    from bigflow import base, counter, input, lazy_var, output, schema, serde, transforms, udf
    from bigflow.transform_impls import group_by_every_record

    assert bigflow.error is nf.error
    assert transforms is nf.transforms
    assert transforms.__spec__.name == transforms.__name__ == "nestflow.transforms"
    assert {base.Pipeline, bigflow.Pipeline} == {nf.Pipeline}
    for module in (counter, input, lazy_var, output, schema, serde, udf, group_by_every_record):
        assert module.__name__.startswith("nestflow.")
    assert bigflow.transform_impls.sort is importlib.import_module("nestflow.transform_impls.sort")
    assert bigflow.util.path_util is importlib.import_module("nestflow.util.path_util")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("bigflow.nothing")
    with pytest.raises(AttributeError):
        bigflow.nothing  # noqa: B018


def test_nothing_is_patched() -> None:
    """Without the import there is no such module; with it, datasets have the operators that they had."""
    code = (
        "import nestflow as nf\n"
        "before = dict(vars(nf.PCollection)), dict(vars(nf.PObject)), dict(vars(nf.PTable))\n"
        "try:\n    import bigflow\nexcept ModuleNotFoundError:\n    pass\nelse:\n    raise AssertionError\n"
        "import nestflow.compat.bigflow, nestflow.schema, nestflow.future.fields, nestflow.test.magic\n"
        "import bigflow.base, bigflow.test.magic\n"
        "after = dict(vars(nf.PCollection)), dict(vars(nf.PObject)), dict(vars(nf.PTable))\n"
        "assert before == after\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_folder_on_the_path_is_enough() -> None:
    run = subprocess.run(
        [sys.executable, str(PROGRAMS / "avg.py")],
        env={"PYTHONPATH": FOLDER, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "5\n"
