"""What a pipeline brings to its functions: files, directories, archives, modules."""

from __future__ import annotations

import io
import os
import signal
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import on_spark
import pytest
from conftest import ENGINES

import nestflow as nf
from nestflow import errors
from nestflow.resources import resource

if TYPE_CHECKING:
    from pathlib import Path

Create = Callable[..., nf.Pipeline]


@pytest.fixture(params=[name for name in ENGINES if "_" not in name.replace("in_", "")], scope="module")
def engine(request: pytest.FixtureRequest) -> str:
    """The name of an engine: in how many parts the data are makes no difference here."""
    return str(request.param)


def told(pipeline: nf.Pipeline, function: Callable[[], Any]) -> Any:
    """What a function says where functions run."""
    return pipeline.parallelize([0]).map(lambda _: function()).get()[0]


def content(path: str) -> Callable[[], str]:
    """Reads a resource, by its relative path where functions have a directory of their own."""

    def read() -> str:
        with open(path if os.path.exists(path) else resource(path)) as file:
            return file.read()

    return read


def has_directory(engine: str) -> bool:
    """Whether the engine's functions run in a directory of their own."""
    return "in_process" not in engine and on_spark.HOST != "embedded"


def test_files_under_relative_paths(create: Create, engine: str, tmp_path: Path) -> None:
    source = tmp_path / "cities.txt"
    source.write_text("berlin")
    p = create()
    p.add_file(str(source))
    p.add_file(str(source), "deep/er/again.txt")
    p.add_file(b"bytes", "from/bytes.txt", from_bytes=True)
    source.write_text("paris")
    assert told(p, content("cities.txt")) == "paris"
    assert told(p, content("deep/er/again.txt")) == "paris"
    assert told(p, content("from/bytes.txt")) == "bytes"
    if has_directory(engine):
        assert told(p, lambda: sorted(os.listdir("."))) == ["cities.txt", "deep", "from"]
        assert told(p, os.getcwd) != os.getcwd()
    source.write_text("tokyo!")
    assert told(p, content("cities.txt")) == "tokyo!"
    with pytest.raises(FileNotFoundError, match="missing"):
        told(p, lambda: resource("missing"))


def test_resources_of_one_pipeline_are_not_those_of_another(create: Create) -> None:
    one, two = create(), create()
    one.add_file(b"1", "number", from_bytes=True)
    two.add_file(b"2", "number", from_bytes=True)
    assert (told(one, content("number")), told(two, content("number"))) == ("1", "2")
    with pytest.raises(FileNotFoundError):
        told(create(), content("number"))


def test_executables(create: Create) -> None:
    p = create()
    p.add_file(b"#!/bin/sh\necho $1 $1\n", "bin/twice", executable=True, from_bytes=True)

    def run() -> str:
        import subprocess

        return subprocess.run([resource("bin/twice"), "x"], capture_output=True, text=True, check=True).stdout

    assert told(p, run) == "x x\n"


def test_directories(create: Create, tmp_path: Path) -> None:
    folder = tmp_path / ".hidden"
    (folder / "sub" / ".git").mkdir(parents=True)
    for name in ("a.txt", "b.py", ".secret", "sub/c.txt", "sub/.git/d"):
        (folder / name).write_text(name)
    p = create()
    p.add_directory(str(folder))
    p.add_directory(str(folder), "only", is_only_python_files_accepted=True)

    def files() -> list[str]:
        root = os.path.dirname(resource("a.txt"))
        found = [os.path.join(where, name) for where, _, names in os.walk(root) for name in names]
        return sorted(os.path.relpath(path, root) for path in found)

    assert told(p, files) == ["a.txt", "b.py", "only/b.py", "sub/c.txt"]


