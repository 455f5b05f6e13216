"""A test case with a pipeline of its own for each test."""

from __future__ import annotations

import functools
import os
import unittest
import uuid
from typing import TYPE_CHECKING, Any

from ..pcollection import PCollection
from ..pipeline import Pipeline
from ..ptable import PTable
from ..ptype import PType
from ..util.utils import flatten_runtime_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import ClassVar

KIND = "NESTFLOW_TEST_PIPELINE"
"""The variable with the kind of the pipelines, ``local`` unless set."""


class PipelineBasedTest(unittest.TestCase):
    """Gives each test a pipeline, ``self._pipeline``.

    Example:
        >>> class Sums(PipelineBasedTest):
        ...     def runTest(self):
        ...         self.passertEqual(3, self._pipeline.parallelize([1, 2]).sum())
        ...         self.passertTrue(self._pipeline.parallelize([]).is_empty())
        >>> Sums().run().wasSuccessful()
        True
    """

    options: ClassVar[dict[str, Any]] = {}
    """Options of the pipelines."""

    assertItemsEqual = unittest.TestCase.assertCountEqual
    """The name that it had in Python 2."""

    def setUp(self) -> None:
        """Make the pipeline."""
        self.pipeline_type = os.environ.get(KIND, "local").lower()
        self._tmp_path: list[str] = []
        self._pipelines: list[Pipeline] = []
        self.setConfig()

    def tearDown(self) -> None:
        """Remove the temporary paths of the test, and close its pipelines."""
        try:
            for path in self._tmp_path:
                self._pipeline._force_delete_file(path)
        finally:
            for pipeline in self._pipelines:
                pipeline.close()

    def create(self, **options: Any) -> Pipeline:
        """Make a pipeline of the kind that is tested; to be overridden for others."""
        return Pipeline.create(self.pipeline_type, **{**self.options, **options})

    def setConfig(self, **options: Any) -> None:
        """Make the pipeline of the test, anew if there is one; called by `setUp`, to be overridden."""
        self._pipeline = self.create(**options)
        self._pipelines.append(self._pipeline)

    def generate_tmp_path(self) -> str:
        """Give a path where nothing is yet; what a test puts there is removed at its end."""
        self._tmp_path.append(f"./.tmp_{uuid.uuid4()}")
        return self._tmp_path[-1]

    def passertEqual(self, expected: Any, found: Any, msg: str | None = None) -> None:
        """Compare the data of two datasets, or data; collections, and the groups of tables, without order."""
        kinds = [type(side) for side in (expected, found) if isinstance(side, PType)]
        first, second = (side.get() if isinstance(side, PType) else side for side in (expected, found))
        if any(issubclass(kind, PTable) for kind in kinds):
            first, second = flatten_runtime_value(first), flatten_runtime_value(second)
        elif not all(issubclass(kind, PCollection) for kind in kinds) or not (
            isinstance(first, list) and isinstance(second, list)
        ):
            self.assertEqual(first, second, msg)
            return
        self.assertCountEqual(first, second, msg)

    def passertTrue(self, condition: Any, msg: str | None = None) -> None:
        """Have the value of a PObject be True."""
        self.passertEqual(True, condition, msg)


def run_mode(
    mode: str | Iterable[str] | None = None, fs: str | Iterable[str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """Have a test run only where it belongs; elsewhere it is skipped.

    Args:
        mode: the kinds of pipelines, all of them unless given.
        fs: the file systems of its temporary paths, of which ``"local"`` is there; all of them unless given.

    Example:
        >>> class Sums(PipelineBasedTest):
        ...     @run_mode(mode="local")
        ...     def runTest(self):
        ...         self.passertEqual(3, self._pipeline.parallelize([1, 2]).sum())
        >>> Sums().run().wasSuccessful()
        True
    """

    def decorated(test: Callable[..., Any]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(case: PipelineBasedTest) -> None:
            if not _among(case.pipeline_type, mode):
                case.skipTest(f"not for a {case.pipeline_type} pipeline")
            if not _among("local", fs):
                case.skipTest("not for files of this machine")
            test(case)

        return run

    return decorated


def _among(name: str, wanted: str | Iterable[str] | None) -> bool:
    return wanted is None or name in ([wanted] if isinstance(wanted, str) else wanted)
