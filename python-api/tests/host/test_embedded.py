"""What an interpreter tells of itself to a process that would embed it, and kits in such a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

import pytest

from nestflow.host import embedded, surroundings

if TYPE_CHECKING:
    from pathlib import Path


def test_an_interpreter_tells_of_itself() -> None:
    command = [sys.executable, "-m", "nestflow.host.embedded"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    told = json.loads(ended.stdout.removeprefix(embedded.MARK))
    assert os.path.samefile(told["executable"], sys.executable)
    assert told["version"].startswith("{}.{}.".format(*sys.version_info))
    if told["refused"] is None:
        assert os.path.isfile(told["library"])
        assert os.path.isfile(told["host"])


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"Py_GIL_DISABLED": 1}, "is a free-threaded build"),
        ({"SOABI": "cpython-311-x86_64-linux-musl"}, "is built for musl"),
        ({"INSTSONAME": "libpython3.11.a", "LDLIBRARY": "libpython3.11.a"}, "without --enable-shared"),
        ({"LIBDIR": "/nowhere"}, "without --enable-shared"),
    ],
)
def test_reasons_against_it(monkeypatch: pytest.MonkeyPatch, variables: dict[str, Any], reason: str) -> None:
    known = sysconfig.get_config_vars()
    usual = {"Py_GIL_DISABLED": 0, "INSTSONAME": "libpython3.11.so.1.0", "LIBDIR": "/lib", "SOABI": "gnu"}
    changed = {**known, **usual, **variables}
    monkeypatch.setattr(sysconfig, "get_config_var", changed.get)
    monkeypatch.setattr(sys, "base_prefix", "/nowhere")
    assert reason in str(embedded.refusal())


def test_versions_that_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    class Info(tuple[Any, ...]):
        pass

    for version in ((3, 9), (3, 15)):
        monkeypatch.setattr(sys, "version_info", Info((*version, 0, "final", 0)))
        assert "is none of CPython 3.10 to 3.14" in str(embedded.refusal())


def kit(folder: Path, name: str, content: str) -> str:
    """A kit with a file and hooks that write into another."""
    (folder / f"{name}.txt").write_text(content)
    entries = [[f"{name}.txt", "number", "file"]]
    (folder / name).write_text(json.dumps({"entries": entries, "init": [], "fini": []}))
    return json.dumps([name, [str(folder)]])


def content() -> str | None:
    try:
        with open(surroundings.resource("number")) as file:
            return file.read()
    except FileNotFoundError:
        return None


def test_kits_are_left_when_another_comes_and_nobody_uses_them(tmp_path: Path) -> None:
    one, two = kit(tmp_path, "one", "1"), kit(tmp_path, "two", "2")
    around = embedded.enter(one, 60)
    assert embedded.enter(one, 60) is around
    assert content() == "1"
    embedded.leave(one)
    embedded.enter(two, 60)
    # The first has a chain yet.
    assert content() == "2"
    embedded.leave(two)
    embedded.enter(None, 60)
    assert content() == "1"
    embedded.leave(one)
    assert content() == "1"
    embedded.enter(None, 60)
    assert content() is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "one.txt", "two", "two.txt"]


def test_a_kit_that_nobody_uses_is_left_after_a_while(tmp_path: Path) -> None:
    one = kit(tmp_path, "one", "1")
    embedded.enter(one, 0.01)
    embedded.leave(one)
    timer = embedded._uses[one].end if one in embedded._uses else None
    if timer is not None:
        timer.join(30)
    assert content() is None


def test_a_kit_that_is_missing_fails_what_wants_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = json.dumps(["none", [str(tmp_path)]])
    around = embedded.enter(where, 60)
    assert around is not None
    assert "the kit none is in none of" in str(around.failure)
    assert "FileNotFoundError" in capsys.readouterr().err
    embedded.leave(where)
    embedded.enter(None, 60)
