"""What fault tests work on: lines of users, in several files."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LINES = [f"user-{number % 4999} {number % 97}" for number in range(120_000)]

EXPECTED = Counter(line.split()[0] for line in LINES)
"""How many lines each user has."""


def write(folder: Path) -> None:
    """Write files with the lines."""
    for part in range(6):
        (folder / f"part-{part}").write_text("\n".join(LINES[part::6]) + "\n")
