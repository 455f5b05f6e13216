"""Ctrl-C: the caller has its KeyboardInterrupt at once, and nothing goes on behind its back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

PROGRAM = """
    import os, sys, threading, time
    import nestflow as nf

    def busy(x):
        os.write(1, b"busy\\n")  # whole, though several threads do it
        {body}

    p = nf.Pipeline.create("local", host="in_process", tmp_dir=sys.argv[1])
    numbers = p.parallelize(list(range(10)))
    try:
        numbers.map(busy).get()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    deadline, used = time.monotonic() + 20, 1
    while used > 0.2 and time.monotonic() < deadline:
        before = time.process_time()
        time.sleep(0.5)
        used = time.process_time() - before
    print("idle" if used <= 0.2 else "still busy", flush=True)
    print(numbers.map(lambda x: x + 1).get()[:2], flush=True)
    p.close()
"""


@pytest.mark.parametrize("body", ["while True: pass", "time.sleep(0.2)"], ids=["loop", "call"])
def test_interrupt(body: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        program = textwrap.dedent(PROGRAM).format(body=body)
        command = [sys.executable, "-c", program, folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        assert process.stdout is not None
        assert process.stdout.readline() == "busy\n"
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        rest = [line for line in iter(process.stdout.readline, "") if line != "busy\n"]
        assert time.monotonic() - began < 30
        assert process.wait() == 0
        assert rest == ["interrupted\n", "idle\n", "[1, 2]\n"]
        assert not list(Path(folder).iterdir())


BATCHES = """
    import os, threading, time
    import nestflow as nf

    def busy(batches):
        os.write(1, b"busy\\n")
        while True:
            pass

    p = nf.Pipeline.create("local", host="in_process")
    try:
        p.parallelize([1, 2, 3]).map_batches(busy, iterator=True).get()
    except KeyboardInterrupt:
        print("interrupted", flush=True)

    def goes_on():
        return any(thread.name == "nestflow-batches" for thread in threading.enumerate())

    deadline = time.monotonic() + 20
    while goes_on() and time.monotonic() < deadline:
        time.sleep(0.05)
    print(goes_on(), flush=True)
"""


def test_a_function_of_an_iterator_of_batches_ends_too() -> None:
    """It runs in a thread of its own."""
    command = [sys.executable, "-c", textwrap.dedent(BATCHES)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "busy\n"
    time.sleep(0.5)  # whoever waits for it has waited more than once
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert [line for line in said.splitlines() if line != "busy"] == ["interrupted", "False"]
    assert errors == ""


AGAIN_AND_AGAIN = """
    import os, signal, threading
    import nestflow as nf

    p = nf.Pipeline.create("local", host="workers", threads=2)
    assert p.parallelize([1, 2]).map(lambda x: x + 1).get() == [2, 3]
    for _ in range(6):
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            # A call that holds the lock of its interpreter.
            p.parallelize([1, 2, 3, 4]).map(lambda x: pow(7, 10**8 + x)).get()
        except KeyboardInterrupt:
            print("interrupted", end=" ")
        print(p.parallelize([1, 2] * 20).map(lambda x: x + 1).get()[:2])
"""


def test_the_next_run_has_workers_of_its_own() -> None:
    command = [sys.executable, "-c", textwrap.dedent(AGAIN_AND_AGAIN)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "interrupted [2, 3]\n" * 6
