"""The compiled module: plan bytes in, descriptions and rows out."""

from collections.abc import Callable

class RunError(Exception):
    """Why a call failed. Its one argument is a dict.

    ``kind``: ``user``, ``data``, ``plan``, ``io``, ``memory``, ``died``, ``internal``,
    ``interrupted``; ``message``. For ``user`` also ``pickled`` (bytes or None), ``class``,
    ``traceback``, ``step`` and ``record``.
    """

class _host:
    """What worker processes call, as in the module of that name."""

    @staticmethod
    def run_worker(socket: int, owner: int, around: object = None, limit: int | None = None) -> None:
        """Serve the pool at the other end of a socket until it is gone; ``limit``: bytes it may take."""

def open_session(options: dict[str, object]) -> int:
    """Open a session; ``memory_limit``, ``threads``, ``host``, ``tmp_dir`` are known options."""

def close_session(session: int) -> None:
    """Give back everything that the session holds."""

def run(
    session: int,
    plan: bytes,
    progress: Callable[[dict[str, object]], None] | None,
    kit: object = None,
) -> dict[str, object]:
    """Execute a plan.

    ``kit`` says where worker processes find their surroundings, and whether they end with the run; or it
    is what surrounds the functions in this process: with a ``failure``, and an ``end()`` that may give one.
    ``progress`` is told ``stage`` (from 1), ``stages``, ``name``, ``tasks_done``, ``tasks``, ``rows``.
    The answer has ``counters``, and ``stages``: a list of dicts with ``name``, ``tasks``, ``rows`` (in),
    ``rows_out``, ``bytes``, ``seconds``.
    """

def fetch(session: int, cache: int) -> list[tuple[object, ...]]:
    """Give the rows ``(k1, …, kd, value)`` of a kept dataset, in order."""

def release(session: int, cache: int) -> None:
    """Forget a kept dataset."""

def explain(
    plan: bytes,
    form: str,
    session: int | None = None,
    settings: str | None = None,
    ask: Callable[[str, str, str], str | None] | None = None,
) -> str:
    """Describe a plan as ``logical``, ``stages``, ``text`` or ``mermaid``, or give its ``code``.

    As a session would run it, or an engine elsewhere, with ``settings`` and ``ask`` as `spark_plan` has them.
    ``logical`` and ``code`` depend on neither.
    """

def encode(records: list[object]) -> list[bytes]:
    """Give the blocks of some records."""

def spark_plan(
    plan: bytes, settings: str, ask: Callable[[str, str, str], str | None]
) -> tuple[int, str, bytes, str]:
    """Plan a run elsewhere over the files that ``ask`` knows of, and begin its outputs.

    ``settings``, in JSON: ``cores``, ``concurrency`` (how many channels, if the user says so), ``host``
    (``program``, ``arguments``, ``environment``) and ``kept``: by name, the ``tasks``, the ``bytes`` and the
    ``spread`` of what earlier runs have kept. The answer is the run's number, its description in JSON, the
    bytes that this points into, and, in JSON, the ``cache`` (a name), ``depth``, ``tasks`` and ``spread`` of
    all that it keeps.
    """

def spark_end(run: int, reports: bytes | None) -> None:
    """End a run: of what it wrote, what its tasks reported appears; without reports, it never was.

    Ending twice is harmless.
    """

def spark_rows(blocks: bytes, depth: int) -> list[tuple[object, ...]]:
    """Give the rows ``(k1, …, kd, value)`` of a kept dataset from its blocks."""
