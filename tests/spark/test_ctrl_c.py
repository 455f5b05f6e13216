"""Ctrl-C in a terminal: all of the program's group get it, those of Spark too, and not only the client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import processes
import pytest
from on_spark import CONF, MASTER
from waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import json, sys, time
import nestflow as nf

conf, begun = json.loads(sys.argv[1]), sys.argv[2]
p = nf.Pipeline.create("spark", progress=False, spark_conf=conf)
numbers = p.parallelize(list(range(1000)))

def slow(x):
    open(begun, "w").close()
    time.sleep(600)

try:
    numbers.map(slow).get()
except KeyboardInterrupt:
    print("interrupted", flush=True)
sums = numbers.map(lambda x: 2 * x).group_by(lambda x: x % 3).apply_values(lambda group: group.sum())
print("answer", sorted(sums.get().items()), flush=True)
"""

LONG = 300
"""Seconds for the start of a Spark on a machine that has much to do."""

ANSWER = sorted((rest, sum(2 * x for x in range(1000) if 2 * x % 3 == rest)) for rest in range(3))


def of_group(leader: int) -> list[int]:
    """The executors in a group."""
    return [process for process in processes.executors() if os.getpgid(process) == leader]


@pytest.mark.skipif(str(MASTER).startswith("local["), reason="there are no executors of their own")
def test_ctrl_c_in_a_terminal_ends_the_run_and_not_the_program(tmp_path: Path) -> None:
    begun, folder = tmp_path / "begun", tmp_path / "temporary"
    folder.mkdir()
    places = {
        "TMPDIR": str(folder),
        "SPARK_LOCAL_DIRS": str(folder),
        "JAVA_TOOL_OPTIONS": f"-Djava.io.tmpdir={folder}",
    }
    client = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(CONF), str(begun)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **places},
    )
    try:
        assert eventually(begun.exists, LONG)
        # Functions run in groups of their own.
        assert eventually(lambda: len(of_group(client.pid)) == 2, LONG)
        assert set(processes.workers()) & {*processes.of_session(client.pid)}
        assert [*folder.rglob("*nestflow*")]
        os.killpg(client.pid, signal.SIGINT)
        said, errors = client.communicate(timeout=LONG)
    finally:
        if client.poll() is None:
            os.killpg(client.pid, signal.SIGKILL)
    assert client.returncode == 0, errors[-3000:]
    told = [line for line in said.splitlines() if line.startswith(("interrupted", "answer"))]
    assert told == ["interrupted", f"answer {ANSWER}"]
    assert eventually(lambda: processes.of_session(client.pid) == [], LONG)
    assert [path for path in folder.rglob("*nestflow*") if path.exists()] == []
