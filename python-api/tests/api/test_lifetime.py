"""The ends of engines: by `close`, by the garbage collector, with the interpreter, and in a fork."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from queue import SimpleQueue

import pytest

from nestflow.engine.lifetime import Closing
from nestflow.errors import NestflowRuntimeException


class Engine(Closing):
    def __init__(self, ended: SimpleQueue[str], apart: bool) -> None:
        self.itself = self
        self._at_end(lambda: ended.put(threading.current_thread().name), apart=apart)


@pytest.mark.parametrize("apart", [False, True])
def test_closing_is_done_at_once_and_one_time(apart: bool) -> None:
    ended: SimpleQueue[str] = SimpleQueue()
    engine = Engine(ended, apart)
    engine.close()
    engine.close()
    assert ended.get(block=False) == threading.current_thread().name
    with pytest.raises(NestflowRuntimeException, match="is closed"):
        engine._check_open()
    del engine
    gc.collect()
    assert ended.empty()


@pytest.mark.parametrize("apart", [False, True])
def test_what_is_collected_is_closed_there_or_by_a_thread_of_its_own(apart: bool) -> None:
    ended: SimpleQueue[str] = SimpleQueue()
    engine = Engine(ended, apart)
    del engine
    gc.collect()
    assert ended.get(timeout=30) == ("nestflow-closing" if apart else threading.current_thread().name)


def test_an_end_that_fails_is_not_the_last_one() -> None:
    engine = Closing()
    engine._at_end(lambda: 1 // 0, apart=True)
    del engine
    test_what_is_collected_is_closed_there_or_by_a_thread_of_its_own(apart=True)


AT_EXIT = r"""
import gc, os, sys, threading, time
from nestflow.engine.lifetime import Closing

def end(name):
    time.sleep(0.1)
    os.write(1, f"{name} {threading.current_thread().name}\n".encode())

class Engine(Closing):
    def __init__(self, name, apart):
        self.itself = self
        self._at_end(end, name, apart=apart)

dropped, here = Engine("dropped", True), Engine("here", False)
held, apart = Engine("held", False), Engine("held apart", True)
del dropped, here
gc.collect()
if os.fork() == 0:
    held.close()
    apart.close()
    own = Engine("of the fork", True)
    sys.exit()
os.wait()
"""


def test_with_the_interpreter_all_are_closed_each_by_the_process_that_has_it() -> None:
    command = [sys.executable, "-c", AT_EXIT]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert sorted(ended.stdout.splitlines()) == [
        "dropped nestflow-closing",
        "held MainThread",
        "held apart MainThread",
        "here MainThread",
        "of the fork MainThread",
    ]
