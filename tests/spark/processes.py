"""The processes of the Spark under test, as the system shows them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    import threading
    from collections.abc import Callable, Iterator


def executors() -> list[int]:
    """The executors that descend from this process."""
    return [process for process in _running(b"CoarseGrainedExecutorBackend") if _is_ours(process)]


def workers() -> list[int]:
    """The processes with user functions that descend from this process, and not those that fork them."""
    return [
        process for process in _running(b"nestflow.host.worker") if _is_worker(process) and _is_ours(process)
    ]


def of_session(leader: int) -> list[int]:
    """The processes of the session that one has begun, whoever their parent is now."""
    found = []
    for process in _running(b""):
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            if os.getsid(process) == leader:
                found.append(process)
    return found


def orphans() -> list[int]:
    """The processes with user functions whose parent has ended, on the whole machine."""
    return [process for process in _running(b"nestflow.host.worker") if _parent(process) == 1]


def jvm_of(process: int) -> int:
    """The JVM in which a process with user functions began: its nearest one, since others fork it."""
    while os.path.basename(os.readlink(f"/proc/{process}/exe")) != "java":
        process = _parent(process)
    return process


def folders(executor: int) -> list[Path]:
    """The folders for temporary files that Spark has given one of the executors."""
    variables = Path("/proc", str(executor), "environ").read_bytes().split(b"\0")
    [given] = [
        value
        for name, _, value in (each.partition(b"=") for each in variables)
        if name == b"SPARK_EXECUTOR_DIRS"
    ]
    return [Path(folder) for folder in given.decode().split(":")]


def files_of_tasks(executor: int) -> list[Path]:
    """What tasks have in the folders of an executor; who owns a folder there, its `owner` says."""
    ours = [folder for place in folders(executor) for folder in place.glob("blockmgr-*/nestflow-*")]
    # Links lead to what is the same for all tasks: bundles and environments.
    walked = [(Path(where), files) for folder in ours for where, _, files in os.walk(folder)]
    return [where / name for where, files in walked for name in files if name != "owner"]


def kill(victims: Callable[[], list[int]], dice: random.Random, over: threading.Event | None = None) -> bool:
    """Kill one of them as soon as there are any, but not once it is over; say whether it was done."""
    until = time.monotonic() + 5
    while time.monotonic() < until and not (over and over.is_set()):
        if found := sorted(victims()):
            with contextlib.suppress(ProcessLookupError):  # it was faster
                os.kill(dice.choice(found), signal.SIGKILL)
                return True
        time.sleep(0.002)
    return False


def leave_nothing(folder: Path) -> None:
    """No process of an executor that died, and no temporary file beside the output."""
    until = time.monotonic() + 20
    while left := orphans():
        assert time.monotonic() < until, left
        time.sleep(0.1)
    assert [path.name for path in folder.iterdir() if path.name != "out"] == []


def _running(name: bytes) -> Iterator[int]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                command = Path("/proc", entry, "cmdline").read_bytes()
            except OSError:
                continue  # it has just ended
            if name in command:
                yield int(entry)


def _is_worker(process: int) -> bool:
    try:
        return Path("/proc", str(process), "comm").read_text() == "nestflow-worker\n"
    except OSError:
        return False


def _is_ours(process: int) -> bool:
    while process > 1:
        process = _parent(process)
        if process == os.getpid():
            return True
    return False


def _parent(process: int) -> int:
    """Its parent, or -1 if it has ended."""
    try:
        return int(Path("/proc", str(process), "stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return -1
