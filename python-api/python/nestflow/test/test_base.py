"""A test case with a pipeline of its own for each test."""

from __future__ import annotations

import os
import unittest
from typing import TYPE_CHECKING, Any

from ..pipeline import Pipeline
from ..ptype import PType

if TYPE_CHECKING:
    from typing import ClassVar

KIND = "NESTFLOW_TEST_PIPELINE"
"""The variable with the kind of the pipelines, ``local`` unless set."""


class PipelineBasedTest(unittest.TestCase):
    """Gives each test a pipeline, ``self._pipeline``.

    Example:
        >>> class Sums(PipelineBasedTest):
        ...     def runTest(self):
        ...         self.passertEqual(3, self._pipeline.parallelize([1, 2]).sum())
        >>> Sums().run().wasSuccessful()
        True
    """

    options: ClassVar[dict[str, Any]] = {}
    """Options of the pipelines."""

    def setUp(self) -> None:
        """Make the pipeline."""
        self._pipeline = Pipeline.create(os.environ.get(KIND, "local"), **self.options)

    def tearDown(self) -> None:
        """Close the pipeline."""
        self._pipeline.close()

    def passertEqual(self, expected: Any, found: Any) -> None:
        """Compare the data of two datasets, or data; lists without their order."""
        sides = [side.get() if isinstance(side, PType) else side for side in (expected, found)]
        if all(isinstance(side, list) for side in sides):
            self.assertCountEqual(*sides)
        else:
            self.assertEqual(*sides)
