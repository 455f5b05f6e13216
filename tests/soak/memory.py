"""Memory does not grow with the size of a group: one giant group under a limit a tenth of its data.

    python tests/soak/memory.py [ROWS]        # 20,000,000 by default

Each job runs in a process of its own; the peak is what the system counted for it and its workers.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROWS = 20_000_000
SLACK = 64 << 20


def generate(path: Path, rows: int) -> None:
    """Lines ``key value``: nine tenths of them in one group."""
    draw = random.Random(1)
    with path.open("w") as out:
        for start in range(0, rows, 100_000):
            lines = []
            for _ in range(min(100_000, rows - start)):
                key = "giant" if draw.random() < 0.9 else f"k{draw.randrange(1000)}"
                lines.append(f"{key} {draw.randrange(10**9):09d}")
            out.write("\n".join(lines) + "\n")


def pairs(pipeline, path):
    """The input as (key, value)."""
    import nestflow as nf

    return pipeline.read(nf.TextFile(str(path))).map(lambda line: tuple(line.split(" ")))


def distinct_count(pipeline, path, out):
    """Distinct values of each group."""
    import nestflow as nf

    counts = pairs(pipeline, path).group_by_key().apply_values(lambda v: v.distinct().count())
    pipeline.write(counts.flatten(), nf.output.TextFile(out))


def sort(pipeline, path, out):
    """The values of each group in order."""
    import nestflow as nf

    ordered = pairs(pipeline, path).group_by_key().apply_values(lambda v: v.sort())
    pipeline.write(ordered.flatten_values(), nf.output.TextFile(out))


def nested(pipeline, path, out):
    """Groups within the groups, counted."""
    import nestflow as nf

    def by_start(values):
        return values.group_by(lambda v: v[:5]).apply_values(lambda w: w.count())

    counts = pairs(pipeline, path).group_by_key().apply_values(by_start)
    pipeline.write(counts.flatten(), nf.output.TextFile(out))


def sort_all(pipeline, path, out):
    """All lines in order."""
    import nestflow as nf

    pipeline.write(pipeline.read(nf.TextFile(str(path))).sort(), nf.output.TextFile(out))


def join(pipeline, path, out):
    """Every distinct value with what it is the value of, counted."""
    import nestflow as nf

    by_value = pairs(pipeline, path).map(lambda pair: (pair[1], pair[0]))
    first = by_value.filter(lambda pair: pair[0] < "1")
    pipeline.write(first.join(by_value).count(), nf.output.TextFile(out))


def empty(pipeline, path, out):
    """Next to nothing: what a process takes anyway."""
    import nestflow as nf

    pipeline.write(pipeline.parallelize(["x"]).map(lambda x: x), nf.output.TextFile(out))


MEASURED = (distinct_count, sort, nested, sort_all, join)
JOBS = {job.__name__: job for job in (empty, *MEASURED)}


def run_job(name: str, path: str, limit: int, out: str) -> None:
    """One job in this process."""
    import nestflow as nf

    with nf.Pipeline.create(
        "local", memory_limit=limit, host="in_process", tmp_dir=os.environ["NESTFLOW_TMP"]
    ) as p:
        JOBS[name](p, path, out)
        p.run()


def peak(name: str, path: Path, limit: int, folder: Path) -> tuple[int, float]:
    """Peak bytes and seconds of a job in a process of its own."""
    began = time.monotonic()
    command = [sys.executable, __file__, "--job", name, str(path), str(limit), str(folder / f"out-{name}")]
    environment = dict(os.environ, NESTFLOW_TMP=str(folder))
    process = subprocess.Popen(command, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed")
    return usage.ru_maxrss * 1024, time.monotonic() - began


def main(rows: int) -> None:
    """Generate, run, compare."""
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "data.txt"
        generate(path, rows)
        size = path.stat().st_size
        limit = size // 10
        base, _ = peak("empty", path, limit, folder)
        allowed = base + int(1.25 * limit) + SLACK
        print(json.dumps({"rows": rows, "bytes": size, "limit": limit, "empty": base, "allowed": allowed}))
        for job in MEASURED:
            used, seconds = peak(job.__name__, path, limit, folder)
            failed |= used > allowed
            print(
                json.dumps(
                    {"job": job.__name__, "peak": used, "seconds": round(seconds, 1), "ok": used <= allowed}
                )
            )
    if failed:
        raise SystemExit("a job took more memory than it may")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        run_job(sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)
