"""Threads that are interrupted: at once in user code, and later inside the machinery of an import."""

import subprocess
import sys
import threading
import time

import pytest

from nestflow.host.interrupt import interrupt

SLOW = """
import test_interrupt_gates as gates
gates.entered.set()
gates.leave.wait(30)
"""


class Worker(threading.Thread):
    def __init__(self, work):
        super().__init__(daemon=True)
        self.work, self.raised = work, None
        self.start()

    def run(self):
        try:
            self.work()
        except BaseException as error:
            self.raised = error


@pytest.fixture
def gates(tmp_path, monkeypatch):
    """Events that a module waits for as it is imported."""
    (tmp_path / "test_interrupt_gates.py").write_text(
        "import threading\nentered, leave = threading.Event(), threading.Event()\n"
    )
    (tmp_path / "test_interrupt_slow.py").write_text(SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))
    import test_interrupt_gates

    yield test_interrupt_gates
    sys.modules.pop("test_interrupt_gates")
    sys.modules.pop("test_interrupt_slow", None)


def slow():
    import test_interrupt_slow  # noqa: F401


def wait_for(condition):
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def is_importing(thread):
    return "importlib" in sys._current_frames()[thread.ident].f_code.co_filename


def test_code_is_interrupted():
    def work():
        while True:
            pass

    worker = Worker(work)
    interrupt([worker.ident])
    worker.join(20)
    assert isinstance(worker.raised, KeyboardInterrupt)


def test_an_import_is_not_interrupted_while_it_holds_locks(gates):
    first = Worker(slow)
    assert gates.entered.wait(20)
    second = Worker(slow)  # waits for the first one, within the machinery
    wait_for(lambda: is_importing(second))
    interrupt([second.ident])
    gates.leave.set()
    for worker in (first, second):
        worker.join(20)
        assert not worker.is_alive() and worker.raised is None


def test_the_code_of_a_module_is_interrupted(gates):
    def work():
        while True:
            slow()

    gates.leave.set()
    worker = Worker(work)
    assert gates.entered.wait(20)
    wait_for(lambda: interrupt([worker.ident]) or not worker.is_alive())
    assert isinstance(worker.raised, KeyboardInterrupt)


PROFILED = """
import _thread, sys, time
from nestflow.host.interrupt import interrupt, settle

lock = _thread.allocate_lock()
lock.acquire()
# Like threads of ours, it leaves without another step in Python.
thread = _thread.start_new_thread(lock.acquire, ())
while thread not in sys._current_frames() and time.sleep(0.2):
    pass
interrupt([thread])
lock.release()
time.sleep(0.2)
{settle}
sys.setprofile(lambda *_: None)
(lambda: None)()
print("went on")
"""


def test_what_a_thread_did_not_live_to_get_is_forgotten():
    command = [sys.executable, "-W", "ignore", "-c", PROFILED.format(settle="settle()")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.stdout == "went on\n"
