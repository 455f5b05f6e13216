"""How fast blocks cross between a JVM and the native library, in both directions.

    SPARK_HOME=... python bench/bridge.py

Plans two small jobs with a Spark of this machine, and gives their stages to `bridge/Bridge.java`, which
drives native tasks as executors do and times the calls that carry blocks.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "tests" / "spark"))

RECORDS = int(os.environ.get("RECORDS", "60000"))


def main() -> None:
    """Measure, and print the rates."""
    from by_hand import planned

    import nestflow as nf
    from nestflow.bundle import product
    from nestflow.engine.spark.jars import jar_for

    p = nf.Pipeline.create("spark", progress=False, spark_conf={"spark.master": "local[1]"})
    kept = p.parallelize([os.urandom(1000) for _ in range(RECORDS)])
    others = p.parallelize([b"other"])
    giver = planned(p, kept)
    others.get()
    passer = planned(p, kept.union(others))
    with tempfile.TemporaryDirectory() as folder:
        for name, job in (("giver", giver), ("passer", passer)):
            stage, tasks = job.stages[0]
            Path(folder, f"{name}-stage").write_bytes(stage)
            Path(folder, f"{name}-task").write_bytes(max(tasks, key=len))
        classes = f"{folder}:{jar_for(os.environ['SPARK_HOME'])}:{os.environ['SPARK_HOME']}/jars/*"
        source = str(HERE / "bridge" / "Bridge.java")
        subprocess.run(["javac", "-cp", classes, "-d", folder, source], check=True)
        library = str(product.FOLDER / "libnestflow_jni.so")
        command = ["java", "-Xmx2g", "-cp", classes, "nestflow.spark.Bridge", folder, library]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
