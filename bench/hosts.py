"""What a record costs on each host of user functions, beside a bare comprehension and PySpark.

    python bench/hosts.py records [NAME ...]    # nestflow's hosts, on this machine; all records, or some
    python bench/hosts.py pyspark [NAME ...]    # PySpark's RDD worker and its pandas UDF, and nestflow's
                                                # hosts in the same session of Spark; needs SPARK_HOME
    python bench/hosts.py spark                 # embedded against workers, in executors of local clusters
    python bench/hosts.py scaling               # two workers over one, beside two plain processes over one
    python bench/hosts.py starts                # a worker that is forked, and one that is a new interpreter

`records` and `pyspark` give nanoseconds of processor time for each record, of all processes together, of the
whole job: it reads what is kept, calls the function and keeps (PySpark: counts) the results; for workers on
this machine also nanoseconds of wall time, and how much two gain over one. Beside them, `records` has a
comprehension over records from pickles of 1,024 whose results are pickled: Python's own way to read and write
in memory. `spark` gives wall time, and
processor time in brackets. Each figure is the least of ROUNDS rounds, in which the candidates take turns:
other work on the machine makes it larger. `starts` gives milliseconds until the worker is ready, least and
median of 20 rounds.
"""

from __future__ import annotations

import glob
import json
import multiprocessing
import os
import pickle
import statistics
import sys
import time
from collections import defaultdict
from pathlib import Path

ROUNDS = int(os.environ.get("ROUNDS", "5"))
RECORDS = int(os.environ.get("RECORDS", "400000"))

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dogs", "and", "then", "sleeps"]


def much(x: int) -> int:
    """Do more than it takes to bring a record here and back."""
    return sum(n * x for n in range(60))


