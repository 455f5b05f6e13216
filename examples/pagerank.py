"""PageRank in its simplest form: in each of five rounds, a page passes its whole rank to all its links.

The plan grows with every round and is computed once, at the end.
"""

from __future__ import annotations

import nestflow as nf

LINKS = {0: [0, 1, 3, 4], 1: [0, 1], 2: [0, 2], 3: [0, 1, 3], 4: [4]}
ROUNDS = 5


def ranked(edges: nf.PCollection) -> nf.PCollection:
    """Pairs of page and rank, from pairs of page and linked page."""
    ranks = edges.group_by_key().extract_keys().map(lambda page: (page, 1))
    for _ in range(ROUNDS):
        passed_on = edges.join(ranks).map(lambda row: row[1])
        ranks = passed_on.group_by_key().apply_values(nf.transforms.sum).flatten()
    return ranks


def main(pipeline: nf.Pipeline) -> list[tuple[int, int]]:
    """Rank five pages that all link to themselves, the lowest first."""
    edges = pipeline.parallelize([(page, link) for page, links in LINKS.items() for link in links])
    return edges.apply(ranked).sort_by(lambda pair: (pair[1], pair[0])).get()


if __name__ == "__main__":
    for page, rank in main(nf.Pipeline.create("local")):
        print(page, rank)
