"""Exceptions of every odd kind: they reach the program as their own class, with where they come from."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

import nestflow as nf
from nestflow import errors

if TYPE_CHECKING:
    from pathlib import Path

Create = Callable[..., nf.Pipeline]


class WantsMore(Exception):
    """Wants other arguments than it keeps."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class Holds(Exception):
    """Holds what cannot be pickled, as an argument and as an attribute."""

    def __init__(self, text: str, lock: Any) -> None:
        super().__init__(text, lock)
        self.lock, self.text = lock, text


class ReducesBadly(ValueError):
    """Cannot be pickled in its own way."""

    def __reduce__(self) -> tuple[Any, ...]:
        raise RuntimeError("no")


class Silent(Exception):
    """Has no text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def deep(x: int) -> int:
    """Never ends."""
    return deep(x + 1) + 1


def _raise(error: BaseException) -> Any:
    raise error


RAISED: dict[str, tuple[Callable[[], Any], type[BaseException], dict[str, Any]]] = {
    "wants more": (
        lambda: _raise(WantsMore(7, reason="no")),
        WantsMore,
        {"code": 7, "reason": "no", "args": ("7: no",), "orig_args": ("7: no",), "orig_message": "7: no"},
    ),
    "holds": (lambda: _raise(Holds("text", threading.Lock())), Holds, {"text": "text"}),
    "reduces badly": (lambda: _raise(ReducesBadly("x")), ReducesBadly, {"args": ("x",)}),
    "silent": (lambda: _raise(Silent("x")), Silent, {"args": ("x",)}),
    "exit": (lambda: sys.exit(3), SystemExit, {"code": 3}),
    "interrupt": (lambda: _raise(KeyboardInterrupt("mine")), KeyboardInterrupt, {"args": ("mine",)}),
    "recursion": (lambda: deep(0), RecursionError, {}),
    "memory": (lambda: bytearray(1 << 62), MemoryError, {}),
    "stop": (lambda: _raise(StopIteration(1)), StopIteration, {"value": 1}),
    "file": (
        lambda: _raise(OSError(2, "gone", "file")),
        FileNotFoundError,
        {"filename": "file", "errno": 2},
    ),
    "unicode": (lambda: b"\xff".decode(), UnicodeDecodeError, {"start": 0, "object": b"\xff"}),
    "assert": (lambda: _raise(AssertionError()), AssertionError, {"args": ()}),
}


@pytest.mark.parametrize("name", RAISED)
def test_class_and_contents_arrive(p: nf.Pipeline, name: str) -> None:
    function, kind, expected = RAISED[name]
    with pytest.raises(kind) as caught:
        p.parallelize([1]).map(lambda x: function()).get()
    assert type(caught.value) is kind
    assert {name: getattr(caught.value, name) for name in expected} == expected
    cause = caught.value.__cause__
    assert isinstance(cause, errors.RemoteTraceback)
    assert "test_error_classes.py" in str(cause)
    if hasattr(caught.value, "__notes__"):
        assert any("map(<lambda>) at" in note for note in caught.value.__notes__)
        assert "record: 1" in caught.value.__notes__


def test_a_class_that_cannot_be_sent(p: nf.Pipeline) -> None:
    def fail(x: int) -> None:
        lock_of_class = threading.Lock()

        class Local(Exception):
            lock = lock_of_class

        raise Local("from here")

    with pytest.raises(errors.BigflowRuntimeException, match=r"Local: from here"):
        p.parallelize([1]).map(fail).get()


def test_records_are_cut(p: nf.Pipeline) -> None:
    big = (b"x" * 10_000_000, ["y" * 1_000_000] * 3, {"z": list(range(100_000))})
    with pytest.raises(ZeroDivisionError) as caught:
        p.parallelize([big]).map(lambda x: 1 / 0).get()
    if hasattr(caught.value, "__notes__"):
        (note,) = [note for note in caught.value.__notes__ if note.startswith("record: ")]
        assert note.startswith("record: (b'xxxx")
        assert len(note) < 300


def test_the_first_error_stops_the_run(p: nf.Pipeline, tmp_path: Path) -> None:
    count = tmp_path / "count"

    def slow(x: int) -> int:
        if x == 0:
            raise LookupError("first")
        with open(count, "a") as file:
            file.write("x")
        time.sleep(0.01)
        return x

    with pytest.raises(LookupError, match="first"):
        p.parallelize(list(range(100_000))).map(slow).get()
    assert not count.exists() or count.stat().st_size < 50_000


PROGRAM = """
import sys
import nestflow as nf

