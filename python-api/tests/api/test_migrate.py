"""`nestflow migrate`: a Bigflow program of Python 2 becomes one that runs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nestflow.__main__ import main
from nestflow.migrate import imports

if TYPE_CHECKING:
    from pathlib import Path

OLD = """\
# -*- coding: latin-1 -*-
# Der Mittelwert, \u00e4lter als Python 3.
import sys
import bigflow.util.path_util
from bigflow import base, transforms
from bigflow.transform_impls import sort as ordering
import bigflow.schema as schema

def avg(numbers):
    return numbers.sum() / numbers.count()

def main():
    pipeline = base.Pipeline.create('LOCAL')
    names = {u'a': 1L, 'b': 2}
    for name, number in sorted(names.iteritems()):
        print name, number
    if not names.has_key('c'):
        print >>sys.stderr, "no c"
    pairs = pipeline.parallelize([(1, 2), (3, 4)])
    print pairs.map(lambda (x, y): x + y).get()
    print map(lambda x: x * 2, xrange(3))
    print pipeline.parallelize(range(1, 10)).apply(avg).get()
    print pairs.sort_by(lambda row: ordering.DESC(row[0])).get()
    try:
        raise ValueError, "bad"
    except ValueError, error:
        print "%s %s" % (error, 1 <> 2)
    print bigflow.util.path_util.is_hdfs_path("hdfs:///x")

if __name__ == '__main__':
    main()
"""

PRINTED = ["a 1", "b 2", "[3, 7]", "[0, 2, 4]", "5.0", "[(3, 4), (1, 2)]", "bad True", "True"]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "avg.py"
    path.write_bytes(OLD.replace("\n", "\r\n").encode("latin-1"))
    path.chmod(0o755)
    return path


def migrate(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["nestflow", "migrate", *map(str, arguments)])
    return main()


def test_what_is_shown(
    program: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = program.read_bytes()
    assert migrate(monkeypatch, program) == 0
    out, err = capsys.readouterr()
    assert "-from bigflow import base, transforms" in out
    assert "+from nestflow import base, transforms" in out
    assert "+from nestflow.transform_impls import sort as ordering" in out
    assert "+import nestflow.schema as schema" in out
    assert err.startswith(f"{program}: return numbers.sum() / numbers.count(): `/` gives a float now")
    assert len(err.splitlines()) == 1
    assert program.read_bytes() == before
    assert [path.name for path in program.parent.iterdir()] == ["avg.py"]


def test_what_is_written_runs(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = program.read_bytes()
    assert migrate(monkeypatch, "--write", program) == 0
    assert (program.parent / "avg.py.bak").read_bytes() == before
    after = program.read_bytes()
    assert after.count(b"\r\n") == after.count(b"\n")
    assert after.decode("latin-1").splitlines()[1] == OLD.splitlines()[1]
    assert program.stat().st_mode & 0o777 == 0o755
    run = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == PRINTED
    assert run.stderr.splitlines()[0] == "no c"
    # What has been rewritten is left alone.
    assert migrate(monkeypatch, "--write", program) == 0
    assert program.read_bytes() == after
    assert (program.parent / "avg.py.bak").read_bytes() == before


def test_programs_of_python_3_are_read_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "new.py"
    new.write_text("import sys\nfrom bigflow import base\nprint('a', file=sys.stderr)")
    assert migrate(monkeypatch, "--write", new) == 0
    assert new.read_text() == "import sys\nfrom nestflow import base\nprint('a', file=sys.stderr)"


ALIAS = "import nestflow.compat.bigflow  # makes the name bigflow\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "import bigflow.base as b, sys, bigflow.transforms as t\n",
            "import nestflow.base as b, sys, nestflow.transforms as t\n",
        ),
        (
            "import bigflow.base as b, bigflow.util\n",
            f"{ALIAS}import nestflow.base as b, bigflow.util\n",
        ),
        ("import bigflow as b\n", "import nestflow as b\n"),
        ("from \\\n  bigflow import base\n", "from \\\n  nestflow import base\n"),
        ("é = 'é'; from bigflow.a import b", "é = 'é'; from nestflow.a import b"),
        # Text is no import, and one in a function needs the name as much.
        ("def f():\n    import bigflow\n", f"{ALIAS}def f():\n    import bigflow\n"),
        ("'''\nimport bigflow\nfrom bigflow import base\n'''\nx = 1\n",) * 2,
        (
            "#!x\n'''\nimport bigflow\n'''\nfrom __future__ import division\n\n"
            "import re\nimport bigflow.udf\n",
            "#!x\n'''\nimport bigflow\n'''\nfrom __future__ import division\n\n"
            f"{ALIAS}import re\nimport bigflow.udf\n",
        ),
        ("'x'; import bigflow", "'x'; import nestflow.compat.bigflow; import bigflow"),
        ("# y\n@f\nclass A:\n    import bigflow\n", f"# y\n{ALIAS}@f\nclass A:\n    import bigflow\n"),
        # What is nobody's import stays.
        ("import bigflows\nfrom .bigflow import x\nfrom . import bigflow\nbigflow.y()\n",) * 2,
    ],
)
def test_imports(before: str, after: str) -> None:
    assert imports(before) == after
    assert imports(after) == after
    compile(after, "migrated", "exec")


def test_what_cannot_be_read_is_named_and_the_others_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.py").write_text("def :\n")
    (tmp_path / "good.py").write_text("print 3\n")
    files = [tmp_path / name for name in ("bad.py", "none.py", "good.py")]
    assert migrate(monkeypatch, "--write", *files) == 1
    err = capsys.readouterr().err
    assert f"{files[0]}: cannot be read as a program of Python 2 or 3" in err
    assert "none.py" in err
    assert files[2].read_text() == "print(3)\n"


def test_without_the_library_it_says_how_to_get_it(
    program: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "fissix.refactor", None)
    assert migrate(monkeypatch, program) == 1
    assert "pip install 'nestflow[migrate]'" in capsys.readouterr().err
