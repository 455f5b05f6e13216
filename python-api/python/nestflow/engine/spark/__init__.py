"""The Spark engine: the compiled runtime inside Spark's executors.

The client plans here and describes a job; a small jar turns the description into RDDs. Spark
schedules, moves and retries; user functions run in processes of Python beside each executor.
"""

from __future__ import annotations

from .engine import SparkEngine

__all__ = ["SparkEngine"]
