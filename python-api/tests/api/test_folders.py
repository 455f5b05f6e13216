"""Folders of the cache: filled once, never changed under those who read them, and forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nestflow.bundle import folders, prepared
from nestflow.bundle.tree import Tree

DAYS = 24 * 3600


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "nestflow" / "bundles"


def made(key: str, text: str = "text", again: bool = False) -> Path:
    return Path(folders.once("pip", key, lambda into: Path(into, "file").write_text(text) and None, again))


def aged(folder: Path, days: float) -> Path:
    when = time.time() - days * DAYS
    os.utime(folder, (when, when))
    return folder


def test_it_is_filled_once() -> None:
    first = made("a", "first")
    assert made("a", "second") == first and (first / "file").read_text() == "first"
    with pytest.raises(ZeroDivisionError):
        folders.once("pip", "b", lambda into: Path(into, "half").touch() or 1 // 0)
    assert (made("b") / "file").exists() and not (made("b") / "half").exists()


def test_whoever_packs_one_keeps_it() -> None:
    old = made("a", "old")
    tree = Tree()
    tree.add_folder("", str(old))
    found = prepared.prepare("thing", "system", tree, None, {})
    new = made("a", "new", again=True)
    assert new != old and (new / "file").read_text() == "new"
    assert made("a") == new
    assert found.archive().bytes > 0
    assert (old / "file").read_text() == "old"


def test_several_at_once() -> None:
    filled, found = [], []

    def fill(into: str) -> None:
        time.sleep(0.1)
        filled.append(into)

    threads = [
        threading.Thread(target=lambda: found.append(folders.once("pip", "a", fill))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(filled) == 1 and found == [filled[0]] * 3


def test_those_that_nobody_asks_for_are_forgotten(cache: Path) -> None:
    keys = "abcdefgh"
    old = {key: made(key) for key in keys}
    for at, key in enumerate(keys):
        aged(old[key], 10 - at)
    # One of another kind, and one that was used again.
    other = aged(Path(folders.once("archive", "a", lambda into: None)), 20)
    assert made("a") == old["a"]
    made("new")
    assert {key for key in keys if old[key].exists()} == set("aefgh")
    assert other.exists() and not (cache / "pip-b.now").is_symlink()
    # It is made again when it is asked for.
    assert made("b").exists() and made("b") != old["b"]


def test_a_day_is_long_enough_to_pack_one() -> None:
    young = [aged(made(str(number)), 0.9) for number in range(9)]
    made("new")
    assert all(folder.exists() for folder in young)


def test_one_that_is_being_filled_stays(cache: Path) -> None:
    """However old its time is: who fills it, or has looked it up, has the lock."""
    program = "import sys; from nestflow.bundle import folders; folders.once('pip', 'held', {})"
    wait = "lambda into: (print(into, flush=True), sys.stdin.read())"
    filling = subprocess.Popen(
        [sys.executable, "-c", program.format(wait)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert filling.stdout is not None
    folder = aged(Path(filling.stdout.readline().strip()), 30)
    for number in range(9):
        aged(made(str(number)), 9)
    assert folder.exists()
    filling.kill()
    filling.communicate()
    aged(folder, 30)
    made("new")
    assert not folder.exists()
    assert made("held").exists()
