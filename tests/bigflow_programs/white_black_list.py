"""Clicks of sites that are in one list and not in another, as a Bigflow program has them."""

from bigflow import base, transforms


def with_none(sites):
    """Pairs, so that they can be cogrouped."""
    return sites.map(lambda site: (site, None))


def allowed(clicks, white, black):
    """The clicks of one site."""
    white_count, black_count = white.count(), black.count()
    return clicks.filter(lambda click, w, b: w > 0 and b == 0, white_count, black_count)


def main(pipeline):
    """The sum of the clicks that stay."""
    clicks = pipeline.parallelize([("a", 1000), ("b", 2000), ("a", 20), ("c", 500), ("b", 1), ("d", 7)])
    white = pipeline.parallelize(["a", "b", "c"]).apply(with_none)
    black = pipeline.parallelize(["c", "e"]).apply(with_none)
    return transforms.cogroup(clicks, white, black).apply_values(allowed).flatten_values().sum().get()


if __name__ == "__main__":
    print(main(base.Pipeline.create("local")))
