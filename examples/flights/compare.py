"""Shows that two runs of flights.py, on whichever engines, gave the same.

    python compare.py FOLDER FOLDER

Each folder has what a run wrote, and in `report.txt` what it said. Where they differ, the first line
that does is shown, and the status is 1.
"""

from __future__ import annotations

import sys
from itertools import zip_longest
from pathlib import Path


def said(folder: Path) -> list[str]:
    """Give the tables of results, up to what is about plans."""
    lines = (folder / "report.txt").read_text(encoding="utf-8").splitlines()
    plans = next(number for number, line in enumerate(lines) if line.startswith("How different aircraft"))
    return lines[:plans]


def written(folder: Path) -> list[str]:
    """Give the lines of an output, in order, however many parts it has."""
    parts = sorted(folder.glob("part-*"))
    return [line for part in parts for line in part.read_text(encoding="utf-8").splitlines()]


def main(first: Path, second: Path) -> int:
    """Compare, and say so."""
    pairs = {"tables of results": (said(first), said(second))}
    for name in ("airlines", "routes"):
        pairs[name] = written(first / name), written(second / name)
    different = 0
    for name, (one, other) in pairs.items():
        if one and one == other:
            print(f"  {name}: equal, {len(one)} lines")
            continue
        different = 1
        differs = next((both for both in zip_longest(one, other) if both[0] != both[1]), "both are empty")
        print(f"  {name}: different: {differs}")
    return different


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
