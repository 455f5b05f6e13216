"""The number of distinct visitors of each website, written as text."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nestflow as nf

VISITS = [
    ("alpha.org", "ann"),
    ("alpha.org", "bob"),
    ("alpha.org", "ann"),
    ("beta.org", "ann"),
    ("beta.org", "ann"),
    ("gamma.org", "cyd"),
]


def main(pipeline: nf.Pipeline, target: str | None = None) -> list[str]:
    """Write ``site visitors`` lines to a directory and give them, sorted.

    Args:
        pipeline: where to compute.
        target: the directory; None for one of our own.
    """
    visits = pipeline.parallelize(VISITS)
    visitors = visits.group_by_key().apply_values(lambda users: users.distinct().count())
    lines = visitors.flatten().map(lambda pair: f"{pair[0]} {pair[1]}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(target or folder) / "uv"
        pipeline.write(lines, nf.output.TextFile(str(path)))
        pipeline.run()
        parts = sorted(path.glob("part-*"))
        return sorted(line for part in parts for line in part.read_text().splitlines())


if __name__ == "__main__":
    print("\n".join(main(nf.Pipeline.create("local"))))
