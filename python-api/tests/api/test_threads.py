"""One pipeline, built by several threads at once."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event


def test_each_thread_has_a_scope_of_its_own(p):
    inside, on = Event(), Event()
    ours, theirs = p.parallelize({"a": [1, 2]}), p.parallelize({"b": [3]})

    def slow(values):
        inside.set()
        assert on.wait(10)
        return values.count()

    def within_another(values):
        on.set()
        counts.append(future.result(10))
        return values.count()

    counts = []
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(lambda: theirs.apply_values(slow))
        assert inside.wait(10)
        assert ours.apply_values(within_another).get() == {"a": 2}
    assert counts[0].get() == {"b": 1}


def test_many_threads_build_one_plan(p):
    def build(number):
        def lifted(values):
            time.sleep(random.random() / 1000)
            return values.map(lambda x: x + number).sum()

        for _ in range(20):
            result = p.parallelize(list(range(6))).group_by(lambda x: x % 2).apply_values(lifted)
        return result.get()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(build, range(4))) == [{0: 6 + 3 * n, 1: 9 + 3 * n} for n in range(4)]
