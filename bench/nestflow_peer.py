"""nestflow as a peer of the benchmark kit: six workloads as a user would write them.

    python bench/nestflow_peer.py ENGINE WORKLOAD --data DIR --out DIR [--host HOST] [--repeat K]

ENGINE is a kind of pipeline, such as `local`; `spark` has the settings of the kit's Spark peers. A
workload reads tab-separated lines under DIR and writes lines under --out; `empty` does next to
nothing, so that start-up can be told apart. The last line printed is JSON: peer, version, workload,
startup_s, and job_s with one figure per repeat.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from operator import add

STARTED = float(os.environ.get("BENCH_T0") or time.time())  # the kit says when it started us

import nestflow as nf  # noqa: E402 (after the clock)
from nestflow import transforms as T  # noqa: E402

TOP = 10
ITERATIONS = 10


def read(p, folder):
    return p.read(nf.TextFile(folder))


def write(p, rows, folder):
    p.write(rows.map(lambda row: "\t".join(map(str, row))), nf.output.TextFile(folder))


def empty(p, data, out):
    write(p, p.parallelize([(1,), (2,), (3,), (4,)]), f"{out}/result")


def webuv(p, data, out):
    visits = read(p, f"{data}/webuv").map(lambda line: line.split("\t", 2))
    users = visits.group_by(lambda v: v[0], lambda v: v[1])
    write(p, users.apply_values(lambda group: group.distinct().count()).flatten(), f"{out}/result")


def wordcnt(p, data, out):
    words = read(p, f"{data}/wordcnt").flat_map(lambda line: line.split())
    write(p, words.group_by(lambda word: word).apply_values(T.count).flatten(), f"{out}/result")


def gtopn(p, data, out):
    def parse(line):
        group, number = line.split("\t")
        return group, int(number)

    groups = read(p, f"{data}/gtopn").map(parse).group_by_key()
    write(p, groups.apply_values(T.max_elements, TOP).flatten(), f"{out}/result")


def gbayes(p, data, out):
    def statistics(docs):
        labels = docs.group_by(lambda doc: doc[1], lambda doc: doc[2])
        words = labels.apply_values(lambda texts: count_each(texts.flat_map(str.split)))
        return labels.apply_values(T.count), words

    def count_each(items):
        return items.group_by(lambda item: item).apply_values(T.count)

    docs = read(p, f"{data}/gbayes").map(lambda line: line.split("\t"))
    both = docs.group_by(lambda doc: doc[0]).apply_values(statistics)
    per_label = both.apply_values(lambda labels, words: labels).flatten()
    per_word = both.apply_values(lambda labels, words: words).flatten()
    write(p, per_label.map(lambda row: (row[0], *row[1])), f"{out}/docs")
    write(p, per_word.map(lambda row: (row[0], row[1][0], *row[1][1])), f"{out}/words")


def join(p, data, out):
    users = read(p, f"{data}/users").map(lambda line: line.split("\t", 2)[:2])
    orders = read(p, f"{data}/orders").map(lambda line: line.split("\t")).map(lambda f: (f[1], int(f[2])))
    cents = orders.join(users).map(lambda row: (row[1][1], row[1][0]))
    write(p, cents.group_by_key().apply_values(T.sum).flatten(), f"{out}/result")


def pagerank(p, data, out):
    def shares(row):
        targets, rank = row[1]
        return [(target, rank / len(targets)) for target in targets]

    edges = read(p, f"{data}/pagerank").map(lambda line: tuple(map(int, line.split("\t"))))
    links = edges.group_by_key().apply_values(T.to_list_pobject).flatten().cache()
    ranks = links.map(lambda link: (link[0], 1.0))
    for _ in range(ITERATIONS):
        sums = links.join(ranks).flat_map(shares).group_by_key().apply_values(T.reduce, add)
        ranks = sums.flatten().map(lambda row: (row[0], 0.15 + 0.85 * row[1]))
    write(p, ranks, f"{out}/result")


def spark_conf():
    """The settings of the kit's Spark peers."""
    channels = os.environ.get("BENCH_SHUFFLE", "4")
    return {
        "spark.master": f"local[{os.environ.get('BENCH_CORES', '2')}]",
        "spark.driver.memory": os.environ.get("BENCH_MEMORY", "8g"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "localhost",
        "spark.log.level": "ERROR",
        "spark.default.parallelism": channels,
        "spark.sql.shuffle.partitions": channels,
    }


def stop_spark():
    """As the kit's Spark peers end: with the context."""
    from pyspark import SparkContext

    SparkContext.getOrCreate().stop()


JOBS = {job.__name__: job for job in (empty, webuv, wordcnt, gtopn, gbayes, join, pagerank)}


def main() -> None:
    parser = argparse.ArgumentParser(description="nestflow as a peer of the benchmark kit")
    parser.add_argument("engine", help="the kind of pipeline, such as local")
    parser.add_argument("workload", choices=list(JOBS))
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--host", help="where functions run, if not where the engine would let them")
    parser.add_argument("--repeat", type=int, default=1, help="run the job so often in one process")
    arguments = parser.parse_args()
    options = {"host": arguments.host} if arguments.host else {}
    if arguments.engine == "spark":
        options["spark_conf"] = spark_conf()
    startup, times = time.time() - STARTED, []
    for _ in range(arguments.repeat):
        shutil.rmtree(arguments.out, ignore_errors=True)
        os.makedirs(arguments.out)
        started = time.time()
        with nf.Pipeline.create(arguments.engine, **options) as p:
            JOBS[arguments.workload](p, os.path.abspath(arguments.data), os.path.abspath(arguments.out))
            p.run()
        times.append(round(time.time() - started, 3))
    if arguments.engine == "spark":
        stop_spark()
    answer = {
        "peer": f"nestflow_{arguments.engine}",
        "version": nf.__version__,
        "workload": arguments.workload,
    }
    print(json.dumps({**answer, "startup_s": round(startup, 3), "job_s": times}), flush=True)


if __name__ == "__main__":
    main()
