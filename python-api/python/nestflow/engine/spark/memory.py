"""How native code in executors gets its memory, and saying so: docs/memory.md is for people."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import TYPE_CHECKING

from ..progress import is_shown
from .sizing import DEFAULT

if TYPE_CHECKING:
    from typing import Any

    from .sizing import Sizing

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


def tell(context: Any, size: Sizing, progress: object) -> None:
    """Say, once for each application, how memory is sized there, and warn of what cannot work."""
    if context.applicationId in _told:
        return
    _told.add(context.applicationId)
    _LOG.info("%s", size.rule)
    if is_shown(progress):
        print(f"nestflow: {size.rule}", file=sys.stderr)
    if size.warning is not None:
        warnings.warn(f"nestflow on Spark: {size.warning}", RuntimeWarning, stacklevel=2)
