"""The program that starts a driver on a node: only from the files that the client knows."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from nestflow.bundle import prepared
from nestflow.bundle.publish import Published
from nestflow.bundle.tree import Tree
from nestflow.engine.spark import checked


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the program in it, and with what a node manager has unpacked for it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("a", "b/with a space", "b/-n", "b/\\back", "b/none", "b/ä"):
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("" if name.endswith("none") else name)
    tree = Tree()
    tree.add_folder("", str(tmp_path / "files"))
    made = prepared.prepare("thing", "system", tree, None, {"version": "1"})
    # An address is a text of the user's.
    published = [Published(made.name, 'hdfs://n/"quoted $(touch ran)"/x', made.facts, 0)]
    folder = tmp_path / "container"
    with tarfile.open(made.archive().path) as archive:
        archive.extractall(tmp_path / "unpacked")
    folder.mkdir()
    (folder / made.name).symlink_to(tmp_path / "unpacked")
    shutil.copy(checked.program(published, "/bin/echo"), folder)
    return folder


def run(container: Path, **variables: str) -> tuple[int, str, str]:
    """Run the program as Spark does."""
    ended = subprocess.run(
        [f"./{checked.NAME}", "app.py", "an argument"],
        cwd=container,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
    )
    return ended.returncode, ended.stdout, ended.stderr


GOOD = (0, "app.py an argument\n", "")


def test_what_is_whole_is_run(container: Path) -> None:
    assert run(container) == GOOD
    # Python may have left what it has compiled; the driver does not read it.
    (container.parent / "unpacked" / "b" / "__pycache__").mkdir()
    (container.parent / "unpacked" / "b" / "__pycache__" / "x.pyc").write_text("compiled")
    assert run(container) == GOOD
    together = [
        subprocess.Popen([f"./{checked.NAME}"], cwd=container, stdout=subprocess.DEVNULL) for _ in range(5)
    ]
    assert [process.wait() for process in together] == [0] * 5


def change(folder: Path) -> None:
    (folder / "a").write_text("b")


def add(folder: Path) -> None:
    (folder / "b" / "more").write_text("")


def remove(folder: Path) -> None:
    (folder / "b" / "none").unlink()


def exchange(folder: Path) -> None:
    (folder / "b" / "none").rename(folder / "b" / "more")


def link(folder: Path) -> None:
    (folder / "a").rename(folder.parent / "elsewhere")
    (folder / "a").symlink_to(folder.parent / "elsewhere")


def link_a_folder(folder: Path) -> None:
    (folder / "b").rename(folder.parent / "elsewhere")
    (folder / "b").symlink_to(folder.parent / "elsewhere")
    (folder / "more").write_text("")


def change_the_list(folder: Path) -> None:
    (folder / "b" / "more").write_text("")
    hashed = subprocess.run(["sha256sum", folder / "b" / "more"], capture_output=True, text=True, check=True)
    with (folder / ".nestflow-files").open("a") as file:
        file.write(f"{hashed.stdout.split()[0]} - b/more\n")


@pytest.mark.parametrize(
    "damage", [change, add, remove, exchange, link, link_a_folder, change_the_list, shutil.rmtree]
)
def test_what_is_not_whole_is_not_run(container: Path, damage: object) -> None:
    damage(container.parent / "unpacked")  # type: ignore[operator]
    status, out, errors = run(container)
    assert (status, out) == (1, "")
    assert errors.endswith('(hdfs://n/"quoted $(touch ran)"/x) is damaged; nothing of it was run\n')
    assert not (container / "ran").exists()


def test_a_node_that_cannot_check(container: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    status, out, errors = run(container, PATH=str(tmp_path / "bin"))
    assert (status, out) == (1, "")
    assert "this node has no sha256sum to check the archives with" in errors


def test_old_programs_go(container: Path, tmp_path: Path) -> None:
    published = [Published("thing", "hdfs:/x", {"key": "1a"}, 0)]
    made = {checked.program(published, f"/bin/{number}") for number in range(50)}
    assert len(made) == 50
    # Others may be about to be submitted, for a day.
    assert all(os.path.exists(path) for path in made)
    for path in made:
        os.utime(os.path.dirname(path), (1, 1))
    assert os.path.exists(checked.program(published, "/bin/49"))
    assert 1 <= len([path for path in made if os.path.exists(path)]) <= 6
