"""The engines that every test runs on, and pipelines on them.

An engine is a way to run the same plan: where user functions are called, and with how much memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import nestflow as nf
import oracle
import pytest

TINY = {"memory_limit": "8MB"}

ENGINES: dict[str, dict[str, Any]] = {
    "in_process": {"host": "in_process"},
    "in_process_tiny": {"host": "in_process", **TINY},
    "workers": {"host": "workers"},
    "workers_tiny": {"host": "workers", **TINY},
}

SKIP_WORKERS = bool(os.environ.get("NESTFLOW_SKIP_WORKERS"))
"""Set the variable to leave worker processes out, where they cannot be started."""

_engines = [
    pytest.param(
        name, marks=pytest.mark.skipif(SKIP_WORKERS and "workers" in name, reason="NESTFLOW_SKIP_WORKERS is set")
    )
    for name in ENGINES
]

hypothesis.settings.register_profile(
    "nestflow",
    deadline=None,
    max_examples=int(os.environ.get("NESTFLOW_EXAMPLES", "150")),
    print_blob=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
hypothesis.settings.load_profile("nestflow")


@pytest.fixture(autouse=True, scope="session")
def _remember_literals() -> Iterator[None]:
    with oracle.remember():
        yield


@pytest.fixture(params=_engines, scope="module")
def engine(request: pytest.FixtureRequest) -> str:
    """The name of an engine; a test that uses it runs on each."""
    return request.param


@pytest.fixture
def create(engine: str) -> Iterator[Callable[..., nf.Pipeline]]:
    """Makes pipelines on the engine, with more options if given."""
    made: list[nf.Pipeline] = []

    def make(**options: Any) -> nf.Pipeline:
        made.append(nf.Pipeline.create("local", **{"progress": False, **ENGINES[engine], **options}))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.close()


@pytest.fixture
def p(create: Callable[..., nf.Pipeline]) -> nf.Pipeline:
    """A fresh pipeline on the engine."""
    return create()


@pytest.fixture(scope="module")
def shared(engine: str) -> Iterator[nf.Pipeline]:
    """One pipeline for all tests of a module: plans grow long, and runs take what they need of them."""
    with nf.Pipeline.create("local", progress=False, **ENGINES[engine]) as pipeline:
        yield pipeline
