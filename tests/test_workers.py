"""Worker processes that die, are interrupted, or lose the process that they belong to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLOW = """
import os, sys, time
import nestflow as nf

told = sys.argv[1]

def slow(x):
    with open(told, "a") as file:
        print(os.getpid(), file=file)
    time.sleep(60)

p = nf.Pipeline.create("local", host="workers", progress=False, threads=2)
p.parallelize([1, 2, 3]).map(slow).get()
"""


@pytest.fixture
def p() -> Iterator[nf.Pipeline]:
    with nf.Pipeline.create("local", host="workers", progress=False, threads=2) as pipeline:
        yield pipeline


def crash(x: int) -> int:
    if x == 7:
        import ctypes

        ctypes.string_at(0)
    return x


def leave(x: int) -> int:
    if x == 7:
        os._exit(3)
    return x


def kill(x: int) -> int:
    if x == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


@pytest.mark.parametrize(
    ("function", "told"), [(crash, "SIGSEGV"), (leave, "exit code 3"), (kill, "SIGKILL")]
)
def test_a_death_is_an_error_that_says_where(
    p: nf.Pipeline, function: Callable[[int], int], told: str
) -> None:
    with pytest.raises(nf.errors.NestflowRuntimeException) as caught:
        p.parallelize([*range(20)]).map(function).get()
    text = str(caught.value)
    assert told in text
    assert f"map({function.__name__}) at " in text
    assert __file__ in text
    assert "records 1 to 20" in text
    if function is crash:
        assert "Segmentation fault" in text
    # The next run has other workers.
    assert p.parallelize([1, 2]).map(leave).get() == [1, 2]


class Odd(Exception):
    """An exception of the tests."""

    def __init__(self, first: int, second: str) -> None:
        super().__init__(first, second)


def test_exceptions_are_the_users_own(p: nf.Pipeline) -> None:
    def fail(x: int) -> int:
        raise Odd(x, "no")

    with pytest.raises(Odd) as caught:
        p.parallelize([4]).map(fail).get()
    assert caught.value.args == (4, "no")
    assert "in fail" in str(caught.value.__cause__)


def test_functions_run_elsewhere_and_print_here(p: nf.Pipeline, capfd: Any) -> None:
    def tell(x: int) -> int:
        print("told", x)
        return os.getpid()

    (worker,) = p.parallelize([5]).map(tell).get()
    assert worker != os.getpid()
    deadline = time.monotonic() + 5
    text = ""
    while "told 5" not in text and time.monotonic() < deadline:
        text += "".join(capfd.readouterr())
        time.sleep(0.01)
    assert "told 5" in text


def test_closing_ends_the_processes() -> None:
    with nf.Pipeline.create("local", host="workers", progress=False, threads=2) as p:
        workers = set(p.parallelize([1]).map(lambda x: os.getpid()).get())
    assert workers and gone(workers)


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_owner(blow: signal.Signals, tmp_path: Any) -> None:
    told = tmp_path / "pids"
    owner = subprocess.Popen([sys.executable, "-c", SLOW, str(told)], stderr=subprocess.PIPE)
    wait_for(lambda: told.exists() and told.read_text().endswith("\n"))
    workers = {int(line) for line in told.read_text().split()}
    owner.send_signal(blow)
    _, errors = owner.communicate(timeout=20)
    assert gone(workers)
    if blow == signal.SIGINT:
        assert b"KeyboardInterrupt" in errors


def test_text_hashes_the_same_in_all_workers() -> None:
    with nf.Pipeline.create("local", host="workers", progress=False, threads=2) as p:
        first = p.parallelize(["a"]).map(hash).get()
    with nf.Pipeline.create("local", host="workers", progress=False, threads=2) as p:
        assert p.parallelize(["a"]).map(hash).get() == first


def gone(processes: set[int]) -> bool:
    return wait_for(lambda: not any(os.path.exists(f"/proc/{process}") for process in processes))


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "that did not happen"
        time.sleep(0.02)
    return True
