"""The three largest numbers for each remainder of a division by four."""

from __future__ import annotations

import nestflow as nf

NUMBERS = list(range(1, 31))


def main(pipeline: nf.Pipeline) -> dict[int, list[int]]:
    """Group by the remainder and take the three largest of each group."""
    numbers = pipeline.parallelize(NUMBERS)
    by_remainder = numbers.group_by(lambda number: number % 4)
    return by_remainder.apply_values(nf.transforms.max_elements, 3).get()


if __name__ == "__main__":
    for remainder, largest in sorted(main(nf.Pipeline.create("local")).items()):
        print(remainder, largest)
