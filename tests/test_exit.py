"""The end of the interpreter while a run, or what one left behind, goes on: no crash, nothing stays."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

RUN_IN_A_DAEMON = """
    import sys, threading, time
    import nestflow as nf

    def step(x):
        {body}

    host, folder = sys.argv[1:]
    p = nf.Pipeline.create("local", host=host, tmp_dir=folder)
    numbers = p.parallelize(list(range(10)))
    threading.Thread(target=lambda: numbers.map(step).get(), daemon=True).start()
    time.sleep(0.6)
    {end}
"""

CLOSED_AFTER_AN_INTERRUPT = """
    import os, signal, sys, threading, time
    import nestflow as nf

    p = nf.Pipeline.create("local", host="in_process", tmp_dir=sys.argv[2])
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        p.parallelize([1, 2]).map(lambda x: time.sleep(3)).get()
    except KeyboardInterrupt:
        pass
    p.close()
"""

ENDLESS_CALL = """
    import sys, threading, time
    import nestflow as nf

    p = nf.Pipeline.create("local", host="in_process", tmp_dir=sys.argv[2])
    numbers = p.parallelize([1])
    threading.Thread(target=lambda: numbers.map(lambda x: time.sleep(100)).get(), daemon=True).start()
    time.sleep(0.3)
    print("said", end="")
    {end}
"""


def end_of(program: str, folder: Path, host: str = "in_process") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(program), host, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


BODIES = {
    "wait": "time.sleep(2)",
    "loop": "while True: pass",
    "short": "return x",
    # What passes through an `exec` of text makes Python die of SIGINT at its end.
    "text": "exec('while True: pass')",
    "stubborn": "\n        ".join(
        ["try: time.sleep(0.5)", "except KeyboardInterrupt: pass", "time.sleep(0.5)"]
    ),
    # Python prints what a finalizer raises, and goes on.
    "finalizers": "\n        ".join(
        [
            "class Late:",
            "    def __del__(self):",
            "        for _ in range(200_000): pass",
            "while True:",
            "    Late()",
            "    for _ in range(200_000): pass",
        ]
    ),
}


@pytest.mark.parametrize("host", ["in_process", "auto", "workers"])
@pytest.mark.parametrize("body", BODIES)
def test_exit_during_a_run(host: str, body: str, tmp_path: Path) -> None:
    ended = end_of(RUN_IN_A_DAEMON.format(body=BODIES[body], end=""), tmp_path, host)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_exit_code_during_a_run(tmp_path: Path) -> None:
    program = RUN_IN_A_DAEMON.format(body="time.sleep(1)", end="sys.exit(3)")
    assert end_of(program, tmp_path).returncode == 3
    program = RUN_IN_A_DAEMON.format(body="time.sleep(1)", end="1 / 0")
    assert end_of(program, tmp_path).returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_exit_of_an_interrupted_program(tmp_path: Path) -> None:
    """A Ctrl-C that nobody handles is still what the process dies of."""
    program = RUN_IN_A_DAEMON.format(body=BODIES["text"], end="signal.raise_signal(signal.SIGINT)")
    ended = end_of(program.replace("import sys", "import signal, sys"), tmp_path)
    assert ended.returncode == -signal.SIGINT
    assert list(tmp_path.iterdir()) == []


def test_exit_after_an_interrupted_call(tmp_path: Path) -> None:
    ended = end_of(CLOSED_AFTER_AN_INTERRUPT, tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("end", "code"), [("", 0), ("1 / 0", 1)])
def test_exit_does_not_wait_for_ever(end: str, code: int, tmp_path: Path) -> None:
    began = time.monotonic()
    ended = end_of(ENDLESS_CALL.format(end=end), tmp_path)
    assert time.monotonic() - began < 20
    assert (ended.returncode, ended.stdout) == (code, "said")


def test_exit_during_a_run_within_a_run(tmp_path: Path) -> None:
    inner = """p = nf.Pipeline.create("local", host="in_process", tmp_dir=sys.argv[2])"""
    body = f"{inner}\n        p.parallelize([1]).map(lambda y: time.sleep(1)).get()"
    ended = end_of(RUN_IN_A_DAEMON.format(body=body, end=""), tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    # Where the end gives a thread up, it leaves the files.
    assert list(tmp_path.iterdir()) == []


def test_exit_of_a_forked_process(tmp_path: Path) -> None:
    end = "began = time.monotonic()\n    if os.fork(): print(os.wait()[1], time.monotonic() - began < 5)"
    program = RUN_IN_A_DAEMON.format(body="time.sleep(1)", end=end).replace("import sys", "import os, sys")
    ended = end_of(program, tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "0 True\n")
    assert list(tmp_path.iterdir()) == []
