"""How native memory is sized in executors: docs/memory.md says the same to people.

Knows settings of Spark's and what they mean; must not run anything.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ...options import byte_size

if TYPE_CHECKING:
    from typing import Any

_MIB = 1 << 20

DEFAULT = 512 * _MIB
"""Bytes of each executor for the data of native tasks, where nothing else is said."""

_LITTLE = 16 * _MIB
"""With less than this, a task does little but spill."""

_LEAST_OVERHEAD = 384 * _MIB
"""What a cluster grants an executor at least beside its heap."""

_LEAST_WORKER = 256 * _MIB
"""What a worker process may take at least, unless Spark's own setting says less: Python, and some data."""

_PAGES = 3
"""Pages of Spark's that a task leaves to Spark's own shuffle writer: to fill one, while another is there."""

_PAGE = (1 * _MIB, 64 * _MIB)
"""How small and how large Spark makes a page unless it is told."""


class Sizing(NamedTuple):
    """What an executor has for the tasks that run at a time in it."""

    slots: int
    """How many these are."""
    memory: int
    """Bytes that they share, each an equal part."""
    lent: bool
    """Whether it is Spark's off-heap memory."""
    worker: int | None
    """Bytes that a worker process may take; None: as many as it likes."""
    rule: str
    """This, for people."""
    warning: str | None
    """What cannot work."""


def sizing(conf: Any, master: str, slots: int) -> Sizing:
    """Size native memory by the settings of an application.

    Args:
        conf: the SparkConf, or a dict.
        master: where the application runs.
        slots: the tasks that run at a time in an executor.

    Example:
        >>> sizing({}, "local[2]", 2).rule
        'in each executor, 2 tasks at a time share 512 MiB (the default)'
        >>> large = sizing({"spark.executor.memory": "8g", "spark.executor.memoryOverhead": "4g"}, "yarn", 4)
        >>> large.memory >> 20, large.worker >> 20
        (2048, 512)
        >>> sizing({"spark.nestflow.memory": "64m"}, "local[8]", 8).warning
        'a task has only 8 MiB of memory for its data, and will spill a lot'
        >>> sizing({}, "yarn", 4).warning.partition(" of an executor")[0]
        'native code may take 192 MiB and worker processes 4 x 256 MiB, but the memory overhead'
    """
    off_heap = in_bytes(conf, "spark.memory.offHeap.size") or 0
    worker, room = _of_worker(conf, master, slots), _overhead(conf, master)
    # What Spark grants Python, and off-heap memory, come on top of the overhead.
    workers = 0 if worker is None or in_bytes(conf, "spark.executor.pyspark.memory") else worker
    if str(conf.get("spark.memory.offHeap.enabled", "false")).lower() == "true" and off_heap:
        pages = _pages(conf, off_heap, slots)
        lent = off_heap - slots * pages
        source = (
            "of Spark's off-heap memory (spark.memory.offHeap.size), "
            f"of which each leaves {_mib(pages)} to Spark's own writer"
        )
        rule = _rule(slots, off_heap, source, worker)
        warning = _beyond(room, 0, slots, workers) or _few(slots, lent)
        return Sizing(slots, lent, True, worker, rule, warning)
    memory, source = in_bytes(conf, "spark.nestflow.memory"), "(spark.nestflow.memory)"
    if memory is None and room is not None:
        memory = room // 2
        source = "(half of the executor's memory overhead; the other half is for worker processes)"
    elif memory is None:
        memory, source = DEFAULT, "(the default)"
    warning = _beyond(room, memory, slots, workers) or _few(slots, memory)
    return Sizing(slots, memory, False, worker, _rule(slots, memory, source, worker), warning)


