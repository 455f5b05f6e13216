"""Takes more memory than the nodes of the tests grant."""

import time

import nestflow as nf


def greedy(x: int) -> int:
    taken = b"x" * (3 << 30)
    time.sleep(30)
    return len(taken) + x


p = nf.Pipeline.create("spark")
p.parallelize([1]).map(greedy).get()
