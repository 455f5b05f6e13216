"""Takes more memory than the nodes of the tests grant, of a kind that a worker's own limit does not count."""

import mmap
import time

import nestflow as nf


def greedy(x: int) -> int:
    taken = mmap.mmap(-1, 3 << 30)
    for _ in range(3 << 10):
        taken.write(bytes(1 << 20))
    time.sleep(30)
    return len(taken) + x


p = nf.Pipeline.create("spark")
p.parallelize([1]).map(greedy).get()
