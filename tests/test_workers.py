"""Worker processes that die, are interrupted, or lose the process that they belong to."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
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

CRASHED = """
import os, signal
import nestflow as nf

class Own:
    def __init__(self, x):
        self.x = "x" * 200_000 + str(x)

def own(x):
    return Own(x)

for _ in range(2):
    p = nf.Pipeline.create("local", host="workers", progress=False, threads=2)
    assert len(p.parallelize([*range(20)]).map(own).map(lambda own: own.x).get()) == 20
    assert len(p.parallelize([*range(20)]).map(own).get()) == 20
os.kill(os.getpid(), signal.SIGKILL)
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
        # One task: another one could meet the worker as it dies, with nothing under way.
        p.parallelize([5, 6, 7, 8]).map(function).get()
    text = str(caught.value)
    assert told in text
    assert f"map({function.__name__}) at " in text
    assert __file__ in text
    assert re.search(r"records \d+ to \d+ of its task", text)
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


THREADS = """
import threading, time
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
"""


FULL = """
import errno, os
fork = os.fork
def refuse():
    if os.path.exists(os.path.join(os.path.dirname(__file__), "full")):
        raise BlockingIOError(errno.EAGAIN, "no more processes")
    return fork()
os.fork = refuse
"""


def parent_of(process: int) -> int:
    with open(f"/proc/{process}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are not forked")
def test_workers_are_forked_by_a_process_that_has_no_more_than_they_all_need() -> None:
    def modules(x: int) -> tuple[int, int, list[str]]:
        return os.getpid(), os.getppid(), sorted(sys.modules)

    with nf.Pipeline.create("local", host="workers", progress=False, threads=3) as p:
        found = p.parallelize([*range(30)]).map(lambda x: time.sleep(0.02) or modules(x)).get()
    parents = {parent for _, parent, _ in found}
    assert len(parents) == 1 and os.getpid() not in parents
    assert not {"numpy", "pandas", "pyarrow", "pytest", __name__} & set(found[0][2])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are not forked")
def test_a_killed_spawner_takes_its_workers_along_and_is_replaced(p: nf.Pipeline) -> None:
    first = pids(p)
    spawner = parent_of(*first)
    os.kill(spawner, signal.SIGKILL)
    assert gone({spawner, *first})
    assert not pids(p) & first


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are not forked")
def test_an_interpreter_that_begins_with_threads_is_not_forked(tmp_path: Any) -> None:
    (tmp_path / "sitecustomize.py").write_text(THREADS)
    program = """
import os
import nestflow as nf
p = nf.Pipeline.create("local", host="workers", progress=False, threads=2)
print(p.parallelize([1]).map(lambda x: os.getppid()).get() == [os.getpid()])
"""
    assert run_with(tmp_path, program) == "True\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are not forked")
def test_a_system_that_has_no_room_for_a_worker_ends_no_others(tmp_path: Any) -> None:
    """Where a fork fails the run does, and says why; the process that forks stays, with its workers."""
    (tmp_path / "sitecustomize.py").write_text(FULL)
    program = f"""
import os, signal, time
import nestflow as nf
p = nf.Pipeline.create("local", host="workers", progress=False, threads=1)
look = lambda: p.parallelize([1]).map(lambda x: (os.getpid(), os.getppid())).get()[0]
worker, spawner = look()
os.kill(worker, signal.SIGKILL)
while os.path.exists(f"/proc/{{worker}}"):
    time.sleep(0.01)
open({str(tmp_path / "full")!r}, "w").close()
try:
    look()
except nf.errors.NestflowError as error:
    print(error)
os.remove({str(tmp_path / "full")!r})
print(look()[1] == spawner)
"""
    told = run_with(tmp_path, program)
    assert "a worker could not be forked: Resource temporarily unavailable" in told
    assert told.endswith("True\n")


def run_with(modules: Any, program: str) -> str:
    """What a program prints whose interpreters find these modules first."""
    environment = {**os.environ, "PYTHONPATH": str(modules)}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_a_worker_that_cannot_start_says_why(tmp_path: Any) -> None:
    program = """
import os
import nestflow as nf
p = nf.Pipeline.create("local", host="workers", progress=False, threads=1)
try:
    p.parallelize([1]).map(lambda x: x).get()
except nf.errors.NestflowRuntimeException as error:
    print(error)
"""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'spawn' in sys.argv: sys.exit('there is no licence for this')\n"
    )
    told = run_with(tmp_path, program)
    assert "there is no licence for this" in told
    assert "exit code 1" in told


