"""Clicks on advertisements: of the sites in a white list, without those in a black list.

For each site, the clicks are kept if the white list has the site and the black list has not. The
counts of the two lists in the site's group are side inputs of the filter.
"""

from __future__ import annotations

import nestflow as nf

CLICKS = [
    ("shop.org", 1000),
    ("news.org", 2000),
    ("shop.org", 20),
    ("spam.org", 500),
    ("news.org", 1),
    ("else.org", 7),
]
WHITE = ["shop.org", "news.org", "spam.org"]
BLACK = ["spam.org", "scam.org"]


def allowed(clicks: nf.PCollection, white: nf.PCollection, black: nf.PCollection) -> nf.PCollection:
    """The clicks of one site if it is white and not black."""
    return clicks.filter(lambda _, good, bad: good > 0 and bad == 0, white.count(), black.count())


def main(pipeline: nf.Pipeline) -> int:
    """Add up the allowed clicks."""
    clicks = pipeline.parallelize(CLICKS)
    white = pipeline.parallelize(WHITE).map(lambda site: (site, None))
    black = pipeline.parallelize(BLACK).map(lambda site: (site, None))
    return clicks.cogroup(white, black).apply_values(allowed).flatten_values().sum().get()


if __name__ == "__main__":
    print(main(nf.Pipeline.create("local")))
