"""The three largest of each group, as a Bigflow program has them."""

from bigflow import base, transforms


def main(pipeline):
    """By the remainder of four."""
    numbers = pipeline.parallelize(list(range(31)))
    return numbers.group_by(lambda x: x % 4).apply_values(transforms.max_elements, 3).get()


if __name__ == "__main__":
    print(main(base.Pipeline.create("local")))
