"""Programs in processes of their own, which have a Spark for themselves."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def run(program: str, **values: object) -> subprocess.CompletedProcess[str]:
    """Run a program, an indented text with places for the values; gives how it ended and what it said."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program).format(**values)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
