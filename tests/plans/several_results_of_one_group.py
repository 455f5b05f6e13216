"""Mean of a group: one aggregate with two results, and no join."""


def program(p, text):
    numbers = p.read(text("numbers.txt")).map(int)
    return numbers.group_by(lambda x: x % 3).apply_values(lambda g: g.sum() / g.count())
