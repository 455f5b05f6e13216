"""The engines that every test runs on, and pipelines on them.

An engine is a way to run the same plan: where user functions are called, with how much memory, and
in how many parts. Small data would be one part; `scattered` engines cut it up all the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import hypothesis
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

SKIP_WORKERS = bool(os.environ.get("NESTFLOW_SKIP_WORKERS"))
"""Set the variable to leave worker processes out, where they cannot be started."""

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
    max_examples=int(os.environ.get("NESTFLOW_EXAMPLES", "100")),
    print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile("nestflow")


@pytest.fixture(autouse=True, scope="session")
def _remember_literals() -> Iterator[None]:
    with oracle.remember():
        yield


@pytest.fixture(params=_engines, scope="module")
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The name of an engine; a test that uses it runs on each."""
    with oracle.cut(3 if "tiny" in request.param else None):
        yield request.param


def scattered(pipeline: nf.Pipeline) -> nf.Pipeline:
    """Make each run of the pipeline large enough for several parts, by other work beside the tested one."""

    def pad() -> None:
        pipeline._set_before_run_hook("pad", pad)  # a hook is called once
        pipeline.parallelize(PADDING).apply(nf.transforms.foreach, len)

    pipeline._set_before_run_hook("pad", pad)
    return pipeline


@pytest.fixture
def create(engine: str) -> Iterator[Callable[..., nf.Pipeline]]:
    """Makes pipelines on the engine, with more options if given."""
    made: list[nf.Pipeline] = []

    def make(**options: Any) -> nf.Pipeline:
        pipeline = nf.Pipeline.create("local", **{"progress": False, **ENGINES[engine], **options})
        made.append(scattered(pipeline) if "tiny" in engine else pipeline)
        return pipeline

    yield make
    for pipeline in made:
        pipeline.close()


@pytest.fixture
def p(create: Callable[..., nf.Pipeline]) -> nf.Pipeline:
    """A fresh pipeline on the engine."""
    return create()
