"""Where the time of the benchmark's workloads goes on Spark.

    python bench/split.py DATA [WORKLOAD ...]       # DATA: a folder of the benchmark kit; needs SPARK_HOME

Prints, of the fastest of ROUNDS runs of each workload in one session: wall seconds; those of them in which no
task ran (planning, the commit of outputs, and what Spark needs between stages); seconds that tasks ran, added
up, and of these: what user functions took (with making their objects and cells), what tasks waited for and
wrote shuffled blocks, and what is left, which is operators, reading and writing; beside them what Spark
needed to unpack tasks and to pack their results; then tasks, and MB that passed channels and were spilled.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import urllib.request

import nestflow_peer

import nestflow as nf

SECONDS = ("wall", "idle", "tasks ran", "functions", "shuffle", "operators", "unpacking")
HEADS = (*SECONDS, "tasks", "MB", "MB spilled")
ROUNDS = int(os.environ.get("ROUNDS", "5"))


def asked(context, what: str):
    """What the application's interface answers."""
    address = f"{context.uiWebUrl}/api/v1/applications/{context.applicationId}/{what}"
    with urllib.request.urlopen(address) as answer:
        return json.load(answer)


def stages(context) -> dict[int, dict[str, int]]:
    """What Spark measured of each stage so far, in milliseconds, nanoseconds and bytes."""
    # Its listeners hear of the last tasks a little after the job's end.
    context._jsc.sc().listenerBus().waitUntilEmpty()
    return {stage["stageId"]: stage for stage in asked(context, "stages?status=complete")}


def tasks(context, numbers: list[int]) -> list[tuple[float, float]]:
    """When each task of some stages ran."""
    found = []
    for stage in numbers:
        for task in asked(context, f"stages/{stage}/0/taskList?length=100000"):
            began = time.mktime(time.strptime(task["launchTime"][:19], "%Y-%m-%dT%H:%M:%S"))
            began += float("0" + task["launchTime"][19:23])
            found.append((began, began + task["duration"] / 1e3))
    return found


def covered(spans: list[tuple[float, float]]) -> float:
    """Seconds in which there was at least one."""
    total, until = 0.0, float("-inf")
    for began, ended in sorted(spans):
        total += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return total


def run(name: str, data: str) -> list[float]:
    """Run a workload, and give its line."""
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    before = stages(context)
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        with nf.Pipeline.create("spark", progress=False) as p:
            nestflow_peer.JOBS[name](p, data, out)
            p.run()
            wall = time.perf_counter() - started
            ours = p.last_run["stages"]
    new = [stage for number, stage in stages(context).items() if number not in before]
    busy = covered(tasks(context, [stage["stageId"] for stage in new]))

    def seconds(field: str, unit: float) -> float:
        return sum(stage[field] for stage in new) / unit

    ran = seconds("executorRunTime", 1e3)
    functions = sum(stage["host_seconds"] for stage in ours)
    shuffle = seconds("shuffleFetchWaitTime", 1e3) + seconds("shuffleWriteTime", 1e9)
    around = seconds("executorDeserializeTime", 1e3) + seconds("resultSerializationTime", 1e3)
    left = ran - functions - shuffle
    moved = seconds("shuffleWriteBytes", 1e6)
    spilled = sum(stage["spilled"] for stage in ours) / 1e6
    count = seconds("numCompleteTasks", 1)
    return [wall, wall - busy, ran, functions, shuffle, left, around, count, moved, spilled]


def main() -> None:
    data, names = os.path.abspath(sys.argv[1]), sys.argv[2:] or [*nestflow_peer.JOBS][1:]
    conf = {**nestflow_peer.spark_conf(), "spark.ui.enabled": "true", "spark.ui.port": "0"}
    first = nf.Pipeline.create("spark", spark_conf=conf, progress=False)
    first.parallelize([1]).map(str).get()
    print(f"| workload | {' | '.join(HEADS)} |\n|---{'|---' * len(HEADS)}|")
    for name in names:
        best = min((run(name, data) for _ in range(ROUNDS)), key=lambda line: line[0])
        cells = [f"{x:.{2 if head in SECONDS else 0}f}" for head, x in zip(HEADS, best, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    first.close()
    nestflow_peer.stop_spark()


if __name__ == "__main__":
    main()
