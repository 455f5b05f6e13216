"""The mean of whole numbers, rounded down: arithmetic of values that are not computed yet."""

from __future__ import annotations

import nestflow as nf

NUMBERS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]


def average(numbers: nf.PCollection) -> nf.PObject:
    """The mean of a dataset, or of each group where it is applied in groups."""
    return numbers.sum() // numbers.count()


def main(pipeline: nf.Pipeline) -> int:
    """Compute the mean of all the numbers."""
    return pipeline.parallelize(NUMBERS).apply(average).get()


if __name__ == "__main__":
    print(main(nf.Pipeline.create("local")))