def shapes(*names: str):
    """Records of each shape, and a function that does little with one; and one that does much."""
    count = range(RECORDS)
    known = {
        "int": ([n * 7 for n in count], lambda x: x + 1),
        "float": ([n * 0.5 for n in count], lambda x: x * 2.0),
        "word": ([WORDS[n % 11] + str(n % 1000) for n in count], lambda x: x.upper()),
        "line of 60": ([" ".join(WORDS[(n + k) % 11] for k in range(12)) for n in count], lambda x: x[5:]),
        "(word, int)": ([(WORDS[n % 11], n) for n in count], lambda x: (x[0], x[1] + 1)),
        "(str, int, float)": ([(WORDS[n % 11], n, n * 0.5) for n in count], lambda x: (x[0], x[2], x[1])),
        "dict of 3": ([{"a": n, "b": WORDS[n % 11], "c": 0.5} for n in count], lambda x: {**x, "a": 1}),
        "bytes of 100": ([bytes(94) + b"%06d" % n for n in count], lambda x: x[1:]),
        "int, much Python": (list(range(RECORDS // 4)), much),
    }
    return {name: known[name] for name in names or known}


def processor_seconds(of_threads: bool = True) -> float:
    """What this process and the living ones that descend from it have used so far.

    Of living threads in nanoseconds, or with those that have ended, in hundredths of a second.
    """
    parents, used = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path("/proc", entry, "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents[int(entry)] = int(fields[1])
            used[int(entry)] = sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    ours, more = set(), {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in ours | more} - ours:
        ours |= more
    if not of_threads:
        return time.process_time() + sum(used.get(process, 0) for process in ours)
    nanoseconds = 0
    for process in ours:
        for thread in glob.glob(f"/proc/{process}/task/*/schedstat"):
            try:
                nanoseconds += int(Path(thread).read_text().split()[0])
            except OSError:
                continue
    return time.process_time() + nanoseconds / 1e9


Took = tuple[float, float]
"""Processor and wall seconds."""


def bare(records, function) -> Took:
    """What a comprehension takes."""
    started = time.thread_time(), time.perf_counter()
    [function(record) for record in records]
    return time.thread_time() - started[0], time.perf_counter() - started[1]


def pickled(records, function):
    """A candidate: the same over pickles, to pickles."""
    chunks = [pickle.dumps(records[start : start + 1024]) for start in range(0, len(records), 1024)]

    def work() -> Took:
        started = time.thread_time(), time.perf_counter()
        [pickle.dumps([function(record) for record in pickle.loads(chunk)]) for chunk in chunks]
        return time.thread_time() - started[0], time.perf_counter() - started[1]

    return work


def least(candidates) -> list[Took]:
    """The least of each candidate's figures over interleaved rounds."""
    best = [(float("inf"), float("inf"))] * len(candidates)
    for _ in range(ROUNDS):
        for index, candidate in enumerate(candidates):
            cpu, wall = candidate()
            best[index] = min(best[index][0], cpu), min(best[index][1], wall)
    return best


def used_by(work, of_threads: bool) -> Took:
    """What some work takes."""
    before, started = processor_seconds(of_threads), time.perf_counter()
    work()
    wall = time.perf_counter() - started
    return processor_seconds(of_threads) - before, wall


def job(work, of_threads: bool = True):
    """A candidate, tried before."""
    work()
    return lambda: used_by(work, of_threads)


def row(name, count, figures, walls=()) -> None:
    """Print nanoseconds per record: of a comprehension, then of jobs, and how often each is that.

    ``walls`` are the numbers of two jobs: their wall time is printed too, and what the second gains.
    """
    (first, _), *jobs = figures
    cells = [f"{first / count * 1e9:.0f}"]
    cells += [f"{cpu / count * 1e9:.0f} ({cpu / first:.2f} ×)" if cpu else "" for cpu, _ in jobs]
    if walls:
        one, two = (jobs[number][1] for number in walls)
        cells += [f"{one / count * 1e9:.0f}", f"{two / count * 1e9:.0f}", f"{one / two:.2f} ×"]
    print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


HOSTS = (("in_process", 1), ("workers", 1), ("workers", 2))


def records_table(*names: str) -> None:
    """Print the table of nestflow's hosts."""
    import nestflow as nf

    print(
        "| record | comprehension | pickles | in_process | workers, 1 | workers, 2 "
        "| wall, 1 | wall, 2 | gain |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name, (records, function) in shapes(*names).items():
        pipelines = [nf.Pipeline.create("local", host=host, threads=n, progress=False) for host, n in HOSTS]
        candidates = [lambda records=records, function=function: bare(records, function)]
        candidates += [pickled(records, function)]
        candidates += [kept_job(p, records, function) for p in pipelines]
        row(name, len(records), least(candidates), walls=(2, 3))
        for p in pipelines:
            p.close()


def kept_job(p, records, function, of_threads: bool = True):
    """A candidate that reads what is kept, calls the function and keeps the results."""
    kept = p.parallelize(records).cache()
    p.run()
    return job(lambda: kept.map(function).cache().count().get(), of_threads)


def pyspark_table(*names: str) -> None:
    """Print the table of PySpark: an RDD's pickled records to pickled records, and columns to columns.

    Beside it nestflow's hosts, in the same session.
    """
    home = os.environ["SPARK_HOME"]
    sys.path += glob.glob(f"{home}/python/lib/*.zip")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import pandas_udf

    import nestflow as nf
    from nestflow.engine.spark.jars import jar_for

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    spark = spark.config("spark.driver.memory", "3g").config("spark.jars", jar_for(home))
    spark = spark.config("spark.memory.offHeap.enabled", "true").config("spark.memory.offHeap.size", "2g")
    spark = spark.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    types = {
        "int": "long",
        "float": "double",
        "word": "string",
        "line of 60": "string",
        "bytes of 100": "binary",
        "int, much Python": "long",
    }
    print("| record | comprehension | RDD | pandas UDF | workers | embedded |\n|---|---|---|---|---|---|")
    for name, (records, function) in shapes(*names).items():
        pipelines = [
            nf.Pipeline.create("spark", session=spark, host=host, progress=False)
            for host in ("workers", "embedded")
        ]
        kept = spark.sparkContext.parallelize(records, 1).cache()
        mapped = kept.map(function)
        candidates = [lambda records=records, function=function: bare(records, function)]
        candidates += [job(mapped._jrdd.count, False), lambda: (0, 0)]
        if name in types:
            # The same function of each record, in batches of the library's size.
            applied = pandas_udf(lambda s, function=function: s.map(function), types[name])
            frame = spark.createDataFrame([(record,) for record in records], f"v {types[name]}").coalesce(1)
            frame.cache().count()
            write = frame.select(applied("v")).write.format("noop").mode("overwrite")
            candidates[-1] = job(write.save, False)
        candidates += [kept_job(p, records, function, False) for p in pipelines]
        row(name, len(records), least(candidates))
        for p in pipelines:
            p.close()
        kept.unpersist()
        spark.catalog.clearCache()
    spark.stop()


def starts_table() -> None:
    """Print how long it takes until a worker is ready."""
    import socket
    import struct
    import subprocess

    command = [sys.executable, "-m", "nestflow.host.worker"]

    def fresh() -> float:
        began = time.perf_counter()
        ours, theirs = socket.socketpair()
        process = subprocess.Popen([*command, str(os.getpid())], stdin=theirs)
        theirs.close()
        ours.recv(1)
        took = time.perf_counter() - began
        ours.close()
        process.wait(60)
        return took

    talk, theirs = socket.socketpair()
    began = time.perf_counter()
    spawner = subprocess.Popen([*command, "spawn", str(os.getpid())], stdin=theirs)
    theirs.close()

    def forked() -> float:
        began = time.perf_counter()
        ours, theirs = socket.socketpair()
        socket.send_fds(talk, [b"F\0\0\0\0"], [theirs.fileno(), 2])
        theirs.close()
        (process,) = struct.unpack("<i", talk.recv(4))
        ours.recv(1)
        took = time.perf_counter() - began
        ours.close()
        talk.sendall(b"W" + struct.pack("<I", process))
        talk.recv(4)
        return took

    forked()
    first = time.perf_counter() - began
    times = [(fresh(), forked()) for _ in range(20)]
    talk.close()
    spawner.wait(60)
    print("| worker | least | median |\n|---|---|---|")
    for name, column in zip(("a new interpreter", "forked"), zip(*times, strict=True), strict=True):
        print(f"| {name} | {min(column) * 1e3:.0f} | {statistics.median(column) * 1e3:.0f} |")
    print(f"the first one, with the process that forks it: {first * 1e3:.0f}")


def call(count: int, first: int) -> None:
    """Call the function that does much, of each number."""
    for x in range(first, first + count):
        much(x)


class Plain:
    """Two processes of plain Python."""

    def __enter__(self) -> Plain:
        """Start them; before others, since they are forked."""
        self.pool = multiprocessing.get_context("fork").Pool(2)
        return self

    def __exit__(self, *error: object) -> None:
        """End them."""
        self.pool.terminate()

    def wall(self, count: int, processes: int) -> float:
        """Wall seconds of so many calls, in one or in both."""
        started = time.perf_counter()
        share = count // processes
        self.pool.starmap(call, [(share, share * n) for n in range(processes)], 1)
        return time.perf_counter() - started


def scaling_table() -> None:
    """Print what two workers gain over one where there is much Python."""
    with Plain() as plain:
        import nestflow as nf

        count = RECORDS * 2
        stages = {}
        for threads in (1, 2):
            p = nf.Pipeline.create("local", host="workers", threads=threads, progress=False)
            stages[threads] = p.parallelize(list(range(count))).cache()
            p.run()
        print("| what | one | two | gain |\n|---|---|---|---|")
        walls: dict[str, list[list[float]]] = {"plain processes": [[], []], "workers": [[], []]}
        for turn in range(ROUNDS + 1):  # the first one starts workers
            for number, kept in stages.items():
                began = time.perf_counter()
                kept.map(much).cache().count().get()
                took = time.perf_counter() - began
                for name, wall in (("workers", took), ("plain processes", plain.wall(count, number))):
                    if turn:
                        walls[name][number - 1].append(wall)
        for name, (one, two) in walls.items():
            gain = statistics.median(a / b for a, b in zip(one, two, strict=True))
            print(f"| {name} | {min(one):.2f} | {min(two):.2f} | {gain:.2f} × |")


CLUSTERS = ("local-cluster[1,1,1024]", "local-cluster[2,1,1024]", "local-cluster[1,2,1024]")
JOBS = {
    "little Python": (1_000_000, lambda x: x + 1),
    "much Python": (6_000_000, much),
}


def one_cluster(master: str) -> None:
    """Run jobs in one cluster as they are asked for; for `spark_table`."""
    import nestflow as nf

    conf = {"spark.master": master, "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    conf |= {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
    # As many tasks in all clusters, and what is kept in all executors.
    conf |= {"spark.default.parallelism": "2", "spark.scheduler.minRegisteredResourcesRatio": "1"}
    pipelines = {
        h: nf.Pipeline.create("spark", spark_conf=conf, host=h, progress=False)
        for h in ("workers", "embedded")
    }
    kept = {
        (h, job): p.parallelize(list(range(n))).cache()
        for h, p in pipelines.items()
        for job, (n, _) in JOBS.items()
    }
    for p in pipelines.values():
        p.run()
    print("ready", flush=True)
    for line in sys.stdin:
        host, job = json.loads(line)
        cpu, started = processor_seconds(False), time.perf_counter()
        kept[host, job].map(JOBS[job][1]).sum().get()
        print("took", json.dumps([time.perf_counter() - started, processor_seconds(False) - cpu]), flush=True)


def spark_table() -> None:
    """Print seconds of jobs in three clusters, in workers and embedded, and what two cores gain."""
    import subprocess

    command = [sys.executable, __file__, "one_cluster"]
    pipe = subprocess.PIPE
    children = {}
    for master in CLUSTERS:
        children[master] = subprocess.Popen(
            [*command, master], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )
    for child in children.values():
        while child.stdout.readline() != "ready\n":
            if child.poll() is not None:
                raise SystemExit("a cluster has ended")
    took: dict[tuple[str, str], dict[str, list[Took]]] = defaultdict(lambda: defaultdict(list))
    with Plain() as plain:
        for turn in range(ROUNDS + 1):  # the first one starts workers and interpreters
            for job, (count, _) in JOBS.items():
                for master, child in children.items():
                    for host in ("workers", "embedded"):
                        print(json.dumps([host, job]), file=child.stdin, flush=True)
                        while not (line := child.stdout.readline()).startswith("took"):
                            pass
                        if turn:
                            took[job, host][master].append(json.loads(line[4:]))
                    if turn and job == "much Python":
                        wall = plain.wall(count, 1 + (master != CLUSTERS[0]))
                        took[job, "plain processes"][master].append((wall, wall))
    for child in children.values():
        child.stdin.close()
        child.wait(60)
    heads = [*CLUSTERS, *(f"gain of {master}" for master in CLUSTERS[1:])]
    print(f"| job | host | {' | '.join(heads)} |\n|---|---{'|---' * len(heads)}|")
    for (job, host), clusters in took.items():
        one, *more = clusters.values()
        cells = [f"{min(w for w, _ in each):.2f} ({min(c for _, c in each):.2f})" for each in (one, *more)]
        for other in more:
            gain = statistics.median(a / b for (a, _), (b, _) in zip(one, other, strict=True))
            cells.append(f"{gain:.2f} ×")
        print(f"| {job} | {host} | {' | '.join(cells)} |")


if __name__ == "__main__":
    tables = {
        "records": records_table,
        "pyspark": pyspark_table,
        "spark": spark_table,
        "one_cluster": one_cluster,
        "starts": starts_table,
        "scaling": scaling_table,
    }
    tables[sys.argv[1]](*sys.argv[2:])
