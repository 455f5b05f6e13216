"""Each group joined with the same outer data: the outer side is not copied for each group."""


def program(p, text):
    outer = p.read(text("outer.txt")).map(eval)
    table = p.read(text("table.txt")).map(eval).group_by_key()
    return table.apply_values(lambda g, o: g.join(o), outer).flatten()
