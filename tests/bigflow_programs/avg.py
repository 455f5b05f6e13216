"""The mean of numbers, as a Bigflow program has it; the division of whole numbers is spelt out."""

from bigflow import base


def avg(numbers):
    """The mean, rounded down."""
    return numbers.sum() // numbers.count()


def main(pipeline):
    """Of a few numbers."""
    return pipeline.parallelize([1, 2, 3, 4, 5, 6, 7, 8, 9]).apply(avg).get()


if __name__ == "__main__":
    print(main(base.Pipeline.create("local")))
