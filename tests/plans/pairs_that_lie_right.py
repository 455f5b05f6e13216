"""What was dealt by its key for one step stays where it is for the next: only the ranks move."""


def program(p, text):
    edges = p.read(text("edges.txt")).map(eval)
    links = edges.group_by_key().apply_values(lambda group: group.count()).flatten()
    ranks = p.read(text("ranks.txt")).map(eval)
    return links.join(ranks)
