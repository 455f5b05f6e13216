"""A filter below a count leaves markers, so that an emptied group still counts 0."""


def program(p, text):
    numbers = p.read(text("numbers.txt")).map(int)
    return numbers.group_by(lambda x: x % 3).apply_values(lambda g: g.filter(lambda x: x > 9).count())