def module(folder: Path, name: str, text: str) -> Path:
    """Writes a module."""
    path = folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def _modules() -> Any:
    """Forgets what is imported here."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("brought"):
            del sys.modules[name]


@pytest.mark.usefixtures("_modules")
def test_modules_can_be_imported(create: Create, tmp_path: Path) -> None:
    p = create()
    p.add_file(str(module(tmp_path, "brought_one", "ANSWER = 42")))
    p.add_file(str(module(tmp_path, "brought_two", "import brought_one\nTWICE = 2 * brought_one.ANSWER")))

    def use() -> int:
        import brought_two  # type: ignore[import-not-found]

        return int(brought_two.TWICE)

    assert told(p, use) == 84


@pytest.mark.usefixtures("_modules")
def test_eggs_wheels_zips_and_folders(create: Create, tmp_path: Path) -> None:
    p = create()
    for ending in ("egg", "whl", "zip"):
        path = tmp_path / f"brought_{ending}-1.0-py3-none-any.{ending}"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"brought_{ending}/__init__.py", "WHERE = open(__file__[:-11] + 'data').read()")
            archive.writestr(f"brought_{ending}/data", ending)
        p.add_egg_file(str(path))
    module(tmp_path / "libs" / "brought_folder", "__init__", "WHERE = 'folder'")
    p.add_egg_file(str(tmp_path / "libs"))

    def use() -> list[str]:
        import brought_egg  # type: ignore[import-not-found]
        import brought_folder  # type: ignore[import-not-found]
        import brought_whl  # type: ignore[import-not-found]
        import brought_zip  # type: ignore[import-not-found]

        return [each.WHERE for each in (brought_egg, brought_folder, brought_whl, brought_zip)]

    assert told(p, use) == ["egg", "folder", "whl", "zip"]


def test_archives(create: Create, tmp_path: Path) -> None:
    p = create()
    endings = [".tar.gz", ".tgz", ".tar", ".zip", ".jar"]
    for ending in endings:
        path = tmp_path / f"model{ending}"
        if ending in (".zip", ".jar"):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("sub/weights", ending)
        else:
            with tarfile.open(path, "w:gz" if "gz" in ending else "w") as packed:
                header = tarfile.TarInfo("sub/weights")
                header.size = len(ending)
                packed.addfile(header, io.BytesIO(ending.encode()))
        p.add_archive(str(path), f"models/{ending[1:]}")
    read = lambda: [content(f"models/{ending[1:]}/sub/weights")() for ending in endings]  # noqa: E731
    assert told(p, read) == endings


def test_nobody_else_may_read_what_comes_along(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("a", "")
    p = nf.Pipeline.create("local", host="workers")
    p.add_archive(str(tmp_path / "some.zip"), "unpacked")
    p.add_file(b"bytes", "file", from_bytes=True)
    p.add_file(b"#!/bin/sh\n", "tool", executable=True, from_bytes=True)
    rights = told(p, lambda: [os.stat(name).st_mode & 0o777 for name in ("unpacked", "file", "tool")])
    assert rights == [0o700, 0o400, 0o500]


def test_archive_that_leads_out(create: Create, tmp_path: Path) -> None:
    path = tmp_path / "bad.tar"
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("../out"), io.BytesIO())
    p = create()
    p.add_archive(str(path), "bad")
    with pytest.raises(Exception, match="out") as caught:
        told(p, os.getcwd)
    assert isinstance(caught.value, (tarfile.TarError, errors.NestflowRuntimeException))


def test_what_cannot_be_brought(tmp_path: Path) -> None:
    p = nf.Pipeline.create("local")
    some = tmp_path / "some"
    some.write_text("x")
    for wrong in (
        lambda: p.add_file(str(tmp_path / "missing")),
        lambda: p.add_file("text", "x", from_bytes=True),
        lambda: p.add_file(b"bytes", from_bytes=True),
        lambda: p.add_file(str(some), "../out"),
        lambda: p.add_file(str(some), "/etc/passwd"),
        lambda: p.add_directory(str(some)),
        lambda: p.add_egg_file(str(tmp_path / "missing.whl")),
        lambda: p.add_archive(str(some), "x"),
        lambda: p.add_archive(str(tmp_path / "missing.zip"), "x"),
    ):
        with pytest.raises(ValueError, match="add_"):
            wrong()


def test_a_path_that_is_taken(create: Create) -> None:
    p = create()
    p.add_file(b"first", "a/b", from_bytes=True)
    with pytest.warns(UserWarning, match="already") as caught:
        p.add_file(b"second", "a/../a/b", from_bytes=True)
    assert caught[0].filename == __file__
    assert told(p, content("a/b")) == "first"


def test_a_file_elsewhere_is_not_made_executable() -> None:
    p = nf.Pipeline.create("local")
    with pytest.warns(UserWarning, match="executable is ignored for hdfs:///bin/tool") as caught:
        p.add_file("hdfs:///bin/tool", executable=True)
    assert caught[0].filename == __file__


def test_nothing_is_sent_again(create: Create, engine: str, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.write_bytes(os.urandom(1000))
    p = create()
    p.add_file(str(source), "data")
    where = lambda: (os.getpid(), resource("data"), os.stat(resource("data")).st_ino)  # noqa: E731
    if not has_directory(engine):
        pytest.skip("there are no processes to be used again")
    seen = {told(p, where)[0] for _ in range(3)}
    os.utime(source)
    seen |= {told(p, where)[0] for _ in range(3)}
    assert len(seen) <= 2  # as many as there are workers


def test_a_project_that_no_path_leads_to(
    create: Create, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(tmp_path, "my_project/__init__", "")
    module(tmp_path, "my_project/inner", "class Point:\n    def __init__(self, x): self.x = x\n")
    module(
        tmp_path, "my_project/outer", "def f(x):\n    from my_project.inner import Point\n    return Point(x)"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import my_project.outer  # type: ignore[import-not-found]

    monkeypatch.undo()
    try:
        points = create().parallelize([1, 2]).map(my_project.outer.f).get()
        assert [(type(point).__name__, point.x) for point in points] == [("Point", 1), ("Point", 2)]
    finally:
        for name in [name for name in sys.modules if name.startswith("my_project")]:
            del sys.modules[name]


def test_workers_leave_no_directory(create: Create, engine: str) -> None:
    p = create()
    p.add_file(b"x", "x", from_bytes=True)
    p.set_fini_hook("last", int)  # so that the processes end with the run
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        directory = told(p, lambda: os.path.dirname(resource("x")))
    if "spark" not in engine:
        assert not os.path.exists(directory)


def test_modules_of_one_pipeline_are_not_those_of_another(create: Create) -> None:
    def version() -> int:
        import helper_of_some_version  # type: ignore[import-not-found]

        return int(helper_of_some_version.V)

    for number in (1, 2):
        p = create()
        p.add_file(f"V = {number}\n".encode(), "helper_of_some_version.py", from_bytes=True)
        assert told(p, version) == number


def test_who_changes_a_resource_changes_no_other(create: Create) -> None:
    first, second = create(), create()

    def change() -> None:
        with open(resource("res.txt"), "a") as file:
            file.write("!")

    first.add_file(b"hello", "res.txt", from_bytes=True)
    second.add_file(b"hello", "other.txt", from_bytes=True)
    told(first, lambda: (os.chmod(resource("res.txt"), 0o644), change()))
    assert told(second, lambda: open(resource("other.txt")).read()) == "hello"  # noqa: SIM115


def test_a_worker_that_dies_leaves_no_directory_to_the_next(create: Create, engine: str) -> None:
    if not has_directory(engine):
        pytest.skip("there are no processes that could die")
    # One worker, so that each death needs a new one.
    p = create() if "spark" in engine else create(threads=1)
    p.add_file(b"x", "x", from_bytes=True)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def directories() -> list[str]:
        folder = os.path.dirname(os.path.dirname(resource("x")))
        return [name for name in os.listdir(folder) if name.startswith("nestflow-worker-")]

    at_first = told(p, directories)
    for _ in range(5):
        with pytest.raises(errors.NestflowRuntimeException):
            told(p, die)
    # As many as there are workers; one of them may have begun since.
    assert len(told(p, directories)) <= len(at_first) + 1
