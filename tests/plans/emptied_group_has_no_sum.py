"""A sum of nothing is no record: no marker is planned."""


def program(p, text):
    numbers = p.read(text("numbers.txt")).map(int)
    sums = numbers.group_by(lambda x: x % 3).apply_values(lambda g: g.filter(lambda x: x > 9).sum())
    return sums.flatten()