def test_a_worker_that_wants_more_memory_than_its_limit(p: nf.Pipeline) -> None:
    def limit(_: int) -> int:
        import resource

        return resource.getrlimit(resource.RLIMIT_DATA)[0]

    def greedy(megabytes: int) -> int:
        return len(bytearray(megabytes << 20))

    # Without a wish, it is some part of the machine.
    assert 1 << 30 <= p.parallelize([1]).map(limit).get()[0] < 1 << 44
    with nf.Pipeline.create(
        "local", host="workers", progress=False, threads=2, worker_memory_limit="300MB"
    ) as small:
        assert small.parallelize([1]).map(limit).get() == [300 << 20]
        assert small.parallelize([50]).map(greedy).get() == [50 << 20]
        with pytest.raises(MemoryError) as caught:
            small.parallelize([50, 400]).map(greedy).get()
        assert "may take 300 MiB" in str(caught.value.__cause__)
        # The processes of `instances` are workers as others.
        few = small.parallelize([1]).map_batches(lambda _: [limit(0)], instances=1)
        assert few.get() == [300 << 20]


STOPPED = """
import os, signal, sys
import nestflow as nf

told = sys.argv[1]

def stop(x):
    with open(told, "w") as file:
        print(os.getpid(), file=file)
    os.kill(os.getpid(), signal.SIGSTOP)

p = nf.Pipeline.create("local", host="workers", progress=False, threads=2)
try:
    p.parallelize([1]).map(stop).get()
except KeyboardInterrupt:
    # The next run has other workers.
    print(p.parallelize([1, 2]).map(lambda x: x + 1).get(), flush=True)
"""


def test_ctrl_c_ends_a_worker_that_is_stopped(tmp_path: Any) -> None:
    told = tmp_path / "pid"
    owner = subprocess.Popen([sys.executable, "-c", STOPPED, str(told)], stdout=subprocess.PIPE, text=True)
    wait_for(lambda: told.exists() and told.read_text().endswith("\n"))
    stopped = int(told.read_text())
    wait_for(lambda: state_of(stopped) == "T")
    owner.send_signal(signal.SIGINT)
    assert owner.communicate(timeout=30)[0] == "[2, 3]\n"
    assert gone({stopped})


def test_a_stopped_worker_goes_with_its_owner(tmp_path: Any) -> None:
    told = tmp_path / "pid"
    owner = subprocess.Popen([sys.executable, "-c", STOPPED, str(told)])
    wait_for(lambda: told.exists() and told.read_text().endswith("\n"))
    stopped = int(told.read_text())
    wait_for(lambda: state_of(stopped) == "T")
    owner.kill()
    owner.wait(30)
    assert gone({stopped})


def state_of(process: int) -> str:
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def accumulated(records: nf.PCollection, blow: Callable[[int], int]) -> object:
    return records.accumulate(0, lambda total, x: total + blow(x))


def transformed(records: nf.PCollection, blow: Callable[[int], int]) -> object:
    def step(total: int, emitter: Any, x: int) -> int:
        emitter.emit(total)
        return total + blow(x)

    return records.transform(lambda emitter: 0, step, lambda total, emitter: emitter.emit(total))


def combined(records: nf.PCollection, blow: Callable[[int], int]) -> object:
    return records.aggregate([], lambda seen, x: [*seen, blow(x)], lambda a, b: a + b)


@pytest.mark.parametrize("operator", [accumulated, transformed, combined])
@pytest.mark.parametrize("in_groups", [False, True])
def test_a_worker_that_dies_in_a_sequential_operator_fails_the_run(
    p: nf.Pipeline, operator: Callable[..., Any], in_groups: bool, tmp_path: Any
) -> None:
    """Its state is gone: nothing may go on without it, and nothing is done twice."""
    seen = tmp_path / "seen"

    def blow(x: int) -> int:
        with open(seen, "a") as file:
            print(x, file=file)
        if x == 5_000:
            os.kill(os.getpid(), signal.SIGKILL)
        return 1

    records = p.parallelize([*range(10_000)])
    if in_groups:
        tables = records.group_by(lambda x: x % 2)
        result = tables.apply_values(lambda group: operator(group, blow))
    else:
        result = operator(records, blow)
    with pytest.raises(nf.errors.NestflowRuntimeException, match="SIGKILL"):
        result.get()
    lines = seen.read_text().split()
    assert "5000" in lines and len(lines) == len(set(lines))
    assert p.parallelize([1, 2]).map(lambda x: x).get() == [1, 2]


