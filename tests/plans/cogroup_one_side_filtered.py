"""Groups exist by the keys of both sides, although one side only takes away."""


def program(p, text):
    a = p.read(text("a.txt")).map(eval)
    b = p.read(text("b.txt")).map(eval)
    return a.cogroup(b).apply_values(lambda x, y: x.filter(lambda v: v > 0).subtract(y).count())
