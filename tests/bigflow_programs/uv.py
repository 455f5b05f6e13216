"""Visitors of each site, as a Bigflow program has them."""

from bigflow import base, input, output


def count_distinct(users):
    """How many different ones there are."""
    return users.distinct().count()


def main(pipeline, source, target):
    """Write a line for each site."""
    visits = pipeline.read(input.TextFile(source)).map(lambda line: tuple(line.split("\t")))
    counts = visits.group_by_key().apply_values(count_distinct)
    lines = counts.flatten().map(lambda row: "%s %d" % row)  # noqa: UP031
    pipeline.write(lines, output.TextFile(target).partition(1).sort())
    pipeline.run()


if __name__ == "__main__":
    main(base.Pipeline.create("local"), "visits.txt", "out")
