"""How much of a JVM's heap kept data takes.

    python bench/heap.py [HEAP ...]     # 1g 3g 6g; needs SPARK_HOME

Keeps lines of three lengths, 200 MB together, and prints by how much the heap has grown after a collection,
beside the bytes that Spark counts. The usual collector gives large arrays regions of their own, whose size
depends on the heap's.
"""

from __future__ import annotations

import re
import subprocess
import sys

LENGTHS = (60, 100, 300)
BYTES, TIMES = 13_000_000, 5
MIB = 1 << 20


def measure(heap: str) -> None:
    """Print the line of a heap."""
    import nestflow as nf

    conf = {"spark.master": "local[1]", "spark.driver.memory": heap, "spark.ui.enabled": "false"}
    p = nf.Pipeline.create("spark", progress=False, spark_conf=conf)
    assert p.parallelize([0]).map(str).get() == ["0"]
    context = p._engine._context
    process = str(context._jvm.java.lang.ProcessHandle.current().pid())

    def used() -> tuple[int, int]:
        subprocess.run(["jcmd", process, "GC.run"], stdout=subprocess.DEVNULL, check=True)
        found = subprocess.run(["jcmd", process, "GC.heap_info"], capture_output=True, text=True, check=True)
        figures = re.search(r"used (\d+)K", found.stdout), re.search(r"region size (\d+)K", found.stdout)
        return int(figures[0][1]) * 1024, int(figures[1][1]) * 1024

    before, region = used()
    for length in LENGTHS:
        for _ in range(TIMES):
            p.parallelize([BYTES // length]).flat_map(range).map(lambda n, x="x" * length: f"{x}{n}").cache()
            p.run()
    after, _ = used()
    infos = context._jsc.sc().getRDDStorageInfo()
    counted = sum(info.memSize() for info in infos)
    grown = after - before
    print(
        f"| {heap} | {region / MIB:.0f} MiB | {counted / MIB:.0f} MiB | {grown / MIB:.0f} MiB "
        f"| {grown / counted:.2f} × |",
        flush=True,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        measure(sys.argv[2])
    else:
        print("| heap | region | counted by Spark | grown by | |\n|---|---|---|---|---|")
        for heap in sys.argv[1:] or ("1g", "3g", "6g"):
            subprocess.run([sys.executable, __file__, "one", heap], stderr=subprocess.DEVNULL, check=True)
