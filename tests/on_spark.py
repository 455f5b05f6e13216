"""The Spark that tests run on, where there is one: `scripts/test.py` says when."""

from __future__ import annotations

import os

from jvm_logs import OPTIONS

MASTER = os.environ.get("NESTFLOW_TEST_SPARK")
"""The master of a Spark that all tests run on instead of the local engine."""

HOST = os.environ.get("NESTFLOW_SPARK_HOST", "auto")
"""Where functions run on it: `workers`, or `embedded` in its JVMs."""

CONF = {
    "spark.master": str(MASTER),
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.extraJavaOptions": OPTIONS,
    "spark.executor.extraJavaOptions": OPTIONS,
}
"""Settings that keep it on this machine, and have the JVM check our calls."""
