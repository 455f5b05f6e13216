"""Each value divided by its group's sum: the rows are read once, and meet their sum in one task."""


def program(p, text):
    pairs = p.read(text("pairs.txt")).map(eval)
    return pairs.group_by_key().apply_values(lambda v: v.map(lambda x, s: x / s, v.sum())).flatten()