class Mine(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code

class Record:
    def __repr__(self):
        return "Record()"

def fail(x):
    raise Mine(5)

if __name__ == "__main__":
    p = nf.Pipeline.create("local", host=sys.argv[1], threads=2, progress=False)
    try:
        p.parallelize([Record()]).map(fail).get()
    except Mine as error:
        print("caught", error.code, type(error) is Mine, getattr(error, "__notes__", [""])[-1])
"""


@pytest.mark.parametrize("host", ["in_process", "workers"])
def test_classes_of_the_main_program(tmp_path: Path, host: str) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    ran = subprocess.run([sys.executable, str(script), host], capture_output=True, text=True, check=True)
    noted = "record: Record()" if sys.version_info >= (3, 11) else ""
    assert ran.stdout.strip() == f"caught 5 True {noted}".strip()


SLOTS = """
import sys
from typing import NamedTuple

import nestflow as nf

class Row(NamedTuple):
    x: int

class Base:
    __slots__ = ("x", "__hidden")

    def __init__(self, x):
        self.x, self.__hidden = x, -x

    def both(self):
        return self.x, self.__hidden, hasattr(self, "__dict__")

class Below(Base):
    __slots__ = "y"

class Open(Base):
    pass

def make(x):
    found = [Base(x), Below(x), Open(x)]
    found[1].y = found[2].z = x
    return found

if __name__ == "__main__":
    p = nf.Pipeline.create("local", host=sys.argv[1], threads=2, progress=False)
    made = p.parallelize([1]).flat_map(make)
    given = p.parallelize(make(1)).map(lambda record: record)
    for dataset in (made, given):
        records = dataset.get()
        print([record.both() for record in records], records[1].y, records[2].z)
        print([type(record) is kind for record, kind in zip(records, (Base, Below, Open))])
        print(dataset.map(lambda record: Row(record.x)).get() == [Row(1)] * 3)
        print(dataset.map(Base.both).get() == [record.both() for record in records])
"""


@pytest.mark.parametrize("host", ["in_process", "workers"])
def test_slots_of_classes_of_the_main_program(tmp_path: Path, host: str) -> None:
    script = tmp_path / "program.py"
    script.write_text(SLOTS)
    ran = subprocess.run([sys.executable, str(script), host], capture_output=True, text=True, check=True)
    expected = "[(1, -1, False), (1, -1, False), (1, -1, True)] 1 1\n[True, True, True]\nTrue\nTrue\n"
    assert ran.stdout == 2 * expected


WARNING = """
import sys, time, warnings
import nestflow as nf

def warn(x):
    warnings.warn(f"odd record {x % 2}")
    print("line of", x)
    print("error of", x, file=sys.stderr)
    time.sleep(0.02)
    return x

if __name__ == "__main__":
    p = nf.Pipeline.create("local", host="workers", threads=2, progress=False)
    p.parallelize(list(range(64))).map(warn).get()
"""


def test_warnings_of_workers_are_shown_once_and_lines_always(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(WARNING)
    environment = {**os.environ, "PYTHONWARNINGS": "always"}
    ran = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, env=environment
    )
    assert ran.stderr.count("UserWarning: odd record 0") == 1
    assert ran.stderr.count("UserWarning: odd record 1") == 1
    assert ran.stderr.count("warnings.warn(f") == 2
    said = ran.stderr.splitlines()
    assert {f"line of {x}" for x in range(64)} | {f"error of {x}" for x in range(64)} <= set(said)
    assert "nestflow-warning" not in ran.stderr


def test_stop_iteration_is_an_error_like_others(p: nf.Pipeline) -> None:
    empty: list[int] = []
    for dataset in (
        p.parallelize([7]).map(lambda x: next(iter(empty))),
        p.parallelize([7]).flat_map(lambda x: next(iter(empty))),
        p.parallelize({"a": [7]}).apply_values(lambda v: v.flat_map(lambda x: next(iter(empty)))),
    ):
        with pytest.raises(StopIteration) as caught:
            dataset.get()
        assert "record: 7" in "\n".join(caught.value.__notes__)


def test_a_generator_that_lets_it_out_has_pythons_own_error(p: nf.Pipeline) -> None:
    def bad(x: int) -> Iterator[int]:
        yield next(iter([]))

    with pytest.raises(RuntimeError, match="generator raised StopIteration"):
        p.parallelize([7]).flat_map(bad).get()