def test_text_hashes_the_same_in_all_workers() -> None:
    with nf.Pipeline.create("local", host="workers", progress=False, threads=2) as p:
        first = p.parallelize(["a"]).map(hash).get()
    with nf.Pipeline.create("local", host="workers", progress=False, threads=2) as p:
        assert p.parallelize(["a"]).map(hash).get() == first


def test_a_killed_owner_leaves_nothing(tmp_path: Any) -> None:
    def left(folder: str) -> set[str]:
        return {name for name in os.listdir(folder) if name.startswith("nestflow-")}

    before = left("/dev/shm")
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    owner = subprocess.run([sys.executable, "-c", CRASHED], env=environment, check=False)
    assert owner.returncode == -signal.SIGKILL
    assert not left("/dev/shm") - before
    # What it had on disk goes with the next pipeline.
    assert len(left(str(tmp_path))) > 1
    with nf.Pipeline.create("local", tmp_dir=str(tmp_path), progress=False) as p:
        assert p.parallelize([1]).get() == [1]
        assert len(left(str(tmp_path))) == 1


def mapped_sides() -> set[str]:
    """The files in memory that this process maps for side inputs."""
    with open("/proc/self/maps") as maps:
        return {line.split()[4] for line in maps if "memfd:nestflow-side" in line}


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_a_large_side_input_is_sent_once_and_mapped_by_all_workers() -> None:
    def look(x: int, words: Any) -> tuple[int, frozenset[str], int, int]:
        time.sleep(0.01)
        return os.getpid(), frozenset(mapped_sides()), id(words._records), len(words)

    with nf.Pipeline.create("local", host="workers", progress=False, threads=2) as p:
        words = p.parallelize([f"{number:07d}" * 10 for number in range(50_000)])
        found = []
        for _ in range(3):
            # Runs of several tasks that know nothing of each other.
            parts = p.parallelize([*range(200)]).group_by(lambda x: x % 4).flatten_values()
            found += parts.map(look, words).get()
    assert {length for *_, length in found} == {50_000}
    # One file in all processes and tasks: nothing is sent again.
    (files,) = {files for _, files, *_ in found}
    assert len(files) == 1
    # And one list in each process: nothing is decoded again.
    assert len({(process, records) for process, _, records, _ in found}) == len(
        {process for process, *_ in found}
    )


