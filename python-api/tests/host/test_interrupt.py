"""Threads that are interrupted: at once in user code, and later inside the machinery of an import."""

import subprocess
import sys
import threading
import time

import pytest

from nestflow.host import batches
from nestflow.host.interrupt import Interruptible, interrupt

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


def test_what_is_interrupted_before_it_begins_does_not_begin():
    code = Interruptible()
    code.interrupt()
    with pytest.raises(KeyboardInterrupt), code:
        raise AssertionError("it began")


def test_an_interrupt_at_the_end_stays_there():
    """It comes while the thread is about to say that its code is over, and does not get out of that."""
    code, inside, leave = Interruptible(), threading.Event(), threading.Event()
    after = []

    def work():
        with code:
            inside.set()
            leave.wait()
        after.append(True)

    worker = Worker(work)
    assert inside.wait(20)
    with code._lock:
        leave.set()
        wait_for(lambda: sys._current_frames()[worker.ident].f_code.co_name == "__exit__")
        time.sleep(0.05)  # by now it waits for the lock
        interrupt([worker.ident])
    worker.join(20)
    assert (worker.raised, after) == (None, [True])


def test_a_stream_whose_function_is_over_is_not_interrupted(monkeypatch):
    """Whoever waits for it is, and passes that on: to a thread that is doing something else by now."""
    over, leave, raised = threading.Event(), threading.Event(), []

    class Lingering(threading.Thread):
        def run(self):
            super().run()
            over.set()
            try:
                leave.wait(30)
            except KeyboardInterrupt as error:
                raised.append(error)

    monkeypatch.setattr(batches.threading, "Thread", Lingering)
    stream = batches._Stream(lambda records: records, ())
    monkeypatch.undo()
    assert list(stream.send([1])) == [[1]]
    assert list(stream.finish()) == []
    assert over.wait(20)
    waiting = Worker(stream._next)
    wait_for(lambda: sys._current_frames()[waiting.ident].f_code.co_name == "_waited")
    interrupt([waiting.ident])
    waiting.join(20)
    assert isinstance(waiting.raised, KeyboardInterrupt)
    leave.set()
    wait_for(lambda: not any(isinstance(thread, Lingering) for thread in threading.enumerate()))
    assert raised == []


def test_the_function_of_a_stream_is_interrupted_with_whoever_waits_for_it():
    begun, raised = threading.Event(), []

    def endless(records):
        try:
            begun.set()
            while True:
                pass
        except BaseException as error:
            raised.append(error)
            raise
        yield from records

    stream = batches._Stream(endless, ())
    waiting = Worker(lambda: list(stream.send([1])))
    assert begun.wait(20)
    time.sleep(0.2)  # a few rounds of waiting
    interrupt([waiting.ident])
    waiting.join(20)
    assert isinstance(waiting.raised, KeyboardInterrupt)
    wait_for(lambda: raised)
    assert isinstance(raised[0], KeyboardInterrupt)