def slots(context: Any, conf: Any) -> int:
    """Ask how many tasks of an application run at a time in an executor."""
    master = str(context.master)
    if threads := re.fullmatch(r"local(?:\[\s*(\d+|\*)\s*(?:,\s*\d+\s*)?\])?", master):
        every = threads[1] == "*"
        cores = context._jvm.Runtime.getRuntime().availableProcessors() if every else int(threads[1] or 1)
    elif cluster := re.fullmatch(r"local-cluster\[\s*\d+\s*,\s*(\d+)\s*,\s*\d+\s*\]", master):
        cores = int(cluster[1])
    elif (each := conf.get("spark.executor.cores", None)) is not None:
        cores = int(each)
    elif master.startswith("spark:"):
        # A standalone executor takes all cores of its worker; one of those that are known is the driver.
        known = len(context._jsc.sc().statusTracker().getExecutorInfos())
        cores = context.defaultParallelism // max(1, known - 1)
    else:
        cores = 1
    return max(1, cores // max(1, int(conf.get("spark.task.cpus", "1"))))


def in_bytes(conf: Any, key: str, unit: str = "") -> int | None:
    """Give a setting that is a size; a bare number is in the unit that Spark gives it.

    Example:
        >>> in_bytes({"spark.executor.pyspark.memory": "512"}, "spark.executor.pyspark.memory", "m") >> 20
        512
    """
    text = str(conf.get(key, None) or "").strip()
    if not text or text == "0":
        return None
    return byte_size(f"{text}{unit or 'b'}" if text.isdigit() else text, key)


def _overhead(conf: Any, master: str) -> int | None:
    """What a cluster grants an executor beside its heap; locally nobody counts."""
    if master.startswith("local"):
        return None
    heap = in_bytes(conf, "spark.executor.memory", "m") or 1024 * _MIB
    factor = float(conf.get("spark.executor.memoryOverheadFactor", "0.1"))
    given = in_bytes(conf, "spark.executor.memoryOverhead", "m")
    return max(int(heap * factor), _LEAST_OVERHEAD) if given is None else given


def _of_worker(conf: Any, master: str, slots: int) -> int | None:
    """What one worker process may take: its part of what Spark grants Python, or of half of the overhead.

    There are as many as tasks run at a time, those that a transform wants a number of among them. Only where
    a cluster counts what an executor takes is the overhead more than a number.
    """
    granted = in_bytes(conf, "spark.executor.pyspark.memory", "m")
    if granted is not None:
        return granted // slots
    room = _overhead(conf, master) if master.startswith(("yarn", "k8s")) else None
    return None if room is None else max(room // 2 // slots, _LEAST_WORKER)


def _pages(conf: Any, off_heap: int, slots: int) -> int:
    """What a task leaves of its part: Spark's writer asks for pages, which it cannot do without."""
    page = in_bytes(conf, "spark.buffer.pageSize")
    if page is None:
        # As Spark's memory manager does it: a sixteenth of a task's part of what is not for storage.
        execution = int(off_heap * (1 - float(conf.get("spark.memory.storageFraction", "0.5"))))
        least, most = _PAGE
        page = min(max(1 << max(execution // slots // 16 - 1, 0).bit_length(), least), most)
    return min(_PAGES * page, off_heap // slots // 2)


def _rule(slots: int, memory: int, source: str, worker: int | None) -> str:
    limit = "" if worker is None else f"; a worker process may take {_mib(worker)}"
    return f"in each executor, {slots} tasks at a time share {_mib(memory)} {source}{limit}"


def _beyond(room: int | None, native: int, slots: int, worker: int) -> str | None:
    """Say what there is no room for in the overhead: native code, and a worker process for each task."""
    if room is None or native + slots * worker <= room:
        return None
    wants = [f"native code may take {_mib(native)}"] if native else []
    if worker:
        wants.append(f"worker processes {'' if native else 'may take '}{slots} x {_mib(worker)}")
    less = ["spark.nestflow.memory"] * bool(native) + ["spark.executor.cores"] * bool(worker)
    return (
        f"{' and '.join(wants)}, but the memory overhead of an executor is {_mib(room)}: the cluster may "
        f"kill executors; raise spark.executor.memoryOverhead, or lower {' or '.join(less)}"
    )


def _few(slots: int, memory: int) -> str | None:
    if memory // slots >= _LITTLE:
        return None
    return f"a task has only {_mib(memory // slots)} of memory for its data, and will spill a lot"


def _mib(size: int) -> str:
    return f"{size // _MIB} MiB"
