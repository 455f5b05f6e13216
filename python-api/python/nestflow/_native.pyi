"""The compiled module: plan bytes in, descriptions and rows out."""

from collections.abc import Callable

class RunError(Exception):
    """Why a call failed. Its one argument is a dict.

    ``kind``: ``user``, ``data``, ``plan``, ``io``, ``memory``, ``died``, ``internal``,
    ``interrupted``; ``message``. For ``user`` also ``pickled`` (bytes or None), ``class``,
    ``traceback``, ``step`` and ``record``.
    """

def open_session(options: dict[str, object]) -> int:
    """Open a session; ``memory_limit``, ``threads``, ``host``, ``tmp_dir`` are known options."""

def close_session(session: int) -> None:
    """Give back everything that the session holds."""

def run(session: int, plan: bytes, progress: Callable[[dict[str, object]], None] | None) -> dict[str, object]:
    """Execute a plan.

    ``progress`` is told ``stage`` (from 1), ``stages``, ``name``, ``tasks_done``, ``tasks``, ``rows``.
    The answer has ``stages``: a list of dicts with ``name``, ``tasks``, ``rows`` (in),
    ``rows_out``, ``bytes``, ``seconds``.
    """

def fetch(session: int, cache: int) -> list[tuple[object, ...]]:
    """Give the rows ``(k1, …, kd, value)`` of a kept dataset, in order."""

def release(session: int, cache: int) -> None:
    """Forget a kept dataset."""

def explain(plan: bytes, form: str) -> str:
    """Describe a plan as ``logical``, ``stages``, ``text`` or ``mermaid``."""

def encode(records: list[object]) -> list[bytes]:
    """Give the blocks of some records."""
