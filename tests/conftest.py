"""The engines that every test runs on, and pipelines on them.

An engine is a way to run the same plan: where user functions are called, with how much memory, and
in how many parts. Small data would be one part; `scattered` engines cut it up all the same.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import zlib
from typing import TYPE_CHECKING, Any

import hypothesis
import jvm_logs
import on_spark
import oracle
import pytest

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TINY = {"memory_limit": "8MB", "threads": 2}

ENGINES: dict[str, dict[str, Any]] = {
    "in_process": {"host": "in_process"},
    "in_process_tiny": {"host": "in_process", **TINY},
    "workers": {"host": "workers"},
    "workers_tiny": {"host": "workers", **TINY},
}

if on_spark.MASTER:
    SPARK = {"spark_conf": on_spark.CONF, "host": on_spark.HOST}
    ENGINES = {"spark": SPARK, "spark_scattered": SPARK}

collect_ignore = ["yarn"] if on_spark.MASTER else ["spark", "yarn"]

SKIP_WORKERS = bool(os.environ.get("NESTFLOW_SKIP_WORKERS"))
"""Set the variable to leave worker processes out, where they cannot be started."""

CASES = int(os.environ.get("NESTFLOW_CASES", "1"))
"""Of the cases, one in so many is tried, always the same ones; `make soak` tries all."""

LENT = 25
"""Tests that use one pipeline."""

PADDING = os.urandom(300_000)
"""More input than what an engine would work on in one part."""

_engines = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(SKIP_WORKERS and "workers" in name, reason="NESTFLOW_SKIP_WORKERS is set"),
    )
    for name in ENGINES
]

hypothesis.settings.register_profile(
    "nestflow",
    deadline=None,
    # A run on Spark takes as long as a hundred here.
    max_examples=int(os.environ.get("NESTFLOW_EXAMPLES", "10" if on_spark.MASTER else "60")),
    print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile("nestflow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cases that are not to be tried."""
    left = [item for item in items if _is_case(item) and zlib.crc32(item.nodeid.encode()) % CASES]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


def _is_case(item: pytest.Item) -> bool:
    return "case" in getattr(getattr(item, "callspec", None), "params", ())


# A shell that runs this in the background has Ctrl-C ignored, also by the processes that tests start.
# Functions import this too, and in an embedded interpreter signals are not for them.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="session")
def _remember_literals() -> Iterator[None]:
    with oracle.remember():
        yield


@pytest.fixture(autouse=True, scope="session")
def _jvms_do_not_complain() -> Iterator[None]:
    """No JVM has anything to say of our native code."""
    if not on_spark.MASTER:
        yield
        return
    jvm_logs.FOLDER.mkdir()
    yield
    found = jvm_logs.all_complaints()
    shutil.rmtree(jvm_logs.FOLDER)
    assert found == []


@pytest.fixture(params=_engines, scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of an engine; a test that uses it runs on each."""
    with oracle.cut(3 if _is_scattered(request.param) else None):
        yield request.param


def _is_scattered(engine: str) -> bool:
    return "tiny" in engine or "scattered" in engine


def scattered(pipeline: nf.Pipeline) -> nf.Pipeline:
    """Make each run of the pipeline large enough for several parts, by other work beside the tested one."""

    def pad() -> None:
        pipeline._set_before_run_hook("pad", pad)  # a hook is called once
        pipeline.parallelize(PADDING, serde=nf.serde.any()).apply(nf.transforms.foreach, len)

    pipeline._set_before_run_hook("pad", pad)
    return pipeline


def made(engine: str, options: dict[str, Any]) -> nf.Pipeline:
    """A fresh pipeline."""
    kind = "spark" if "spark" in engine else "local"
    pipeline = nf.Pipeline.create(kind, **{"progress": False, **ENGINES[engine], **options})
    return scattered(pipeline) if _is_scattered(engine) else pipeline


class Lender:
    """Gives the same pipeline many times, since worker processes take time to start.

    One that a failed run has left with work to do is not given again.
    """

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._lent: nf.Pipeline | None = None
        self._times = 0

    def lend(self) -> nf.Pipeline:
        """A pipeline without anything to do."""
        old = self._lent
        if old is None or old._pending or old._marked or self._times == LENT:
            self.close()
            self._lent = made(self._engine, {})
        self._times += 1
        assert self._lent is not None
        return self._lent

    def close(self) -> None:
        """Give everything back."""
        if self._lent is not None:
            self._lent.close()
        self._lent, self._times = None, 0


@pytest.fixture(scope="module")
def lender(engine: str) -> Iterator[Lender]:
    """Lends pipelines on the engine."""
    lender = Lender(engine)
    yield lender
    lender.close()


@pytest.fixture
def p(lender: Lender) -> nf.Pipeline:
    """A pipeline on the engine, without anything to do."""
    return lender.lend()


@pytest.fixture
def create(engine: str) -> Iterator[Callable[..., nf.Pipeline]]:
    """Makes fresh pipelines on the engine, with more options if given."""
    pipelines: list[nf.Pipeline] = []

    def make(**options: Any) -> nf.Pipeline:
        pipelines.append(made(engine, options))
        return pipelines[-1]

    yield make
    for pipeline in pipelines:
        pipeline.close()
