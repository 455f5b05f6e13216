"""How native code in executors gets its memory, and saying so: docs/memory.md is for people."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import TYPE_CHECKING

from ...options import byte_size
from ..progress import is_shown

if TYPE_CHECKING:
    from typing import Any

DEFAULT = 512 << 20
"""Bytes of each executor for the data of native tasks, where nothing else is said."""

_LOG = logging.getLogger("nestflow.spark")
_told: set[str] = set()


def settings(conf: Any, limit: int | None) -> dict[str, str]:
    """Give the settings of a context of ours: native tasks borrow from Spark's off-heap memory.

    Args:
        conf: the SparkConf so far, or a dict; what it says of this memory stays.
        limit: the bytes that the user wants for each executor.

    Example:
        >>> settings({}, 64 << 20)["spark.memory.offHeap.size"]
        '67108864b'
        >>> settings({"spark.nestflow.memory": "1g"}, None)
        {}
    """
    own = "spark.memory.offHeap.enabled", "spark.memory.offHeap.size", "spark.nestflow.memory"
    if any(conf.get(key, None) for key in own):
        return {}
    return {"spark.memory.offHeap.enabled": "true", "spark.memory.offHeap.size": f"{limit or DEFAULT}b"}


def tell(context: Any, driver: Any, progress: object) -> None:
    """Say, once for each application, how memory is sized there, and warn of what cannot work."""
    if context.applicationId in _told:
        return
    _told.add(context.applicationId)
    rule, warning = driver.memory()
    _LOG.info("%s", rule)
    if is_shown(progress):
        print(f"nestflow: {rule}", file=sys.stderr)
    if warning is not None:
        warnings.warn(f"nestflow on Spark: {warning}", RuntimeWarning, stacklevel=2)


def of_worker(conf: Any, driver: Any) -> int | None:
    """Give the bytes that one worker process may take: its part of what Spark grants Python."""
    key = "spark.executor.pyspark.memory"
    granted = conf.get(key, None)
    return None if granted is None else byte_size(_with_unit(granted), key) // driver.slots()


def _with_unit(size: str) -> str:
    # Spark reads a bare number as MiB.
    return f"{size}m" if size.isdigit() else size