READ = """
import os, sys

readable = []
for process in sys.argv[1:]:
    try:
        names = os.listdir(f"/proc/{process}/fd")
    except PermissionError:
        continue
    for name in names:
        try:
            open(f"/proc/{process}/fd/{name}", "rb").close()
        except OSError:
            continue
        readable.append((process, name))
print(readable)
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="becomes another user")
def test_no_other_user_reads_what_goes_to_workers(p: nf.Pipeline) -> None:
    """Sockets have no names, and memory that is shared is found among the open files of its owner only."""
    everywhere = str(os.getpid())

    def files_of(process: str) -> Iterator[str]:
        for file in os.listdir(f"/proc/{process}/fd"):
            with contextlib.suppress(FileNotFoundError):  # closed by now
                yield os.readlink(f"/proc/{process}/fd/{file}")

    def look(line: str, sides: list[str]) -> tuple[str, str]:
        return str(os.getpid()), ",".join([*files_of("self"), *files_of(everywhere)])

    large = ["x" * 1000] * 3000
    found = p.parallelize(large).map(look, p.parallelize(large)).get()
    workers, files = {worker for worker, _ in found}, ",".join({files for _, files in found})
    assert "memfd:nestflow-side" in files
    assert "memfd:nestflow " in files, "large batches are in shared memory"
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    named = {line[6]: line[7:] for line in lines}
    sockets = set(re.findall(r"socket:\[(\d+)\]", files)) & named.keys()
    assert sockets and not any(named[socket] for socket in sockets)
    command = ["/usr/bin/env", "python3", "-c", READ, everywhere, *workers]
    seen = [
        subprocess.run(command, user=user, capture_output=True, text=True, check=False, cwd="/")
        for user in (65534, None)
    ]
    assert seen[0].stdout == "[]\n", seen[0]
    assert len(seen[1].stdout) > 10, "who may, finds them"


def test_what_a_function_changes_in_a_side_input_no_other_task_sees() -> None:
    def take(x: int, names: dict[int, str], lists: Any) -> tuple[int, str | None, int]:
        lists[0].append(x)
        return os.getpid(), names.pop(x, None), len(lists[0])

    with nf.Pipeline.create("local", host="workers", progress=False, threads=1) as p:
        names = nf.transforms.to_pobject(p.parallelize({1: "a", 2: "b"}))
        lists = p.parallelize([[], (1, 2)])
        found = [p.parallelize([1, 2]).map(take, names, lists).get() for _ in range(2)]
    (worker,) = {process for rows in found for process, *_ in rows}
    assert found == [[(worker, "a", 1), (worker, "b", 2)]] * 2


@pytest.mark.parametrize(("limit", "kept"), [("300MB", False), ("2GB", True)])
def test_a_worker_keeps_few_objects_of_side_inputs_where_it_has_little_memory(limit: str, kept: bool) -> None:
    def blocks(_: int) -> int:
        gc.collect()
        return sys.getallocatedblocks()

    texts = 200_000
    with nf.Pipeline.create(
        "local", host="workers", progress=False, threads=1, worker_memory_limit=limit
    ) as p:
        words = p.parallelize([f"{number:07d}" * 15 for number in range(texts)])
        before = p.parallelize([1]).map(blocks).get()[0]
        assert p.parallelize([1]).map(lambda _, words: len(words), words).get() == [texts]
        more = p.parallelize([1]).map(blocks).get()[0] - before
    assert more > texts if kept else more < texts // 2


def test_code_can_tell_that_it_runs_in_a_worker(p: nf.Pipeline) -> None:
    name = "__PYTHON_IN_REMOTE_SIDE"
    assert p.parallelize([1]).map(lambda x: os.environ.get(name)).get() == ["true"]
    assert name not in os.environ


def pids(p: nf.Pipeline) -> set[int]:
    return set(p.parallelize([1]).map(lambda x: os.getpid()).get())


def test_pipelines_share_the_processes_and_the_interpreter_ends_them() -> None:
    program = """
import os, sys
import nestflow as nf

def create():
    return nf.Pipeline.create("local", host="workers", progress=False, threads=1)

def pids(p):
    return p.parallelize([1]).map(lambda x: os.getpid()).get()

with create() as p:
    first = pids(p)
with create() as p:
    assert pids(p) == first != [os.getpid()]
os.environ["NEW"] = "1"
with create() as p:
    assert p.parallelize([1]).map(lambda x: os.environ["NEW"]).get() == ["1"]
    print(*first, *pids(p))
"""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    workers = {int(word) for word in done.stdout.split()}
    assert len(workers) == 2
    assert gone(workers)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_workers_of_its_own(p: nf.Pipeline) -> None:
    mine = pids(p)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        told = "nothing"
        try:
            try:
                pids(p)
            except nf.errors.NestflowError as error:
                told = f"{'forked' in str(error)}"
            p.close()
            with nf.Pipeline.create("local", host="workers", progress=False, threads=2) as other:
                told += f" {not pids(other) & mine}"
        except BaseException as error:
            told += repr(error)
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        assert file.read() == "True True"
    os.waitpid(child, 0)
    assert pids(p) & mine


def gone(processes: set[int]) -> bool:
    return wait_for(lambda: not any(os.path.exists(f"/proc/{process}") for process in processes))


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "that did not happen"
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("host", ["in_process", "workers"])
def test_a_very_large_record(host: str) -> None:
    """A picture of 256 MB goes there and back whole, with small records before and behind."""
    size = 256 << 20
    p = nf.Pipeline.create("local", host=host, progress=False, threads=2)
    images = p.parallelize([b"a", b"b"]).flat_map(
        lambda letter: [letter * 3, letter * size, letter * 5] if letter == b"a" else [letter]
    )
    turned = images.map(lambda image: image + b"!").cache()
    sizes = turned.map(lambda image: (len(image), image[:1], image[-1:])).get()
    assert sizes == [(4, b"a", b"!"), (size + 1, b"a", b"!"), (6, b"a", b"!"), (2, b"b", b"!")]
    assert max(len(image) for image in turned.get()) == size + 1
