"""What an interpreter tells of itself to a process that would embed it, and kits in such a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import threading
import time
from typing import TYPE_CHECKING, Any

import cloudpickle
import pytest

from nestflow.host import embedded, surroundings

if TYPE_CHECKING:
    from collections.abc import Callable
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


def kit(folder: Path, name: str, content: str, last: Callable[[], object] | None = None) -> str:
    """A kit with a file, and perhaps a hook for the end."""
    (folder / f"{name}.txt").write_text(content)
    entries, fini = [[f"{name}.txt", "number", "file"]], []
    if last is not None:
        (folder / f"{name}.hook").write_bytes(cloudpickle.dumps(last))
        fini.append(["last", f"{name}.hook"])
    (folder / name).write_text(json.dumps({"entries": entries, "init": [], "fini": fini}))
    return json.dumps([name, [str(folder)]])


def eventually(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return true()


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


@pytest.mark.parametrize("by", ["its own task", "another kit"])
def test_a_last_hook_that_takes_long_keeps_nobody_but_its_own_tasks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], by: str
) -> None:
    folder = str(tmp_path)

    def wait_and_fail() -> None:
        open(os.path.join(folder, "begun"), "w").close()
        until = time.monotonic() + 10
        while not os.path.exists(os.path.join(folder, "go on")) and time.monotonic() < until:
            time.sleep(0.01)
        raise LookupError("not here")

    one, two, three = (
        kit(tmp_path, "one", "1", wait_and_fail),
        kit(tmp_path, "two", "2"),
        kit(tmp_path, "three", "3"),
    )
    embedded.enter(one, 60)
    embedded.leave(one)
    told: list[Any] = []
    if by == "its own task":
        first = threading.Thread(target=lambda: told.append(embedded.end(one)))
    else:
        first = threading.Thread(target=lambda: embedded.enter(two, 60))
    first.start()
    assert eventually((tmp_path / "begun").exists)
    other = threading.Thread(target=lambda: embedded.enter(three, 60), daemon=True)
    other.start()
    other.join(5)
    assert not other.is_alive()
    assert content() == "3"
    if by == "another kit":  # the task whose kit it is hears of what went wrong
        second = threading.Thread(target=lambda: told.append(embedded.end(one)))
        second.start()
        second.join(0.1)
        assert second.is_alive()
    (tmp_path / "go on").touch()
    first.join()
    assert eventually(lambda: len(told) == 1)
    assert "not here" in str(told)
    assert "not here" in capsys.readouterr().err
    for kit_in_use in [two] * (by == "another kit") + [three]:
        embedded.leave(kit_in_use)
    embedded.enter(None, 60)
    assert content() is None
