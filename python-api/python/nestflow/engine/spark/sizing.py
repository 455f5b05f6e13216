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


class Sizing(NamedTuple):
    """What an executor has for the tasks that run at a time in it."""

    slots: int
    """How many these are."""
    memory: int
    """Bytes that they share."""
    lent: bool
    """Whether it is Spark's off-heap memory."""
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
        >>> sizing({"spark.executor.memory": "8g"}, "yarn", 4).memory >> 20
        409
        >>> sizing({"spark.nestflow.memory": "64m"}, "local[8]", 8).warning
        'a task has only 8 MiB of memory for its data, and will spill a lot'
    """
    off_heap = in_bytes(conf, "spark.memory.offHeap.size") or 0
    if str(conf.get("spark.memory.offHeap.enabled", "false")).lower() == "true" and off_heap:
        source = "of Spark's off-heap memory (spark.memory.offHeap.size)"
        return Sizing(slots, off_heap, True, _rule(slots, off_heap, source), _few(slots, off_heap))
    room = _overhead(conf, master)
    memory, source = in_bytes(conf, "spark.nestflow.memory"), "(spark.nestflow.memory)"
    if memory is None and room is not None:
        memory = room // 2
        source = "(half of the executor's memory overhead; the other half is for worker processes)"
    elif memory is None:
        memory, source = DEFAULT, "(the default)"
    warning = _few(slots, memory)
    if room is not None and memory > room:
        warning = (
            f"native code may take {_mib(memory)}, but the memory overhead of an executor is {_mib(room)}: "
            "the cluster may kill executors; raise spark.executor.memoryOverhead, "
            "or lower spark.nestflow.memory"
        )
    return Sizing(slots, memory, False, _rule(slots, memory, source), warning)


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


def _rule(slots: int, memory: int, source: str) -> str:
    return f"in each executor, {slots} tasks at a time share {_mib(memory)} {source}"


def _few(slots: int, memory: int) -> str | None:
    if memory // slots >= _LITTLE:
        return None
    return f"a task has only {_mib(memory // slots)} of memory for its data, and will spill a lot"


def _mib(size: int) -> str:
    return f"{size // _MIB} MiB"
