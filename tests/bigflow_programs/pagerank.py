"""Five rounds of ranks, as a Bigflow program has them."""

from bigflow import base, transforms


def main(pipeline):
    """The rank of each node."""
    edges = pipeline.parallelize([(0, 1), (0, 2), (1, 0), (1, 3), (1, 4), (3, 0), (3, 1), (4, 0), (4, 1)])
    links = edges.group_by_key().apply_values(transforms.to_list_pobject).flatten()
    nodes = edges.flat_map(lambda edge: edge).distinct()
    ranks = nodes.map(lambda node: (node, 100))
    for _ in range(5):
        shares = links.join(ranks).flat_map(
            lambda row: [(target, row[1][1] // len(row[1][0])) for target in row[1][0]]
        )
        sums = shares.group_by_key().apply_values(transforms.sum).flatten()
        ranks = nodes.map(lambda node: (node, None)).left_join(sums).map(lambda row: (row[0], row[1][1] or 0))
    return sorted(ranks.get())


if __name__ == "__main__":
    print(main(base.Pipeline.create("local")))
