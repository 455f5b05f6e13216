"""Classes that no other process could import, in processes that share no folder."""

import json
import os
import subprocess
import sys

MAIN = """
import shutil, sys
from nestflow.host import pickles

class Point:
    def __init__(self, x):
        self.x = x

class Other:
    "Goes by value in what a program ships, as a function would have it."

pickles.cloudpickle.dumps([Other])
value = pickles.dumps(Point(5))
for path in pickles.known():
    shutil.copy(path, sys.argv[1])
sys.stdout.buffer.write(value)
"""

ELSEWHERE = """
import os, pickle, sys
from nestflow.host import pickles

pickles.settle()
os.chdir("/")
value = pickle.load(sys.stdin.buffer)
value.x += 1
made = type("Made", (), {"__module__": "__main__", "of": value})
sys.stdout.buffer.write(pickles.dumps([value, made()]))
"""

BACK = """
import pickle, sys
from nestflow.host import pickles

value, made = pickle.load(sys.stdin.buffer)
print(type(value).__name__, value.x, type(made).__name__, made.of.x)
"""


def run(program, tmp_path, given=b"", sent=None, arguments=()):
    """What a program prints that has a temporary folder of its own; it may find what was sent."""
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NESTFLOW")}
    environment["TMPDIR"] = str(folder)
    if sent is not None:
        environment["NESTFLOW_SENT_CLASSES"] = json.dumps(["nowhere", os.path.relpath(sent, folder)])
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(
        command, input=given, env=environment, cwd=folder, stdout=subprocess.PIPE, check=False
    )
    assert done.returncode == 0
    assert list(folder.iterdir()) == []
    return done.stdout


def test_what_was_sent_is_enough(tmp_path):
    sent = tmp_path / "sent"
    sent.mkdir()
    value = run(MAIN, tmp_path, arguments=[str(sent)])
    # The classes that functions brought are known as well as those of values.
    assert len(list(sent.iterdir())) == 2
    there = run(ELSEWHERE, tmp_path, value, sent)
    # A class that was made there goes with its value; the program's own is still found by its name.
    assert run(BACK, tmp_path, there, sent) == b"Point 6 Made 6\n"
    # Where nothing was sent, nobody can tell what it is.
    again = subprocess.run([sys.executable, "-c", BACK], input=value, capture_output=True, check=False)
    assert again.returncode != 0
